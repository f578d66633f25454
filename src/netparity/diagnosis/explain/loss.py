"""The kind of loss, its reduction and factor, and every other switch on which two losses differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from netparity.conventions import bugs, no_bugs, switches
from netparity.diagnosis.align import affines
from netparity.diagnosis.candidates import (
    Both,
    Candidate,
    Change,
    Origin,
    Plan,
    set_conventions,
    text,
)
from netparity.diagnosis.explain.loss_forms import as_left_writes
from netparity.diagnosis.faulty import NO_BOUNDS
from netparity.diagnosis.faulty_losses import Behind, Mistaken
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.switches import Difference, differences, follow
from netparity.nn import (
    SGD,
    Loss,
    MeanSquaredError,
    MulticlassHinge,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from netparity.report.model import Evidence, Fix

#: Whether two losses give other values for what this data makes the sides predict.
Shows = Callable[[Loss, Loss], bool]

#: Switches that together are one constant before the bare sum.
REDUCTION: Final = ("batch", "outputs", "classes", "factor")
#: What the prediction is, and what is done to it before its logarithm: one choice.
INPUT: Final = ("input", "clip", "log_epsilon", "log_floor", "renormalise", "renormalise_order")
LATENT: Final = "inactive on this data"


def loss(both: Both, shows: Shows) -> Iterator[Candidate]:
    """Every convention in which the two losses differ."""
    left, right = both.left.conventions.loss, both.right.conventions.loss
    shown = both.left.shows_its_loss and both.right.shows_its_loss
    if left is None or right is None or not shown:
        return
    mistaken = [isinstance(loss, Mistaken) for loss in (left, right)]
    if any(mistaken) and not all(mistaken):
        yield _mistake(both, left, right)
        return
    if type(left) is not type(right):
        yield _kind(both, left, right)
        return
    outputs = affines(both.left.twin)[-1][1].outputs if both.left.twin else 1
    respelled = _respelled(both, left, outputs)
    right = respelled(right)
    groups: dict[str, list[Difference]] = {}
    for difference in differences(left, right):
        groups.setdefault(_id(difference, left, right, outputs), []).append(difference)
    for id, found in groups.items():
        latent = None if shows(left, _without(left, right, found)) else LATENT
        if any(d.switch in REDUCTION for d in found) or isinstance(left, MulticlassHinge):
            candidate = _reduction(both, id, left, right, found, outputs)
        else:
            candidate = _switch(both, id, found)
        yield replace(candidate, latent=latent, change=_follow(both, found, respelled))


def _respelled(both: Both, left: Loss, outputs: int) -> Callable[[Loss], Loss]:
    """Writes right's loss as left's is, unless both sides say how they write theirs."""
    if all(known.loss is not None and known.loss.declared for known in (both.left, both.right)):
        return lambda right: right
    return lambda right: as_left_writes(left, right, outputs)


def _without(left: Loss, right: Loss, found: Sequence[Difference]) -> Loss:
    """Left's loss with right's values in these switches."""
    turned = [Difference(d.switch, d.right, d.left, d.entry) for d in found]
    mended: Loss = follow(left, turned)
    return mended


def _follow(both: Both, found: Sequence[Difference], respelled: Callable[[Loss], Loss]) -> Change:
    """Gives right's loss left's values in these switches.

    With the bound of a logarithm goes whether the gradient knows of it.
    """
    bounds = any(d.switch in NO_BOUNDS for d in found)
    known_to_left = no_bugs(both.left.conventions.faults)

    def change(plan: Plan) -> Plan:
        loss = plan.conventions.loss
        mended = None if loss is None else follow(respelled(loss), found)
        faults = plan.conventions.faults
        faults = (*bugs(faults), *known_to_left) if bounds else faults
        return replace(plan, conventions=replace(plan.conventions, loss=mended, faults=faults))

    return change


def _id(difference: Difference, left: Loss, right: Loss, outputs: int) -> str:
    """The cause a switch belongs to."""
    if difference.switch == "factor" and _said_apart(left, right):
        return "loss-factor"
    if isinstance(left, MulticlassHinge) and difference.switch != "power":
        return "multiclass-hinge-margin"
    if difference.switch in REDUCTION:
        return _reduction_id(left, right, outputs)
    if difference.switch in INPUT and getattr(left, "input", "") != getattr(right, "input", ""):
        by_input = next(d for d in differences(left, right) if d.switch == "input")
        difference = by_input
    return difference.entry.id if difference.entry is not None else "loss-kind"


def _said_apart(left: Loss, right: Loss) -> bool:
    """Whether the factor is one choice, and the sum or mean beside it another.

    The ½ of a squared error belongs to its reduction.
    """
    halved = right.factor in {2 * left.factor, left.factor / 2}
    if isinstance(left, MeanSquaredError) and halved:
        return False
    among = [s for s in REDUCTION if s != "factor"]
    differ = any(getattr(left, s, None) != getattr(right, s, None) for s in among)
    return differ or isinstance(left, MulticlassHinge)


def _residual(both: Both) -> float | None:
    here = both.left.loss, both.right.loss
    return max((f.measure.difference for f in here if f is not None), default=None)


def _kind(both: Both, left: Loss, right: Loss) -> Candidate:
    return Candidate(
        "loss-kind",
        "loss",
        ("loss",),
        describe(left),
        describe(right),
        f"Left trains on {describe(left)}, right on {describe(right)}.",
        (
            Evidence(
                "loss that reproduces the side", describe(left), describe(right), _residual(both)
            ),
        ),
        both.fix("loss-kind", left=describe(right), right=describe(left)),
        set_conventions(loss=left),
    )


def _mistake(both: Both, left: Loss, right: Loss) -> Candidate:
    """A loss that one side's author did not mean."""
    side: Origin = "left" if isinstance(left, Mistaken) else "right"
    wrong = left if side == "left" else right
    assert isinstance(wrong, Mistaken)
    fix = both.fix(wrong.id, left="-1", right="-1")
    candidate = _kind(both, left, right)
    return replace(
        candidate,
        id=wrong.id,
        left=wrong.what if side == "left" else describe(left),
        right=wrong.what if side == "right" else describe(right),
        statement=f"Bug on the {side}: {wrong.what}.",
        fix=Fix(fix.left, None) if side == "left" else Fix(None, fix.right),
        side=side,
    )


def _switch(both: Both, id: str, found: Sequence[Difference]) -> Candidate:
    """A difference in switches that stand for one convention."""
    values = {
        side: ", ".join(f"{d.words} {text(getattr(d, side))}" for d in found)
        for side in ("left", "right")
    }
    first = found[0]
    return Candidate(
        id,
        "loss",
        ("loss",),
        values["left"],
        values["right"],
        f"The loss has {values['left']} on the left and {values['right']} on the right.",
        tuple(
            Evidence(
                f"{d.words} that reproduces the side, left against right",
                _plain(d.left),
                _plain(d.right),
                _residual(both),
            )
            for d in found
        ),
        both.fix_switch(id, first),
    )


def _plain(value: Any) -> float | str | None:
    """A value as evidence shows it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None if value is None else str(value)
    return float(value)


def _reduction(
    both: Both,
    id: str,
    left: Loss,
    right: Loss,
    found: Sequence[Difference],
    outputs: int,
) -> Candidate:
    """Another constant before the bare sum, or another sum of a hinge."""
    (one, per_one), (two, per_two) = _terms(left, outputs), _terms(right, outputs)
    residual = _residual(both)
    evidence = [
        Evidence(
            f"factor of the bare sum over rows and outputs: left (then {per_one}), against right "
            f"(then {per_two})",
            one,
            two,
            residual,
        )
    ]
    if isinstance(left, MulticlassHinge) and isinstance(right, MulticlassHinge):
        evidence = _hinge_evidence(left, right, outputs, evidence, residual)
        said = {d.switch for d in found} - set(REDUCTION) - {"counts_true_class"}
        evidence += [
            Evidence(f"{d.words} that reproduces the side", _plain(d.left), _plain(d.right), None)
            for d in found
            if d.switch in said
        ]
    return Candidate(
        id,
        "loss",
        ("loss",),
        describe(left),
        describe(right),
        f"Left trains on {describe(left)}, right on {describe(right)}"
        + _ratio_words(left, right, outputs),
        tuple(evidence),
        _reduction_fix(both, id, left, right, outputs),
        also=_also(both, id),
    )


def _hinge_evidence(
    left: MulticlassHinge,
    right: MulticlassHinge,
    outputs: int,
    evidence: list[Evidence],
    residual: float | None,
) -> list[Evidence]:
    if left.counts_true_class != right.counts_true_class:
        evidence.insert(
            0,
            Evidence(
                "loss left − sum over the wrong classes (same gradient)"
                if left.counts_true_class
                else "loss right − sum over the wrong classes (same gradient)",
                left.margin if left.counts_true_class else right.margin,
                1.0,
                residual,
            ),
        )
    if left.classes != right.classes:
        evidence = evidence[:-1]
        evidence.insert(
            1,
            Evidence(
                "gradient left / gradient right, the number of classes",
                float(outputs) if left.classes == "sum" else 1 / outputs,
                outputs,
                residual,
            ),
        )
    return evidence


def _also(both: Both, id: str) -> tuple[str, ...]:
    """What else could be the constant, where a side does not show enough to tell.

    The learning rate, where its gradients are not seen and its rule multiplies the two; what the
    gradient is multiplied with, where its value is not seen.
    """
    sides = both.left, both.right
    black_box = [k for k in sides if k.gradient is None]
    rules = [k.update.optimizer for k in black_box if k.update is not None]
    adapts = len(rules) == len(black_box) and not any(isinstance(r, SGD) for r in rules)
    if not adapts and id != "learning-rate-value":
        return ("learning-rate-value",)
    return ("gradient-factor",) if any(k.loss is None for k in sides) else ()


def _terms(loss: Loss, outputs: int) -> tuple[float, str]:
    per = "1" if loss.batch == "sum" else "N"
    factor = loss.factor
    if getattr(loss, "outputs", getattr(loss, "classes", "sum")) == "mean":
        factor = factor / outputs
    return factor, f"/{per}"


def _ratio_words(left: Loss, right: Loss, outputs: int) -> str:
    a, b = _terms(left, outputs), _terms(right, outputs)
    if a == b:
        return "."
    if a[1] == b[1]:
        return f": right's gradient is {b[0] / a[0]:g} times left's."
    if b[1] == "/N":
        return f": right's gradient is {b[0] / a[0]:g}/N of left's for a batch of N."
    return f": right's gradient is {b[0] / a[0]:g}·N times left's for a batch of N."


def _reduction_fix(both: Both, id: str, left: Loss, right: Loss, outputs: int) -> Fix:
    a, b = _terms(left, outputs), _terms(right, outputs)
    if isinstance(left, MeanSquaredError):
        return both.fix(id, left=_square(both.left, a, b), right=_square(both.right, b, a))
    if id == "ce-reduction" and left.batch != right.batch and left.factor == right.factor:
        names = _reduction_name(both.left, right), _reduction_name(both.right, left)
        return both.fix(id, left=names[0], right=names[1])
    # A loss of any kind is brought to the other's by what it is multiplied with.
    by = id if isinstance(left, MulticlassHinge) and a[1] == b[1] else "loss-factor"
    return both.fix(by, left=_times(a, b), right=_times(b, a))


def _square(known: Identified, own: tuple[float, str], other: tuple[float, str]) -> str:
    """The constant that one writes to have another's before Σ(ŷ−y)².

    NumPy programs write its gradient, Keras takes the mean over the rows itself, and in
    scikit-learn only the rate can follow.
    """
    framework = known.live.framework
    if framework == "sklearn":
        return f"{_times(own, other)} * learning_rate"
    if framework == "keras":
        rows = " * keras.ops.cast(keras.ops.shape(y)[0], p.dtype)"
        return f"{other[0]:g}" + (rows if other[1] == "/1" else "")
    factor = 2 * other[0] if framework in {"numpy", "netparity.nn"} else other[0]
    return f"{factor:g}" + (" / len(y)" if other[1] == "/N" else "")


def _times(own: tuple[float, str], other: tuple[float, str]) -> str:
    """What a loss is multiplied with to have another's constant and mean."""
    rows = {("/1", "/N"): " / len(y)", ("/N", "/1"): " * len(y)"}.get((own[1], other[1]), "")
    return f"{other[0] / own[0]:g}{rows}"


def _reduction_name(known: Identified, loss: Loss) -> str:
    mean = "sum_over_batch_size" if known.live.framework == "keras" else "mean"
    return '"sum"' if loss.batch == "sum" else f'"{mean}"'


def _reduction_id(left: Loss, right: Loss, outputs: int) -> str:
    weighted = {"weighted-mean", "nonzero-mean"}
    if {left.batch, right.batch} & weighted:
        has_weights = getattr(left, "class_weights", None) or getattr(right, "class_weights", None)
        return "class-weight-normalisation" if has_weights else "sample-weight-normalisation"
    reductions = any(
        getattr(left, f, None) != getattr(right, f, None) for f in ("batch", "outputs")
    )
    ratio = left.factor / right.factor if right.factor else float("inf")
    if isinstance(left, MeanSquaredError) and (reductions or ratio in {2.0, 0.5}):
        return "mse-reduction"
    by_outputs = any(abs(ratio - r) <= 1e-9 * r for r in (outputs, 1 / outputs))
    if isinstance(left, SoftmaxCrossEntropy) and (reductions or (by_outputs and outputs > 1)):
        return "ce-reduction"
    if isinstance(left, SigmoidCrossEntropy) and reductions:
        return "bce-multidim-reduction" if left.batch == right.batch else "ce-reduction"
    for difference in differences(left, right):
        if difference.switch in REDUCTION and difference.entry is not None:
            return difference.entry.id
    return "loss-factor"


def describe(loss: Loss) -> str:
    """A loss in a formula, with the switches that no formula shows."""
    n = "" if loss.batch == "sum" else "/N" if loss.batch == "mean" else "/Σw"
    factor = "" if loss.factor == 1 else ("½·" if loss.factor == 0.5 else f"{loss.factor:g}·")
    shown: tuple[str, ...] = ("batch", "factor")
    if isinstance(loss, MeanSquaredError):
        m = "/M" if loss.outputs == "mean" else ""
        formula, shown = f"{factor}Σ(ŷ−y)²{n}{m}", (*shown, "outputs")
    elif isinstance(loss, SoftmaxCrossEntropy):
        inside = "−log softmax" if loss.input == "logits" else "−log p"
        formula, shown = f"{factor}Σ{inside}{n}", (*shown, "input")
    elif isinstance(loss, MulticlassHinge):
        over = "all classes" if loss.counts_true_class else "the wrong classes"
        c = "/C" if loss.classes == "mean" else ""
        formula = f"{factor}Σ max(0, s_j−s_y+{loss.margin:g}) over {over}{n}{c}"
        shown = (*shown, "margin", "counts_true_class", "classes")
    elif isinstance(loss, Behind):
        layer = type(loss.head).__name__.lower()
        formula, shown = f"{describe(loss.inner)} of the {layer}'s output", switches(loss)
    else:
        formula = f"{factor}{type(loss).__name__}{n}"
    rest = [
        f"{s.replace('_', ' ')} {text(getattr(loss, s))}"
        for s in switches(loss)
        if s not in shown and getattr(loss, s) != _default(loss, s)
    ]
    return f"{formula} ({', '.join(rest)})" if rest else formula


def _default(loss: Loss, switch: str) -> object:
    anything: Any = loss
    return next(f.default for f in dataclasses.fields(anything) if f.name == switch)
