"""The kind of loss, its reduction and its factor."""

from __future__ import annotations

from collections.abc import Iterator

from netparity.diagnosis.align import affines
from netparity.diagnosis.candidates import Both, Candidate, set_conventions, text
from netparity.nn import (
    Loss,
    MeanSquaredError,
    MulticlassHinge,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from netparity.report.model import Evidence, Fix


def loss(both: Both) -> Iterator[Candidate]:
    """The kind of loss, its reduction and its factor."""
    left, right = both.left.conventions.loss, both.right.conventions.loss
    if left is None or right is None or both.left.loss is None or both.right.loss is None:
        return
    change = set_conventions(loss=left)
    here = both.left.loss, both.right.loss
    residual = max((f.measure.difference for f in here if f is not None), default=None)
    if type(left) is not type(right) or getattr(left, "input", "") != getattr(right, "input", ""):
        id = "loss-kind"
        if isinstance(left, SoftmaxCrossEntropy) and isinstance(right, SoftmaxCrossEntropy):
            id = "from-logits-default"
        yield Candidate(
            id,
            "loss",
            ("loss",),
            describe(left),
            describe(right),
            f"Left trains on {describe(left)}, right on {describe(right)}.",
            (Evidence("loss that reproduces the side", describe(left), describe(right), residual),),
            both.fix(id, left=describe(right), right=describe(left)),
            change,
        )
        return
    outputs = affines(both.left.twin)[-1][1].outputs if both.left.twin else 1
    (one, per_one), (two, per_two) = _terms(left, outputs), _terms(right, outputs)
    evidence = [
        Evidence(
            f"factor of the bare sum over rows and outputs: left (then {per_one}), against right "
            f"(then {per_two})",
            one,
            two,
            residual,
        )
    ]
    id = _loss_id(left, right, outputs)
    if isinstance(left, MulticlassHinge) and isinstance(right, MulticlassHinge):
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
    extra = _loss_fix(both, left, right, outputs)
    yield Candidate(
        id,
        "loss",
        ("loss",),
        describe(left),
        describe(right),
        f"Left trains on {describe(left)}, right on {describe(right)}"
        + _ratio_words(left, right, outputs),
        tuple(evidence),
        extra,
        change,
        also=_also_loss(both, id),
    )


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
    id = _loss_id(left, right, outputs)
    a, b = _terms(left, outputs), _terms(right, outputs)
    if isinstance(left, MulticlassHinge):
        ratio = a[0] / b[0]
        return both.fix(id, left=text(1 / ratio), right=text(ratio))
    if isinstance(left, MeanSquaredError):
        per = {"/N": " / len(y)", "/1": ""}
        return both.fix(id, left=f"{2 * b[0]:g}{per[b[1]]}", right=f"{a[0]:g}{per[a[1]]}")
    return both.fix(id, left=f"{b[0] / a[0]:g}", right=f"{a[0] / b[0]:g}")


def _loss_id(left: Loss, right: Loss, outputs: int) -> str:
    if isinstance(left, MulticlassHinge):
        return "multiclass-hinge-margin"
    reductions = any(
        getattr(left, f, None) != getattr(right, f, None) for f in ("batch", "outputs")
    )
    ratio = left.factor / right.factor if right.factor else float("inf")
    if isinstance(left, MeanSquaredError) and (reductions or ratio in {2.0, 0.5}):
        return "mse-reduction"
    by_outputs = any(abs(ratio - r) <= 1e-9 * r for r in (outputs, 1 / outputs))
    if isinstance(left, SoftmaxCrossEntropy) and (reductions or by_outputs):
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
