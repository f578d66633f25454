"""Explains an observed difference by conventions on which the two sides differ.

One function a stage. Each reads the two sides' canonical conventions (measured, each shown to
reproduce its side) and proposes candidates; none is a cause before it is verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.conventions import Factored, Misplaced
from netparity.diagnosis import initial
from netparity.diagnosis.align import Pairing, affines
from netparity.diagnosis.candidates import Both, Candidate, Plan, set_conventions, text, written
from netparity.diagnosis.gradient import FoundGradient
from netparity.diagnosis.identify import Identified, l2_penalties
from netparity.diagnosis.observe import pair_layers
from netparity.diagnosis.twin import decay_coefficients
from netparity.nn import (
    ELU,
    GELU,
    SGD,
    Adam,
    Affine,
    Dropout,
    Layer,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    MulticlassHinge,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
)
from netparity.report.model import Evidence, Fix

#: The laws of dense layers that each framework uses by itself: (weights, biases).
DEFAULT_LAWS = {
    "torch": ("torch_linear", "torch_linear"),
    "keras": ("glorot_uniform", "zeros"),
    "sklearn": ("glorot_uniform", "glorot_uniform"),
    "jax": ("lecun_normal", "zeros"),
    "tensorflow": ("glorot_uniform", "zeros"),
}


# ---- structure ---------------------------------------------------------------------------------
def structure(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Layers, biases and widths that stand on one side only."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    without: dict[str, list[str]] = {"left": [], "right": []}
    one, two = dict(affines(left)), dict(affines(right))
    for name, other in pairing.layers.items():
        a, b = one[name], two[other]
        if (a.inputs, a.outputs) != (b.inputs, b.outputs):
            yield Candidate(
                "layer-width", "structure", (name, other),
                f"{name}: {a.inputs} → {a.outputs}", f"{other}: {b.inputs} → {b.outputs}",
                f"{name} maps {a.inputs} to {a.outputs} on the left, {other} maps {b.inputs} to "
                f"{b.outputs} on the right.",
                (Evidence("outputs of the layer", a.outputs, b.outputs, None),),
                both.fix("layer-width", left=b.outputs, right=a.outputs),
            )  # fmt: skip
        elif a.bias != b.bias:
            without["left" if b.bias else "right"].append(name if b.bias else other)
    for side, layers in without.items():
        if layers:
            yield _bias_absent(both, side, layers, pairing)
    for side, names, mine in (
        ("left", pairing.left_only, one), ("right", pairing.right_only, two),
    ):  # fmt: skip
        paired = set(pairing.layers) if side == "left" else set(pairing.layers.values())
        extra = [n for n in mine if n not in paired]
        if extra:
            other = "right" if side == "left" else "left"
            yield Candidate(
                "layer-missing", "structure", tuple(extra),
                f"{len(one)} weight layers", f"{len(two)} weight layers",
                f"{', '.join(extra)} on the {side} has no counterpart on the {other} "
                f"({len(names)} parameters without a partner).",
                (Evidence("weight layers", len(one), len(two), None),),
                both.fix("layer-missing", left=extra, right=extra),
            )  # fmt: skip


def _bias_absent(both: Both, side: str, layers: list[str], pairing: Pairing) -> Candidate:
    other = "right" if side == "left" else "left"
    bare, full = (both.left, both.right) if side == "left" else (both.right, both.left)

    def change(plan: Plan) -> Plan:
        stack = []
        for name, layer in plan.conventions.layers or ():
            target = name
            if side == "right":
                target = name
            if isinstance(layer, Affine) and target in names:
                layer = replace(layer, bias=side == "right")
            stack.append((name, layer))
        return replace(plan, conventions=replace(plan.conventions, layers=tuple(stack)))

    names = {pairing.layers[n] for n in layers} if side == "left" else set(layers)
    texts = {side: "no bias", other: "with bias"}
    return Candidate(
        "bias-absent", "structure", tuple(layers), texts["left"], texts["right"],
        f"The {len(layers)} weight layers on the {side} have no bias; those on the {other} have "
        "one and train it.",
        (
            Evidence(
                f"parameters of {bare.side.which} against {full.side.which}",
                len(bare.parameters), len(full.parameters), None,
            ),
        ),
        both.fix("bias-absent", left=side == "left", right=side == "right"),
        change,
    )  # fmt: skip


# ---- init --------------------------------------------------------------------------------------
def initial_values(both: Both, pairing: Pairing, different: Sequence[str]) -> Iterator[Candidate]:
    """Laws where they cannot be the same, else another draw of the same law."""
    right_values = pairing.to_left(both.right.parameters)
    left_values = {n: v for n, v in both.left.parameters.items() if n in right_values}
    one, two = initial.groups(left_values), initial.groups(right_values)
    defaults = [DEFAULT_LAWS.get(k.live.framework) for k in (both.left, both.right)]
    found: dict[str, list[tuple[str, initial.Laws]]] = {}
    for key in one:
        if not any(n in different for n, *_ in one[key].arrays):
            continue
        index = 0 if key == "weights" else 1
        preferred = [d[index] for d in defaults if d is not None]
        laws = initial.laws(one[key], two[key], preferred)
        if laws.common:
            found.setdefault("init-value", []).append((key, laws))
            continue
        own = [d is not None and d[index] in names
               for d, names in zip(defaults, (laws.left, laws.right), strict=True)]  # fmt: skip
        id = ("dense-init-default", "dense-bias-init")[index] if all(own) else "init-law"
        found.setdefault(id, []).append((key, laws))
    if len(found) > 1 and "init-value" in found and "init-law" in found:
        found["init-law"] += found.pop("init-value")
    for id, groups in found.items():
        where = tuple(n for key, _ in groups for n, *_ in one[key].arrays if n in different)
        lefts = "; ".join(f"{key} {laws.left_text}" for key, laws in groups)
        rights = "; ".join(f"{key} {laws.right_text}" for key, laws in groups)
        if id == "init-value":
            statement = (
                "The initial values are other draws, of laws that can be the same "
                f"({groups[0][1].common[0]})."
            )
        else:
            statement = f"The initial values follow different laws: left {lefts}; right {rights}."
        evidence = tuple(
            Evidence(
                f"laws of the {key} that a Kolmogorov-Smirnov test (p > 0.001) and their support "
                "leave open on the left, against the right",
                ", ".join(laws.left[:4]) or "none known", ", ".join(laws.right[:4]) or "none known",
                None,
            )
            for key, laws in groups
        )  # fmt: skip
        yield Candidate(
            id, "init", where, lefts, rights, statement, evidence,
            both.fix(id, left=groups[0][1].right_text, right=groups[0][1].left_text),
            lambda plan: replace(plan, initial="left"),
            also=("same-seed-different-stream",)
            if id == "init-value" and both.left.live.framework != both.right.live.framework
            else (),
        )  # fmt: skip


# ---- data --------------------------------------------------------------------------------------
def data(both: Both) -> Iterator[Candidate]:
    """Batch size, order, the last partial batch, sampling with replacement."""
    left, right = both.fed["left"], both.fed["right"]
    a, b = left.feeding, right.feeding

    def change(plan: Plan) -> Plan:
        return replace(plan, batches="left")

    if any(np.any(r < 0) for r in (*left.rows, *right.rows)):
        yield Candidate(
            "preprocessing", "data", ("inputs",), "rows as given" if _known(left) else
            "rows changed on the way", "rows as given" if _known(right) else
            "rows changed on the way",
            "What one side feeds are not rows of the data: it scales, encodes or augments them.",
            (Evidence("fed rows that are rows of the data", _share(left), _share(right), None),),
            both.fix("preprocessing", left="the right's", right="the left's"), change,
        )  # fmt: skip
        return
    if a.batch_size != b.batch_size:
        yield Candidate(
            "batch-size-value", "data", ("batches",), f"{a.batch_size} rows",
            f"{b.batch_size} rows",
            f"Left feeds {a.batch_size} rows a batch, right {b.batch_size}.",
            (Evidence("rows in a batch", a.batch_size, b.batch_size, None),),
            both.fix("batch-size-value", left=b.batch_size, right=a.batch_size), change,
        )  # fmt: skip
    orders = {
        "sequential": "in order", "shuffled": "shuffled, each row once an epoch",
        "replacement": "drawn with replacement",
    }  # fmt: skip
    if "replacement" in {a.order, b.order} and a.order != b.order:
        yield Candidate(
            "sampling-with-replacement", "data", ("batches",), orders[a.order], orders[b.order],
            f"Left feeds rows {orders[a.order]}, right {orders[b.order]}: in one epoch left "
            f"covers {_coverage(left):.0%} of the rows, right {_coverage(right):.0%}.",
            (
                Evidence("share of the rows seen in one epoch", _coverage(left),
                         _coverage(right), None),
                Evidence("rows fed twice or more in one epoch", _repeats(left),
                         _repeats(right), None),
            ),
            both.fix("sampling-with-replacement", left=b.order == "replacement",
                     right=a.order == "replacement"), change,
        )  # fmt: skip
    elif {a.partial, b.partial} == {"kept", "dropped"}:
        yield Candidate(
            "partial-batch-kept", "data", ("batches",), a.partial, b.partial,
            f"The last, smaller batch of an epoch is {a.partial} on the left and {b.partial} on "
            "the right.",
            (Evidence("batches in two epochs", len(left.batches), len(right.batches), None),),
            both.fix("partial-batch-kept", left=b.partial, right=a.partial), change,
        )  # fmt: skip
    elif a.batch_size == b.batch_size:
        yield Candidate(
            "batch-order", "data", ("batches",), orders[a.order], orders[b.order],
            f"The same rows in another order: left {orders[a.order]}, right {orders[b.order]}.",
            (Evidence("share of the rows seen in one epoch", _coverage(left),
                      _coverage(right), None),),
            both.fix("batch-order", left="the right's order", right="the left's order"), change,
        )  # fmt: skip


def _known(fed: Any) -> bool:
    return all(np.all(r >= 0) for r in fed.rows)


def _share(fed: Any) -> float:
    rows = np.concatenate(fed.rows)
    return float(np.mean(rows >= 0))


def _first_epoch(fed: Any) -> Any:
    return np.concatenate([r for r, e in zip(fed.rows, fed.epochs, strict=True) if e == 0])


def _coverage(fed: Any) -> float:
    rows = _first_epoch(fed)
    return float(len(np.unique(rows)) / max(1, len(rows)))


def _repeats(fed: Any) -> int:
    _, counts = np.unique(_first_epoch(fed), return_counts=True)
    return int(np.sum(counts > 1))


# ---- forward -----------------------------------------------------------------------------------
def forward(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Activations and their constants, dropout's rate and scaling."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    pairs = pair_layers(left, right, pairing)
    groups: dict[str, list[tuple[str, str, Layer, Layer]]] = {}
    for name, layer in left.conventions.layers or ():
        if name not in pairs or isinstance(layer, Affine):
            continue
        other, theirs = pairs[name]
        for id in _layer_ids(layer, theirs):
            groups.setdefault(id, []).append((name, other, layer, theirs))
    for id, places in groups.items():
        yield _layer_candidate(both, id, places)
    paired = {other for other, _ in pairs.values()}
    lone = [("left", n, k) for n, k in left.conventions.layers or () if _lonely(n, k, pairs)]
    lone += [("right", n, k) for n, k in right.conventions.layers or () if _lonely(n, k, paired)]
    if lone:
        yield _lone_layers(both, lone)


def _lonely(name: str, layer: Layer, paired: Any) -> bool:
    from netparity.nn import Flatten, Identity

    return name not in paired and not isinstance(layer, Affine | Flatten | Identity)


def _lone_layers(both: Both, lone: Sequence[tuple[str, str, Layer]]) -> Candidate:
    softmax_again = [
        (side, n) for side, n, k in lone
        if isinstance(k, Softmax) and _last(both.left if side == "left" else both.right) == n
    ]  # fmt: skip
    id = "softmax-twice" if softmax_again and len(lone) == 1 else "layer-missing"
    names = [f"{side}: {name}" for side, name, _ in lone]
    layers = both.left.conventions.layers
    return Candidate(
        id, "forward", tuple(names),
        ", ".join(repr(k) for s, _, k in lone if s == "left") or "no such layer",
        ", ".join(repr(k) for s, _, k in lone if s == "right") or "no such layer",
        f"{', '.join(names)} has no counterpart on the other side.",
        (Evidence("layers without a counterpart", len(lone), 0, None),),
        both.fix(id, left=lone[0][2], right=lone[0][2]),
        lambda plan: replace(
            plan, conventions=replace(plan.conventions, layers=_renamed(both, layers, plan))
        ),
    )  # fmt: skip


def _last(known: Identified) -> str:
    layers = known.conventions.layers or ()
    return layers[-1][0] if layers else ""


def _renamed(both: Both, layers: Any, plan: Plan) -> Any:
    """Left's layers with the weight layers of the plan in their places."""
    mine = iter([(n, k) for n, k in plan.conventions.layers or () if isinstance(k, Affine)])
    return tuple(next(mine) if isinstance(k, Affine) else (f"left_{n}", k) for n, k in layers or ())


def _layer_ids(a: Layer, b: Layer) -> list[str]:
    if isinstance(a, Dropout) and isinstance(b, Dropout):
        ids = []
        if a.rate != b.rate:
            ids.append("dropout-rate-vs-keep" if abs(a.rate + b.rate - 1) < 1e-9
                       else "dropout-rate-value")  # fmt: skip
        if a.scaling != b.scaling:
            ids.append("dropout-inverted")
        return ids
    if type(a) is not type(b):
        return ["activation-kind"]
    if a == b:
        return []
    if isinstance(a, LeakyReLU):
        return ["leaky-relu-slope"]
    if isinstance(a, GELU):
        return ["gelu-variant"]
    if isinstance(a, ELU):
        return ["elu-alpha"]
    if isinstance(a, Softmax):
        return ["softmax-axis"]
    return []  # a switch of the backward pass only


def _layer_candidate(
    both: Both, id: str, places: Sequence[tuple[str, str, Layer, Layer]]
) -> Candidate:
    name, other, a, b = places[0]
    fields: dict[str, Any] = {}
    if isinstance(a, Dropout) and isinstance(b, Dropout):
        fields = {"scaling": a.scaling} if id == "dropout-inverted" else {"rate": a.rate}
        left = f"drops {a.rate:g} (keeps {1 - a.rate:g})" if "rate" in fields else a.scaling
        right = f"drops {b.rate:g} (keeps {1 - b.rate:g})" if "rate" in fields else b.scaling
        declared = written(both.right, f"layers.{other}.rate", "")
        right += f", written {declared}" if declared and "rate" in fields else ""
        declared = written(both.left, f"layers.{name}.rate", "")
        left += f", written {declared}" if declared and "rate" in fields else ""
        statement = (
            f"Left drops a unit with probability {a.rate:g}, right with {b.rate:g}"
            + (": the same number, once as the probability to keep and once as that to drop."
               if id == "dropout-rate-vs-keep" else ".")
        )  # fmt: skip
        if id == "dropout-inverted":
            statement = f"Left scales kept units {a.scaling}, right {b.scaling}."
        evidence = (
            Evidence("drop rate left + drop rate right", a.rate + b.rate,
                     1.0 if id == "dropout-rate-vs-keep" else None, abs(a.rate + b.rate - 1)),
        )  # fmt: skip
        values = (text(b.rate), text(a.rate))
    else:
        left, right = repr(a), repr(b)
        statement = f"After {name}: {left} on the left, {right} on the right."
        evidence = (Evidence("layer", left, right, None),)
        values = (repr(b), repr(a))
    renamed = {other: layer for _, other, layer, _ in places}

    def change(plan: Plan) -> Plan:
        stack = []
        for n, layer in plan.conventions.layers or ():
            if n in renamed:
                layer = replace(layer, **fields) if fields else renamed[n]
            stack.append((n, layer))
        return replace(plan, conventions=replace(plan.conventions, layers=tuple(stack)))

    return Candidate(
        id, "forward", tuple(n for n, *_ in places), left, right, statement, evidence,
        both.fix(id, left=values[0], right=values[1]), change,
    )  # fmt: skip


# ---- loss --------------------------------------------------------------------------------------
def loss(both: Both) -> Iterator[Candidate]:
    """The kind of loss, its reduction and its factor."""
    left, right = both.left.conventions.loss, both.right.conventions.loss
    if left is None or right is None:
        return
    change = set_conventions(loss=left)
    here = both.left.loss, both.right.loss
    residual = max((f.measure.difference for f in here if f is not None), default=None)
    if type(left) is not type(right) or getattr(left, "input", "") != getattr(right, "input", ""):
        id = "loss-kind"
        if isinstance(left, SoftmaxCrossEntropy) and isinstance(right, SoftmaxCrossEntropy):
            id = "from-logits-default"
        yield Candidate(
            id, "loss", ("loss",), describe(left), describe(right),
            f"Left trains on {describe(left)}, right on {describe(right)}.",
            (Evidence("loss that reproduces the side", describe(left), describe(right),
                      residual),),
            both.fix(id, left=describe(right), right=describe(left)), change,
        )  # fmt: skip
        return
    outputs = affines(both.left.twin)[-1][1].outputs if both.left.twin else 1
    evidence = [
        Evidence("loss left = factor · Σ over rows and outputs / N^j: factor", *_terms(left,
                 outputs), residual),
        Evidence("loss right: factor", *_terms(right, outputs), residual),
    ]  # fmt: skip
    id = _loss_id(left, right)
    if isinstance(left, MulticlassHinge) and isinstance(right, MulticlassHinge):
        if left.counts_true_class != right.counts_true_class:
            evidence.insert(0, Evidence(
                "loss left − sum over the wrong classes (same gradient)"
                if left.counts_true_class else
                "loss right − sum over the wrong classes (same gradient)",
                left.margin if left.counts_true_class else right.margin, 1.0, residual,
            ))  # fmt: skip
        if left.classes != right.classes:
            evidence.insert(1, Evidence("gradient left / gradient right, the number of classes",
                            float(outputs) if left.classes == "sum" else 1 / outputs,
                            outputs, residual))  # fmt: skip
    extra = _loss_fix(both, left, right, outputs)
    yield Candidate(
        id, "loss", ("loss",), describe(left), describe(right),
        f"Left trains on {describe(left)}, right on {describe(right)}"
        + _ratio_words(left, right, outputs), tuple(evidence), extra, change,
        also=_also_loss(both, id),
    )  # fmt: skip


def _also_loss(both: Both, id: str) -> tuple[str, ...]:
    black_box = [k for k in (both.left, both.right) if k.gradient is None]
    return ("learning-rate-value",) if black_box and id != "learning-rate-value" else ()


def _terms(loss: Loss, outputs: int) -> tuple[float, str]:
    per = "N" if loss.batch == "mean" else "1"
    factor = loss.factor
    if getattr(loss, "outputs", getattr(loss, "classes", "sum")) == "mean":
        factor = factor / outputs
    return factor, f"/{per}"


def _ratio_words(left: Loss, right: Loss, outputs: int) -> str:
    a, b = _terms(left, outputs), _terms(right, outputs)
    if a[1] == b[1]:
        return f": right's gradient is {b[0] / a[0]:g} times left's."
    if b[1] == "/N":
        return f": right's gradient is {b[0] / a[0]:g}/N of left's for a batch of N."
    return f": right's gradient is {b[0] / a[0]:g}·N times left's for a batch of N."


def _loss_fix(both: Both, left: Loss, right: Loss, outputs: int) -> Fix:
    id = _loss_id(left, right)
    a, b = _terms(left, outputs), _terms(right, outputs)
    if isinstance(left, MulticlassHinge):
        ratio = a[0] / b[0]
        return both.fix(id, left=text(1 / ratio), right=text(ratio))
    if isinstance(left, MeanSquaredError):
        per = {"/N": " / len(y)", "/1": ""}
        return both.fix(
            id, left=f"{2 * b[0]:g}{per[b[1]]}", right=f"{a[0]:g}{per[a[1]]}"
        )
    return both.fix(id, left=f"{b[0] / a[0]:g}", right=f"{a[0] / b[0]:g}")


def _loss_id(left: Loss, right: Loss) -> str:
    if isinstance(left, MulticlassHinge):
        return "multiclass-hinge-margin"
    reductions = any(
        getattr(left, f, None) != getattr(right, f, None) for f in ("batch", "outputs")
    )
    ratio = left.factor / right.factor if right.factor else float("inf")
    if isinstance(left, MeanSquaredError) and (reductions or ratio in {2.0, 0.5}):
        return "mse-reduction"
    if isinstance(left, SoftmaxCrossEntropy) and reductions:
        return "ce-reduction"
    if isinstance(left, SigmoidCrossEntropy) and reductions:
        return "bce-multidim-reduction" if left.batch == right.batch else "ce-reduction"
    if getattr(left, "clip", None) != getattr(right, "clip", None):
        return "loss-epsilon-clipping"
    if getattr(left, "renormalise", None) != getattr(right, "renormalise", None):
        return "ce-renormalise"
    return "loss-factor"


def describe(loss: Loss) -> str:
    """A loss in a formula."""
    n = "/N" if loss.batch == "mean" else ""
    factor = "" if loss.factor == 1 else ("½·" if loss.factor == 0.5 else f"{loss.factor:g}·")
    if isinstance(loss, MeanSquaredError):
        m = "/M" if loss.outputs == "mean" else ""
        return f"{factor}Σ(ŷ−y)²{n}{m}"
    if isinstance(loss, SoftmaxCrossEntropy):
        return f"{factor}Σ−log softmax{n}" if loss.input == "logits" else f"{factor}Σ−log p{n}"
    if isinstance(loss, MulticlassHinge):
        over = "all classes" if loss.counts_true_class else "the wrong classes"
        c = "/C" if loss.classes == "mean" else ""
        return f"{factor}Σ max(0, s_j−s_y+{loss.margin:g}) over {over}{n}{c}"
    return f"{factor}{type(loss).__name__}{n}"


# ---- regularization ----------------------------------------------------------------------------
def regularization(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """L2 penalties: factor, coefficient, scope, absent."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    one = decay_coefficients(left.conventions.penalties or (), left.network.parameter_shapes())
    raw = decay_coefficients(right.conventions.penalties or (), right.network.parameter_shapes())
    back = {r: n for n, r in pairing.names.items()}
    two = {back[n]: c for n, c in raw.items() if n in back}
    groups: dict[str, list[str]] = {}
    for name in two:
        a, b = one.get(name, 0.0), two[name]
        if a == b:
            continue
        groups.setdefault(_penalty_id(name, a, b, one, two), []).append(name)
    for id, names in groups.items():
        yield _penalty_candidate(both, pairing, id, names, one, two)


def _penalty_id(
    name: str, a: float, b: float, one: dict[str, float], two: dict[str, float]
) -> str:
    if np.float32(a) == np.float32(b):
        return "float32-constants"
    weight = name.endswith(".weight")
    if a == 0 or b == 0:
        others = [n for n in two if n.endswith(".weight") and one.get(n) and two.get(n)]
        if weight:
            return "penalty-scope" if others else "penalty-absent"
        return "weight-decay-bias" if others else "penalty-absent"
    ratio = b / a
    if any(abs(ratio - r) <= 1e-6 * r for r in (2.0, 0.5)):
        return "l2-half-factor"
    return "penalty-value"


def _penalty_candidate(
    both: Both,
    pairing: Pairing,
    id: str,
    names: Sequence[str],
    one: dict[str, float],
    two: dict[str, float],
) -> Candidate:
    first = names[0]
    a, b = one.get(first, 0.0), two[first]
    texts = {
        "left": _penalty_text(both.left, a),
        "right": _penalty_text(both.right, b),
    }
    wanted = {pairing.names[n]: one.get(n, 0.0) for n in names}

    def change(plan: Plan) -> Plan:
        shapes = [n for n, _ in both.right.twin.network.parameter_shapes().items()] \
            if both.right.twin else []  # fmt: skip
        decay = decay_coefficients(plan.conventions.penalties or (), shapes) | wanted
        from netparity.nn import L2

        others = tuple(p for p in plan.conventions.penalties or () if not isinstance(p, L2))
        penalties = (*others, *l2_penalties(decay))
        return replace(plan, conventions=replace(plan.conventions, penalties=penalties))

    statements = {
        "l2-half-factor": (
            f"The penalty's gradient is {a:g}·w on the left and {b:g}·w on the right, a factor of "
            f"{b / a if a else 0:g}: one side means ½λΣw², the other λΣw²."
        ),
        "weight-decay-bias": (
            f"The biases are decayed by {a:g}·b on the left and {b:g}·b on the right; the "
            "weights are decayed on both sides."
        ),
        "penalty-absent": (
            f"The penalty's gradient is {a:g}·w on the left and {b:g}·w on the right: one side "
            "has none."
        ),
        "float32-constants": (
            f"The coefficient is {a:.17g} on the left and {b:.17g} on the right: one side's "
            "framework rounds its constants to float32."
        ),
    }
    relation = "g = g_data + c·w: c left against c right"
    residual = max(
        (m.difference for k in (both.left, both.right) for m in k.checks.get("gradient", ())),
        default=None,
    )
    fixes = _penalty_fix(both, id, a, b, names)
    latent = None
    if id == "float32-constants":
        latent = "below float32 noise but real in float64"
    return Candidate(
        id, "regularization", tuple(names), texts["left"], texts["right"],
        statements.get(id, f"The penalty's gradient is {a:g}·w on the left, {b:g}·w on the right."),
        (Evidence(relation, a, b, residual),), fixes, change,
        also=("penalty-value",) if id == "l2-half-factor" else (), latent=latent,
    )  # fmt: skip


def _penalty_text(known: Identified, coefficient: float) -> str:
    said = known.declared.texts.get("penalties") or known.declared.texts.get(
        "optimizer.weight_decay"
    )
    measured = f"gradient {coefficient:g}·w" if coefficient else "none"
    return f"{said}: {measured}" if said else measured


def _penalty_fix(both: Both, id: str, a: float, b: float, names: Sequence[str]) -> Fix:
    def value(known: Identified, coefficient: float) -> str:
        if known.live.framework == "keras":
            return text(coefficient / 2)
        return text(coefficient)

    if id == "weight-decay-bias":
        decay = max(a, b)
        return both.fix(id, left=text(decay), right=text(decay))
    return both.fix(id, left=value(both.left, b), right=value(both.right, a))


# ---- gradient ----------------------------------------------------------------------------------
def gradient(both: Both) -> Iterator[Candidate]:
    """Bugs of a backward pass, with the side that has them."""
    for known in (both.left, both.right):
        found = known.gradient
        if found is None or not found.understood:
            continue
        yield from _faults(both, known, found)


def _faults(both: Both, known: Identified, found: FoundGradient) -> Iterator[Candidate]:
    side = known.side.which
    evidence = tuple(
        Evidence(r.text, r.fitted, r.expected, r.residual) for r in found.relations
    )
    where = tuple(m.where for m in found.measures if m.different)

    def change(plan: Plan) -> Plan:
        if side == "left":
            return replace(plan, left_faults_removed=True)
        layers = tuple(
            (n, replace(k, mask_in_backward=True) if isinstance(k, Dropout) else k)
            for n, k in plan.conventions.layers or ()
        )
        return replace(plan, conventions=replace(plan.conventions, faults=(), layers=layers))

    for fault in found.conventions.faults:
        if isinstance(fault, Misplaced):
            id, wrong = "layer-gradient-misplaced", "stored in another layer's place"
            said = "; ".join(f"{r.text} is {r.fitted}, should be {r.expected}"
                             for r in found.relations)  # fmt: skip
        elif isinstance(fault, Factored):
            id, wrong = "gradient-factor", f"{fault.factor:g} times the gradient of its loss"
            said = f"every gradient is {fault.factor:g} times that of the loss it reports"
        texts = {side: wrong, "right" if side == "left" else "left": "the gradient of its loss"}
        yield Candidate(
            id, "gradient", where, texts["left"], texts["right"],
            f"Bug on the {side}: {said}.", evidence,
            _one_sided(both, id, known, fault.factor if isinstance(fault, Factored) else None),
            change, side=side,
        )  # fmt: skip
    if any(isinstance(k, Dropout) and not k.mask_in_backward
           for _, k in found.conventions.layers or ()):  # fmt: skip
        other = "right" if side == "left" else "left"
        texts = {side: "mask in the forward pass only", other: "mask in both passes"}
        yield Candidate(
            "dropout-gradient-missing", "gradient", where, texts["left"], texts["right"],
            f"Bug on the {side}: dropout's mask is applied in the forward pass and left out of "
            f"the backward pass, so the gradients below each dropout ({', '.join(where)}) are "
            "those of a network without the mask.", evidence,
            _one_sided(both, "dropout-gradient-missing", known, None), change, side=side,
        )  # fmt: skip


def _one_sided(both: Both, id: str, known: Identified, value: Any) -> Fix:
    fix = both.fix(id, left=value, right=value)
    return Fix(fix.left, None) if known.side.which == "left" else Fix(None, fix.right)


# ---- update ------------------------------------------------------------------------------------
#: Optimizer field → the id of a difference in it.
FIELDS = {
    "learning_rate": "learning-rate-value", "momentum": "momentum-value",
    "dampening": "sgd-dampening-first-step", "form": "sgd-momentum-form",
    "nesterov": "optimizer-kind", "beta1": "beta-value", "beta2": "beta-value",
    "epsilon": "epsilon-value", "epsilon_placement": "adam-epsilon-placement",
    "bias_correction": "adam-bias-correction", "amsgrad": "optimizer-kind",
    "weight_decay": "penalty-value", "decay": "adam-weight-decay-coupling",
}  # fmt: skip


def update(both: Both) -> Iterator[Candidate]:
    """The kind of optimizer and its constants."""
    left, right = both.left.conventions.optimizer, both.right.conventions.optimizer
    if left is None or right is None:
        return
    residual = max(
        (m.difference for k in (both.left, both.right) for m in k.checks.get("update", ())),
        default=None,
    )
    if type(left) is not type(right):
        yield Candidate(
            "optimizer-kind", "update", ("optimizer",), repr(left), repr(right),
            f"Left updates by {type(left).__name__}, right by {type(right).__name__}.",
            (Evidence("rule that repeats the updates", type(left).__name__,
                      type(right).__name__, residual),),
            both.fix("optimizer-kind", left=repr(right), right=repr(left)),
            set_conventions(optimizer=left),
        )  # fmt: skip
        return
    for name in left.__dataclass_fields__:
        a, b = getattr(left, name), getattr(right, name)
        id = FIELDS.get(name)
        if id is None or a == b or _idle(name, left, right):
            continue
        if isinstance(a, float) and isinstance(b, float) and np.float32(a) == np.float32(b):
            if np.float32 in {both.left.live.dtype.type, both.right.live.dtype.type}:
                continue
            id = "float32-constants"
        if id == "adam-weight-decay-coupling" and isinstance(left, SGD):
            id = "sgd-weight-decay-coupling"
        if name == "weight_decay" and 0.0 in {a, b}:
            id = "penalty-absent"

        def change(plan: Plan, name: str = name, a: Any = a) -> Plan:
            optimizer: Any = plan.conventions.optimizer
            changed = replace(optimizer, **{name: a})
            return replace(plan, conventions=replace(plan.conventions, optimizer=changed))

        words = name.replace("_", " ")
        yield Candidate(
            id, "update", (f"optimizer.{name}",),
            written(both.left, f"optimizer.{name}", f"{words} {text(a)}"),
            written(both.right, f"optimizer.{name}", f"{words} {text(b)}"),
            f"The optimizer's {words} is {text(a)} on the left and {text(b)} on the right.",
            (Evidence(f"{words} that repeats the updates, left against right", a, b, residual),),
            both.fix(id, left=b, right=a), change,
            latent="below float32 noise but real in float64" if id == "float32-constants" else None,
        )  # fmt: skip


def _idle(name: str, left: Any, right: Any) -> bool:
    """Whether a field means nothing in these settings."""
    if isinstance(left, SGD) and name in {"form", "nesterov", "dampening"}:
        return bool(left.momentum == 0 and right.momentum == 0) or (
            name == "form" and "averaged" not in {left.form, right.form}
        )
    if name in {"decay", "decay_scope"} and isinstance(left, SGD | Adam):
        return bool(left.weight_decay == 0 and right.weight_decay == 0)
    return False
