"""Conventions of losses and penalties changed on one side."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from benchmarks.pairs.description import Change, Description
from benchmarks.pairs.making import Maker, bug, choose, on_layers, on_piece, other, replaced

from netparity import nn

Regression = nn.MeanSquaredError | nn.MeanAbsoluteError | nn.Huber


def ce_reduction(d: Description, rng: np.random.Generator) -> Change | None:
    """Summed over the rows, or averaged."""
    if not isinstance(d.loss, nn.SoftmaxCrossEntropy):
        return None
    return on_piece("ce-reduction", "loss", "loss", {"batch": _turned(d.loss.batch)})


def _turned(reduction: str) -> str:
    return "sum" if reduction == "mean" else "mean"


def bce_multidim_reduction(d: Description, rng: np.random.Generator) -> Change | None:
    """Summed over the labels, or averaged."""
    if not isinstance(d.loss, nn.SigmoidCrossEntropy) or _outputs(d) == 1:
        return None
    new = {"outputs": _turned(d.loss.outputs)}
    return on_piece("bce-multidim-reduction", "loss", "loss", new)


def _outputs(d: Description) -> int:
    return int(d.of_kind(nn.Affine)[-1][1].outputs)


def mse_reduction(d: Description, rng: np.random.Generator) -> Change | None:
    """Sums for means, over rows, outputs or both; or the textbook's half."""
    if not isinstance(d.loss, Regression):
        return None
    several = _outputs(d) > 1
    options: list[dict[str, Any]] = [{"batch": "sum", "outputs": "sum"}, {"batch": "sum"}]
    options += [{"outputs": "sum"}] * several
    if isinstance(d.loss, nn.MeanSquaredError):
        options += [{"factor": 0.5}] + [{"outputs": "sum", "factor": 0.5}] * several
    new = choose(rng, options)
    if all(getattr(d.loss, k) == v for k, v in new.items()):
        return None
    return on_piece("mse-reduction", "loss", "loss", new)


def loss_factor(d: Description, rng: np.random.Generator) -> Change | None:
    """A constant that no reduction explains."""
    factor = choose(rng, [0.1, 0.7, 3.0, 10.0])
    return on_piece("loss-factor", "loss", "loss", {"factor": factor})


def label_smoothing(d: Description, rng: np.random.Generator) -> Change | None:
    """Smoothed on one side."""
    if not isinstance(d.loss, nn.SoftmaxCrossEntropy | nn.SigmoidCrossEntropy):
        return None
    new = other(rng, [0.0, 0.1, 0.2], d.loss.label_smoothing)
    return on_piece("label-smoothing", "loss", "loss", {"label_smoothing": new})


def loss_kind(d: Description, rng: np.random.Generator) -> Change | None:
    """Another loss for the same targets."""
    kinds: dict[Any, list[nn.Loss]] = {
        nn.MeanSquaredError: [nn.MeanAbsoluteError(), nn.Huber()],
        nn.MeanAbsoluteError: [nn.MeanSquaredError(), nn.Huber()],
        nn.Huber: [nn.MeanAbsoluteError()],
        nn.SoftmaxCrossEntropy: [nn.MulticlassHinge(classes="mean")],
        nn.MulticlassHinge: [nn.SoftmaxCrossEntropy()],
        nn.SigmoidCrossEntropy: [nn.MeanSquaredError()],
    }
    if type(d.loss) not in kinds or getattr(d.loss, "input", "logits") != "logits":
        return None
    new = choose(rng, kinds[type(d.loss)])
    return replaced("loss-kind", "loss", "loss", new, repr(new))


def huber_scaling(d: Description, rng: np.random.Generator) -> Change | None:
    """Smooth L1 for Huber, or another δ."""
    if not isinstance(d.loss, nn.Huber):
        return None
    if d.loss.delta != 1.0 and rng.random() < 0.5:
        form = "huber" if d.loss.form == "smooth-l1" else "smooth-l1"
        same = ("loss-factor", "mse-reduction")
        return on_piece("huber-scaling", "loss", "loss", {"form": form}, same)
    delta = other(rng, [0.25, 0.5, 1.0], d.loss.delta)
    return on_piece("huber-scaling", "loss", "loss", {"delta": delta})


def loss_epsilon_clipping(d: Description, rng: np.random.Generator) -> Change | None:
    """Probabilities clipped or not."""
    if not isinstance(d.loss, nn.SoftmaxCrossEntropy | nn.SigmoidCrossEntropy):
        return None
    if d.loss.input != "probabilities":
        return None
    clip = other(rng, [None, 1e-7], d.loss.clip)
    return on_piece("loss-epsilon-clipping", "loss", "loss", {"clip": clip})


def multiclass_hinge_margin(d: Description, rng: np.random.Generator) -> Change | None:
    """Averaged or summed over the classes, the true class counted or not, another margin."""
    if not isinstance(d.loss, nn.MulticlassHinge):
        return None
    new = choose(
        rng,
        [
            {"classes": _turned(d.loss.classes)},
            {"margin": other(rng, [0.5, 1.0, 2.0], d.loss.margin)},
            {"counts_true_class": not d.loss.counts_true_class},
        ],
    )
    return on_piece("multiclass-hinge-margin", "loss", "loss", new)


def label_shape_broadcast(d: Description, rng: np.random.Generator) -> Change | None:
    """(N, 1) predictions against (N,) targets."""
    if d.loss != nn.MeanSquaredError() or _outputs(d) != 1:
        return None
    return bug("label-shape-broadcast", "data", "targets-broadcast", ("loss",))


def _switch(id: str, kind: type[nn.Loss], field: str, values: tuple[Any, ...]) -> Maker:
    """Another value of one of the loss's switches."""

    def make(d: Description, rng: np.random.Generator) -> Change | None:
        if not isinstance(d.loss, kind) or getattr(d.loss, field) not in values:
            return None
        new = other(rng, values, getattr(d.loss, field))
        return on_piece(id, "loss", "loss", {field: new})

    return make


def ce_renormalise(d: Description, rng: np.random.Generator) -> Change | None:
    """Rows that do not sum to one divided by their sum."""
    sigmoid = isinstance(d.layers[-1][1], nn.Sigmoid)
    if not isinstance(d.loss, nn.SoftmaxCrossEntropy) or not sigmoid:
        return None
    return on_piece("ce-renormalise", "loss", "loss", {"renormalise": not d.loss.renormalise})


def nll_loss_input(d: Description, rng: np.random.Generator) -> Change | None:
    """Probabilities where the loss wants their logarithms."""
    last, layer = d.layers[-1]
    if not isinstance(layer, nn.LogSoftmax) or not isinstance(d.loss, nn.SoftmaxCrossEntropy):
        return None
    same = ("activation-kind",)
    return on_layers("nll-loss-input", d, [last], lambda _: nn.Softmax(), same=same)


def class_weights(d: Description, rng: np.random.Generator) -> Change | None:
    """A mean over the weights or over the rows."""
    if getattr(d.loss, "class_weights", None) is None:
        return None
    now: Any = d.loss
    new = "mean" if now.batch == "weighted-mean" else "weighted-mean"
    return on_piece("class-weight-normalisation", "loss", "loss", {"batch": new})


def focal(d: Description, rng: np.random.Generator) -> Change | None:
    """Another gamma, or the classes balanced otherwise."""
    if not isinstance(d.loss, nn.BinaryFocal | nn.CategoricalFocal):
        return None
    alphas = (None, 0.25) if isinstance(d.loss, nn.BinaryFocal) else (1.0, 0.25)
    options: list[tuple[str, tuple[Any, ...]]] = [("gamma", (2.0, 1.0, 3.0)), ("alpha", alphas)]
    field, values = choose(rng, options)
    new = other(rng, values, getattr(d.loss, field))
    return on_piece("focal-default-alpha", "loss", "loss", {field: new})


def hinge_labels(d: Description, rng: np.random.Generator) -> Change | None:
    """Labels 0 and 1 in the formula for -1 and 1."""
    if not isinstance(d.loss, nn.BinaryHinge):
        return None
    return bug("hinge-labels", "loss", "labels-unconverted", ("loss",))


# ---- penalties ----------------------------------------------------------------------------
def _l2(d: Description) -> nn.L2 | None:
    only_one = len(d.penalties) == 1 and isinstance(d.penalties[0], nn.L2)
    found: Any = d.penalties[0] if only_one else None
    return found


def _penalties(id: str, new: tuple[nn.Penalty, ...], same: tuple[str, ...] = ()) -> Change:
    return replaced(id, "regularization", "penalties", new, f"penalties → {new!r}", same)


def l2_half_factor(d: Description, rng: np.random.Generator) -> Change | None:
    """λΣw² for ½λΣw²."""
    term = _l2(d)
    if term is None:
        return None
    factor = 1.0 if term.factor == 0.5 else 0.5
    return _penalties("l2-half-factor", (dataclasses.replace(term, factor=factor),))


def l1_form(d: Description, rng: np.random.Generator) -> Change | None:
    """½λΣ|w| for λΣ|w|."""
    if len(d.penalties) != 1 or not isinstance(d.penalties[0], nn.L1):
        return None
    return _penalties("l1-form", (dataclasses.replace(d.penalties[0], factor=0.5),))


def penalty_absent(d: Description, rng: np.random.Generator) -> Change | None:
    """A penalty on one side only."""
    if d.penalties:
        return _penalties("penalty-absent", ())
    if getattr(d.optimizer, "weight_decay", 0.0):
        return None
    kind = choose(rng, [nn.L2, nn.L1])
    return _penalties("penalty-absent", (kind(choose(rng, [0.01, 0.05])),))


def penalty_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another λ, neither twice nor half the first."""
    if len(d.penalties) != 1:
        return None
    term: Any = d.penalties[0]
    new = dataclasses.replace(term, coefficient=term.coefficient * choose(rng, [0.1, 3.0, 7.0]))
    return _penalties("penalty-value", (new,))


def penalty_scope(d: Description, rng: np.random.Generator) -> Change | None:
    """One weight left out."""
    term = _l2(d)
    weights = tuple(f for f in d.initial if f.endswith(".weight"))
    if term is None or term.scope != "weights" or len(weights) < 2:
        return None
    left_out = choose(rng, weights)
    scope = tuple(f for f in weights if f != left_out)
    return _penalties("penalty-scope", (dataclasses.replace(term, scope=scope),))


def weight_decay_bias(d: Description, rng: np.random.Generator) -> Change | None:
    """The biases decay too."""
    term = _l2(d)
    plain = not d.of_kind(nn.BatchNorm, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
    if term is not None and term.scope == "weights" and plain:
        return _penalties("weight-decay-bias", (dataclasses.replace(term, scope="all"),))
    rule: Any = d.optimizer
    if rule.weight_decay and plain and rule.decay_scope in ("all", "weights"):
        scope = "weights" if rule.decay_scope == "all" else "all"
        return on_piece("weight-decay-bias", "regularization", "optimizer", {"decay_scope": scope})
    return None


def _decay_coupling(id: str, kind: type[nn.Optimizer]) -> Maker:
    def make(d: Description, rng: np.random.Generator) -> Change | None:
        rule: Any = d.optimizer
        if not isinstance(rule, kind) or not rule.weight_decay:
            return None
        if isinstance(rule, nn.SGD) and not rule.momentum:
            return None
        decay = "decoupled" if rule.decay == "coupled" else "coupled"
        same = ("keras-weight-decay-all-decoupled",)
        return on_piece(id, "regularization", "optimizer", {"decay": decay}, same)

    return make


MAKERS: dict[str, Maker] = {
    "ce-reduction": ce_reduction,
    "bce-multidim-reduction": bce_multidim_reduction,
    "mse-reduction": mse_reduction,
    "loss-factor": loss_factor,
    "label-smoothing": label_smoothing,
    "loss-kind": loss_kind,
    "huber-scaling": huber_scaling,
    "loss-epsilon-clipping": loss_epsilon_clipping,
    "multiclass-hinge-margin": multiclass_hinge_margin,
    "label-shape-broadcast": label_shape_broadcast,
    "ce-renormalise": ce_renormalise,
    "nll-loss-input": nll_loss_input,
    "class-weight-normalisation": class_weights,
    "hinge-labels": hinge_labels,
    "kldiv-argument-order": _switch(
        "kldiv-argument-order", nn.KullbackLeibler, "over", ("target", "prediction")
    ),
    "cosine-loss-sign": _switch(
        "cosine-loss-sign", nn.CosineDistance, "form", ("one-minus", "minus")
    ),
    "poisson-form": _switch(
        "poisson-form", nn.PoissonNegativeLogLikelihood, "input", ("log-rate", "rate")
    ),
    "focal-default-alpha": focal,
    "l2-half-factor": l2_half_factor,
    "l1-form": l1_form,
    "penalty-absent": penalty_absent,
    "penalty-value": penalty_value,
    "penalty-scope": penalty_scope,
    "weight-decay-bias": weight_decay_bias,
    "sgd-weight-decay-coupling": _decay_coupling("sgd-weight-decay-coupling", nn.SGD),
    "adam-weight-decay-coupling": _decay_coupling("adam-weight-decay-coupling", nn.Adam),
}
