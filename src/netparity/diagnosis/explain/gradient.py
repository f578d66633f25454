"""Bugs of a backward pass, with the side that has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netparity.conventions import Factored, Misplaced, Piled, Slope, bugs, no_bugs
from netparity.diagnosis.backward import masked_backward
from netparity.diagnosis.candidates import Both, Candidate, Plan
from netparity.diagnosis.central_differences import DIFFERENCE_FLOOR, check_live
from netparity.diagnosis.explain.step import one_sided, other, without
from netparity.diagnosis.gradient import FoundGradient
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import Measure, worst
from netparity.nn import Dropout, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from netparity.report.model import Evidence


def gradient(both: Both) -> Iterator[Candidate]:
    """Bugs of a backward pass, with the side that has them."""
    for known in (both.left, both.right):
        found = known.gradient
        if found is None:
            continue
        piled = worst([p.piled for p in known.gradient_probes if p.piled is not None])
        if piled is not None:
            yield _piled(both, known, piled)
        if found.understood:
            yield from _faults(both, known, found)
        elif known.loss is not None:
            yield from _wrong(both, known, found)


def _piled(both: Both, known: Identified, again: Measure) -> Candidate:
    """Gradients that are added to those of the calls before, as much in each call."""
    side = known.side.which
    texts = {side: "added to those before", other(side): "new each time"}
    return Candidate(
        "gradients-not-zeroed",
        "gradient",
        ("the same batch again",),
        texts["left"],
        texts["right"],
        f"Bug on the {side}: each call adds the gradients of its batch to those of the calls "
        "before, and nothing clears them.",
        (Evidence("what the same batch adds a third time, less what it added a second time",
                  again.difference, 0.0, again.difference),),
        one_sided(both, "gradients-not-zeroed", known, None),
        without(known, Piled(in_step=False)),
        side=side,
        verified="live",
        residual=again.difference,
        floor=again.floor,
    )  # fmt: skip


def _wrong(both: Both, known: Identified, found: FoundGradient) -> Iterator[Candidate]:
    """A gradient that is not that of the side's own loss, in no way known here."""
    side = known.side.which
    where = tuple(
        m.where for m in found.measures if m.different and m.where in found.conventions.places
    )
    checked = check_live(known, found, where)
    if checked is None:
        return
    differences, residual = checked
    where = tuple(name for name, *_ in differences)

    def change(plan: Plan) -> Plan:
        if side == "left":
            return replace(plan, left_faults_removed=True)
        return replace(plan, right_faults_removed=True)

    texts = {side: "another value", other(side): "the gradient"}
    yield Candidate(
        "gradient-wrong",
        "gradient",
        where,
        texts["left"],
        texts["right"],
        f"Bug on the {side}: the gradient of {', '.join(where)} is not that of the loss it "
        "computes; central differences of its own loss give the reference network's value.",
        tuple(
            Evidence(f"directional derivative by {name}: what {side} gives", given, numeric, off)
            for name, given, numeric, off in differences
        ),
        one_sided(both, "gradient-wrong", known, None),
        change,
        side=side,
        verified="live",
        residual=residual,
        floor=DIFFERENCE_FLOOR,
    )


def _faults(both: Both, known: Identified, found: FoundGradient) -> Iterator[Candidate]:
    side = known.side.which
    left_over = max((m.difference for m in found.residual), default=None)
    evidence = tuple(
        Evidence(r.text, r.fitted, r.expected, left_over if r.residual is None else r.residual)
        for r in found.relations
    )
    where = tuple(m.where for m in found.measures if m.different)

    def change(plan: Plan) -> Plan:
        if side == "left":
            return replace(plan, left_faults_removed=True)
        mended = masked_backward(plan.conventions)
        return replace(plan, conventions=replace(mended, faults=no_bugs(mended.faults)))

    wrongs = bugs(found.conventions.faults)
    for fault in wrongs[:1]:
        value: float | None = None
        if isinstance(fault, Misplaced):
            id, wrong = "layer-gradient-misplaced", "stored in another layer's place"
            said = "; ".join(
                f"{r.text} is {r.fitted}, should be {r.expected}" for r in found.relations
            )
        elif isinstance(fault, Slope):
            id, wrong, said = _slopes([f for f in wrongs if isinstance(f, Slope)])
        elif fault.parameters is not None:
            id = "gradient-wrong"
            wrong = "times the gradient of its loss on some parameters"
            wrong = f"{_times(fault)} {wrong}"
            said = "; ".join(
                f"the gradient of {', '.join(f.parameters or ())} is {_times(f)} times that of "
                "the loss it reports, the others are right"
                for f in wrongs
                if isinstance(f, Factored)
            )
        else:
            id = "softmax-grad-extra-batch" if fault.rows_power else "gradient-factor"
            wrong = f"{_times(fault)} times the gradient of its loss"
            said = f"every gradient is {_times(fault)} times that of the loss it reports"
            value = 1 / fault.factor
        texts = {side: wrong, other(side): "the gradient of its loss"}
        yield Candidate(
            id,
            "gradient",
            where,
            texts["left"],
            texts["right"],
            f"Bug on the {side}: {said}.",
            evidence,
            one_sided(both, id, known, value),
            change,
            side=side,
            also=_of_the_loss(known, fault),
        )
    if any(
        isinstance(k, Dropout) and not k.mask_in_backward for _, k in found.conventions.layers or ()
    ):
        texts = {side: "mask in the forward pass only", other(side): "mask in both passes"}
        yield Candidate(
            "dropout-gradient-missing",
            "gradient",
            where,
            texts["left"],
            texts["right"],
            f"Bug on the {side}: dropout's mask is applied in the forward pass and left out of "
            f"the backward pass, so the gradients below each dropout ({', '.join(where)}) are "
            "those of a network without the mask.",
            evidence,
            one_sided(both, "dropout-gradient-missing", known, None),
            change,
            side=side,
        )


def _of_the_loss(known: Identified, fault: object) -> tuple[str, ...]:
    """What else a factor may be of a side that does not show the value of its loss."""
    if known.loss is not None or not isinstance(fault, Factored) or fault.parameters is not None:
        return ()
    reductions = {
        MeanSquaredError: "mse-reduction",
        SoftmaxCrossEntropy: "ce-reduction",
        SigmoidCrossEntropy: "ce-reduction" if fault.rows_power else "bce-multidim-reduction",
    }
    named = reductions.get(type(known.conventions.loss))  # type: ignore[arg-type]
    return ("loss-factor",) if named is None else ("loss-factor", named)


def _times(fault: Factored) -> str:
    return f"{fault.factor:g}" + {0: "", 1: "·N", -1: "/N"}[fault.rows_power]


def _slopes(faults: Sequence[Slope]) -> tuple[str, str, str]:
    """The id, what is wrong, and the sentence of layers that pass gradients back wrongly."""
    names = ", ".join(f.layer for f in faults)
    if faults[0].rule == "diagonal":
        return (
            "softmax-jacobian-diagonal",
            "dz = dy·p·(1 − p)",
            f"{names} passes back dy·p·(1 − p), the diagonal of its Jacobian alone, and not "
            "p·(dy − Σ dy·p)",
        )
    rule = {
        "left out": "its derivative is left out",
        "of the output": "its derivative is taken at its output, as if that were its input",
        "of the input": "the formula for its output, such as a·(1 − a), is given its input",
    }[faults[0].rule]
    return "gradient-wrong", rule, f"what {names} passes back is wrong: {rule}"
