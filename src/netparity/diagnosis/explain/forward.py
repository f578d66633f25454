"""Activations and their constants, dropout's rate and scaling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netparity.conventions import GradientFault, OverClasses, bugs, no_bugs
from netparity.diagnosis.align import Pairing, pair_layers
from netparity.diagnosis.candidates import BELOW_FLOAT32, Both, Candidate, Plan, text, written
from netparity.diagnosis.explain.layers import as_written, pool_as_written, said
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.switches import Difference, differences, follow
from netparity.diagnosis.twin import Twin
from netparity.errors import InputError
from netparity.nn import (
    GELU,
    AveragePool2D,
    Dropout,
    Flatten,
    Identity,
    Layer,
    MaxPool2D,
    Softmax,
)
from netparity.report.model import Evidence, Fix

#: What the structure stage explains: sizes, biases, parameters.
SIZES = ("layer-width", "bias-absent", "rnn-weight-layout")
#: Why a constant that is kept in float32 makes no difference elsewhere.
#: Left's name, right's name, left's layer, right's layer, the switches on which they differ.
_Named = tuple[str, Layer]
_Place = tuple[str, str, Layer, Layer, tuple[Difference, ...]]


def forward(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Activations and their constants, dropout's rate and scaling."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    pairs = pair_layers(left, right, pairing)
    groups: dict[str, list[_Place]] = {}
    for name, layer in left.conventions.layers or ():
        if name not in pairs:
            continue
        other, theirs = pairs[name]
        for id, found in _by_entry(layer, theirs).items():
            if id in SIZES:
                continue
            groups.setdefault(id, []).append((name, other, layer, theirs, found))
    for id, places in groups.items():
        yield _layer_candidate(both, id, places)
    stretch = _other_order(left, right, pairs)
    if stretch is not None:
        yield _order(both, *stretch, pairs)
    paired = {other for other, _ in pairs.values()}
    lone = [("left", n, k) for n, k in left.conventions.layers or () if _lonely(n, k, pairs)]
    lone += [("right", n, k) for n, k in right.conventions.layers or () if _lonely(n, k, paired)]
    if lone and not _may_be_undone(both, lone):
        yield _lone_layers(both, lone)


def _other_order(
    left: Twin, right: Twin, pairs: Mapping[str, tuple[str, Layer]]
) -> tuple[list[_Named], list[_Named]] | None:
    """The stretches of either side in which paired layers stand in another order, if any do."""
    back = {other: name for name, (other, _) in pairs.items()}
    mine = [(n, k) for n, k in left.conventions.layers or () if n in pairs]
    yours = [(n, k) for n, k in right.conventions.layers or () if n in back]
    apart = [i for i, (one, two) in enumerate(zip(mine, yours, strict=True))
             if pairs[one[0]][0] != two[0]]  # fmt: skip
    if not apart:
        return None
    part = slice(apart[0], apart[-1] + 1)
    return mine[part], yours[part]


def _order(
    both: Both,
    mine: Sequence[_Named],
    yours: Sequence[_Named],
    pairs: Mapping[str, tuple[str, Layer]],
) -> Candidate:
    """The same layers in another order; right's own stand in left's after the change."""
    ours = [n for n, _ in both.left.conventions.layers or ()]
    order = {pairs[n][0]: i for i, n in enumerate(ours) if n in pairs}

    def change(plan: Plan) -> Plan:
        layers = plan.conventions.layers or ()
        sorted_ = iter(sorted((k for k in layers if k[0] in order), key=lambda k: order[k[0]]))
        stack = tuple(next(sorted_) if k[0] in order else k for k in layers)
        return replace(plan, conventions=replace(plan.conventions, layers=stack))

    one, two = (", ".join(type(k).__name__ for _, k in part) for part in (mine, yours))
    return Candidate(
        "layer-order",
        "structure",
        tuple(n for n, _ in mine),
        one,
        two,
        f"The same layers in another order: {one} on the left, {two} on the right.",
        (Evidence("layers in order, left against right", one, two, None),),
        both.fix("layer-order", left=two, right=one),
        change,
    )


def _lonely(name: str, layer: Layer, paired: Any) -> bool:
    plain = isinstance(layer, Flatten | Identity) or bool(layer.shapes())
    return name not in paired and not plain


def _lone_layers(both: Both, lone: Sequence[tuple[str, str, Layer]]) -> Candidate:
    softmax_again = [
        (side, n)
        for side, n, k in lone
        if isinstance(k, Softmax) and _last(both.left if side == "left" else both.right) == n
    ]
    # Only beside a loss that is known is a softmax one too many.
    trained = all(k.loss is not None for k in (both.left, both.right))
    id = "softmax-twice" if softmax_again and len(lone) == 1 and trained else "layer-missing"
    names = [f"{side}: {name}" for side, name, _ in lone]
    layers = both.left.conventions.layers
    return Candidate(
        id,
        "forward",
        tuple(names),
        ", ".join(said(k) for s, _, k in lone if s == "left") or "no such layer",
        ", ".join(said(k) for s, _, k in lone if s == "right") or "no such layer",
        f"{', '.join(names)} has no counterpart on the other side.",
        (Evidence("layers without a counterpart", len(lone), 0, None),),
        _lone_fix(both, id, lone[0][2]),
        lambda plan: replace(
            plan, conventions=replace(plan.conventions, layers=_renamed(both, layers, plan))
        ),
    )


def _lone_fix(both: Both, id: str, layer: Layer) -> Fix:
    """The lines that add a layer or take it away."""
    keras = "layers.Activation({})"
    left, right = (
        (keras if known.live.framework == "keras" else "{}").format(
            as_written(layer, known.live.framework)
        )
        for known in (both.left, both.right)
    )
    return both.fix(id, left=left, right=right)


def _may_be_undone(both: Both, lone: Sequence[tuple[str, str, Layer]]) -> bool:
    """Whether a lone layer is one side's last, whose loss is not known and may take it apart."""
    known = {"left": both.left, "right": both.right}
    return any(
        known[side].loss is None
        and {"loss", "step"} & known[side].live.abilities
        and _last(known[side]) == n
        for side, n, _ in lone
    )


def _last(known: Identified) -> str:
    layers = known.conventions.layers or ()
    return layers[-1][0] if layers else ""


def _renamed(both: Both, layers: Any, plan: Plan) -> Any:
    """Left's layers with the weight layers of the plan in their places.

    Raises:
        InputError: there are more or fewer of them.
    """
    own = [(n, k) for n, k in plan.conventions.layers or () if _weighted(k)]
    if len(own) != sum(_weighted(k) for _, k in layers or ()):
        raise InputError("layers with weights that only one side has")
    mine = iter(own)
    return tuple(next(mine) if _weighted(k) else (f"left_{n}", k) for n, k in layers or ())


def _weighted(layer: Layer) -> bool:
    return bool(layer.shapes() or layer.buffers())


def _by_entry(a: Layer, b: Layer) -> dict[str, tuple[Difference, ...]]:
    """What the catalogue calls the differences of two layers, and the switches behind each."""
    if type(a) is not type(b):
        return {"activation-kind": ()}
    named: dict[str, tuple[Difference, ...]] = {}
    for difference in differences(a, b):
        entry = difference.entry
        if entry is not None and entry.stage != "gradient":
            id = "float32-constants" if difference.rounded else entry.id
            named[id] = (*named.get(id, ()), difference)
    return named


def _fix(both: Both, id: str, a: Layer, b: Layer, found: Sequence[Difference]) -> Fix:
    """The lines that give either side the other's switch, or the other's layer."""
    pools = (MaxPool2D, AveragePool2D)
    if not found and isinstance(a, pools) and isinstance(b, pools):
        return Fix(
            pool_as_written(b, both.left.live.framework),
            pool_as_written(a, both.right.live.framework),
        )
    if len(found) == 1 and not isinstance(a, GELU):
        return both.fix_switch(id, found[0])
    return both.fix(id, left=_setting(b, both.left, found), right=_setting(a, both.right, found))


def _setting(layer: Layer, known: Identified, found: Sequence[Difference]) -> str:
    """What a side must be given to compute this layer: the constant, or the layer itself."""
    if isinstance(layer, GELU):
        if known.live.framework == "torch":
            return '"tanh"' if layer.approximate else '"none"'
        return str(layer.approximate)
    if len(found) == 1:
        return text(getattr(layer, found[0].switch))
    return as_written(layer, known.live.framework)


def _layer_candidate(both: Both, id: str, places: Sequence[_Place]) -> Candidate:
    name, other, a, b, found = places[0]
    if isinstance(a, Dropout) and isinstance(b, Dropout) and found[0].switch == "rate":
        left, right, statement, evidence = _rates(both, id, name, other, a, b)
    else:
        left, right = (
            f"{type(layer).__name__}: "
            + ", ".join(f"{d.words} {text(getattr(layer, d.switch))}" for d in found)
            if found
            else said(layer)
            for layer in (a, b)
        )
        statement = f"At {name}: {left} on the left, {right} on the right."
        evidence = tuple(
            Evidence(f"{d.words}, left against right", text(d.left), text(d.right), None)
            for d in found
        ) or (Evidence("layer, left against right", left, right, None),)
    settings = {other: (layer, found) for _, other, layer, _, found in places}

    def change(plan: Plan) -> Plan:
        stack = []
        for n, layer in plan.conventions.layers or ():
            if n in settings:
                mine, found = settings[n]
                layer = follow(layer, found) if found else mine
            stack.append((n, layer))
        faults = plan.conventions.faults
        if id == "softmax-axis":  # with it goes that the gradient is written for the classes
            names = {place: other for place, other, *_ in places}
            faults = (*bugs(faults), *_renamed_faults(both.left.conventions.faults, names))
        return replace(
            plan, conventions=replace(plan.conventions, layers=tuple(stack), faults=faults)
        )

    return Candidate(
        id,
        "forward" if not found or found[0].entry is None else found[0].entry.stage,
        tuple(n for n, *_ in places),
        left,
        right,
        statement,
        evidence,
        _fix(both, id, a, b, found),
        change,
        latent=BELOW_FLOAT32 if id == "float32-constants" else None,
    )


def _renamed_faults(
    faults: Iterable[GradientFault], names: Mapping[str, str]
) -> tuple[GradientFault, ...]:
    """Left's peculiarities of the backward pass, with right's names of the layers."""
    return tuple(
        replace(f, layer=names.get(f.layer, f.layer)) if isinstance(f, OverClasses) else f
        for f in no_bugs(faults)
    )


def _rates(
    both: Both, id: str, name: str, other: str, a: Dropout, b: Dropout
) -> tuple[str, str, str, tuple[Evidence, ...]]:
    """How each side's dropout rate is said: as measured, and as it is written."""
    texts = []
    for known, place, layer in ((both.left, name, a), (both.right, other, b)):
        declared = written(known, f"layers.{place}.rate", "")
        texts.append(
            f"drops {layer.rate:g} (keeps {1 - layer.rate:g})"
            + (f", written {declared}" if declared else "")
        )
    same = id == "dropout-rate-vs-keep"
    statement = f"Left drops a unit with probability {a.rate:g}, right with {b.rate:g}" + (
        ": the same number, once as the probability to keep and once as that to drop."
        if same
        else "."
    )
    total = a.rate + b.rate
    evidence = Evidence(
        "drop rate left + drop rate right", total, 1.0 if same else None, abs(total - 1)
    )
    return texts[0], texts[1], statement, (evidence,)
