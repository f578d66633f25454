"""Faults of the backward pass and conventions of the update changed on one side."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from benchmarks.pairs.description import Change, Description
from benchmarks.pairs.making import Maker, bug, choose, on_layers, on_piece, other, replaced

from netparity import nn


# ---- gradient -----------------------------------------------------------------------------
def gradient_factor(d: Description, rng: np.random.Generator) -> Change | None:
    """Half the gradient of the loss that is reported."""
    if d.penalties:
        return None  # The penalty's part is whole: no constant for all parameters.
    return bug("gradient-factor", "gradient", "loss-gradient-halved", ("gradient",))


def softmax_grad_extra_batch(d: Description, rng: np.random.Generator) -> Change | None:
    """Divided by the rows once more."""
    if not isinstance(d.loss, nn.SoftmaxCrossEntropy) or d.penalties:
        return None
    name = "loss-gradient-divided-again"
    return bug("softmax-grad-extra-batch", "gradient", name, ("gradient",))


def softmax_jacobian_diagonal(d: Description, rng: np.random.Generator) -> Change | None:
    """p(1 − p) for the whole Jacobian."""
    if not isinstance(d.layers[-1][1], nn.Softmax):
        return None
    name = "softmax-jacobian-diagonal"
    return bug(name, "gradient", name, ("gradient", "loss"))


def layer_gradient_misplaced(d: Description, rng: np.random.Generator) -> Change | None:
    """Two gradients of equal shape, each in the other's place."""
    dense = d.of_kind(nn.Affine)
    options = []
    if len(dense) > 2 and dense[0][1].outputs == dense[1][1].outputs and dense[1][1].bias:
        options.append("biases-crossed")
    if len(dense) > 3 and dense[1][1] == dense[2][1]:
        options.append("weights-crossed")
    if not options or not dense[0][1].bias:
        return None
    name = choose(rng, options)
    return bug("layer-gradient-misplaced", "gradient", name, ("gradient",))


def gradient_wrong(d: Description, rng: np.random.Generator) -> Change | None:
    """A wrong derivative of an activation, or one gradient doubled."""
    options = ["first-weight-gradient-doubled"]
    options += ["tanh-slope-of-input"] * bool(d.of_kind(nn.Tanh))
    options += ["relu-slope-of-output-sign"] * bool(d.of_kind(nn.ReLU))
    name = choose(rng, options)
    return bug("gradient-wrong", "gradient", name, ("gradient", "layers"), ("gradient-factor",))


def dropout_gradient_missing(d: Description, rng: np.random.Generator) -> Change | None:
    """The mask left out on the way back."""
    found = [n for n, layer in d.of_kind(nn.Dropout) if layer.mask_in_backward]
    if not found:
        return None
    return on_layers(
        "dropout-gradient-missing", d, found,
        lambda layer: dataclasses.replace(layer, mask_in_backward=False),
        stage="gradient", about=("mask_in_backward",),
    )  # fmt: skip


# ---- update -------------------------------------------------------------------------------
def _field(
    id: str,
    kinds: type[nn.Optimizer] | tuple[type[nn.Optimizer], ...],
    field: str,
    values: tuple[Any, ...],
    *,
    momentum: bool = False,
    **more: Any,
) -> Maker:
    """Another value of one of the optimizer's switches."""

    def make(d: Description, rng: np.random.Generator) -> Change | None:
        rule: Any = d.optimizer
        if not isinstance(rule, kinds) or (momentum and not rule.momentum):
            return None
        now = getattr(rule, field)
        if now not in values:
            return None
        return on_piece(id, "update", "optimizer", {field: other(rng, values, now)}, **more)

    return make


def learning_rate_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another rate, which is not a round multiple of the first."""
    if d.schedule is not None:
        return None
    rate = d.optimizer.learning_rate * choose(rng, [0.1, 0.3, 1.7])
    return on_piece("learning-rate-value", "update", "optimizer", {"learning_rate": rate})


def momentum_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another μ where there is momentum."""
    rule: Any = d.optimizer
    if not isinstance(rule, nn.SGD | nn.RMSProp) or not rule.momentum:
        return None
    new = other(rng, [0.5, 0.8, 0.9, 0.95], rule.momentum)
    return on_piece("momentum-value", "update", "optimizer", {"momentum": new})


def beta_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another β or ρ."""
    rule: Any = d.optimizer
    fields = {"beta1": [0.8, 0.9, 0.95], "beta2": [0.99, 0.999, 0.95], "rho": [0.9, 0.95, 0.99]}
    mine = [f for f in fields if hasattr(rule, f)]
    if not mine:
        return None
    field = choose(rng, mine)
    new = other(rng, fields[field], getattr(rule, field))
    return on_piece("beta-value", "update", "optimizer", {field: new})


def epsilon_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another ε, which is no framework's."""
    kinds = nn.Adam | nn.RMSProp | nn.AdaGrad | nn.Adadelta | nn.Adamax | nn.NAdam
    if not isinstance(d.optimizer, kinds):
        return None
    epsilon = choose(rng, [1e-3, 1e-4, 3e-6])
    return on_piece("epsilon-value", "update", "optimizer", {"epsilon": epsilon})


def optimizer_kind(d: Description, rng: np.random.Generator) -> Change | None:
    """Another optimizer."""
    now = type(d.optimizer)
    rules: list[nn.Optimizer] = [nn.SGD(0.05), nn.Adam(0.01), nn.RMSProp(0.01), nn.AdaGrad(0.05)]
    new = choose(rng, [r for r in rules if type(r) is not now])
    if d.optimizer.weight_decay:
        return None
    return replaced("optimizer-kind", "update", "optimizer", new, repr(new))


def gradients_not_zeroed(d: Description, rng: np.random.Generator) -> Change | None:
    """Gradients pile up from step to step."""
    touches = ("gradient", "clipping")
    return bug("gradients-not-zeroed", "update", "gradients-pile-up", touches)


def parameter_frozen(d: Description, rng: np.random.Generator) -> Change | None:
    """The first bias is never updated."""
    if not d.of_kind(nn.Affine)[0][1].bias:
        return None
    touches = (f"layers.{d.of_kind(nn.Affine)[0][0]}", "frozen")
    return bug("parameter-frozen", "update", "first-bias-frozen", touches)


def clip_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another limit, or a limit on one side only."""
    if isinstance(d.clipping, nn.ClipByNorm | nn.ClipByValue):
        limit = d.clipping.limit * choose(rng, [0.2, 0.5])
        new: Any = dataclasses.replace(d.clipping, limit=limit)
    else:
        new = nn.ClipByNorm(choose(rng, [0.05, 0.1]))
    return replaced("clip-value", "update", "clipping", new, repr(new))


def grad_clip_value(d: Description, rng: np.random.Generator) -> Change | None:
    """By value for by norm."""
    if not isinstance(d.clipping, nn.ClipByNorm):
        return None
    new = nn.ClipByValue(d.clipping.limit)
    return replaced("grad-clip-value", "update", "clipping", new, repr(new))


def _clip_field(id: str, field: str, values: tuple[Any, ...]) -> Maker:
    def make(d: Description, rng: np.random.Generator) -> Change | None:
        if not isinstance(d.clipping, nn.ClipByNorm):
            return None
        new = dataclasses.replace(
            d.clipping, **{field: other(rng, values, getattr(d.clipping, field))}
        )
        return replaced(id, "update", "clipping", new, repr(new))

    return make


ADAPTIVE = (nn.Adam, nn.RMSProp, nn.AdaGrad)
MAKERS: dict[str, Maker] = {
    "gradient-factor": gradient_factor,
    "softmax-grad-extra-batch": softmax_grad_extra_batch,
    "softmax-jacobian-diagonal": softmax_jacobian_diagonal,
    "layer-gradient-misplaced": layer_gradient_misplaced,
    "gradient-wrong": gradient_wrong,
    "dropout-gradient-missing": dropout_gradient_missing,
    "learning-rate-value": learning_rate_value,
    "momentum-value": momentum_value,
    "sgd-momentum-form": _field(
        "sgd-momentum-form",
        nn.SGD,
        "form",
        ("rate-outside", "averaged"),
        momentum=True,
        same=("learning-rate-value",),
    ),
    "sgd-dampening-first-step": _field(
        "sgd-dampening-first-step", nn.SGD, "dampening", (0.0, 0.5), momentum=True
    ),
    "sgd-nesterov-form": _field(
        "sgd-nesterov-form",
        nn.SGD,
        "nesterov",
        (False, True),
        momentum=True,
        same=("optimizer-kind",),
    ),
    "adam-epsilon-placement": _field(
        "adam-epsilon-placement", nn.Adam, "epsilon_placement", ("outside", "hat")
    ),
    "adam-bias-correction": _field(
        "adam-bias-correction", nn.Adam, "bias_correction", (True, False)
    ),
    "adam-amsgrad-form": _field(
        "adam-amsgrad-form", nn.Adam, "amsgrad", (False, True), same=("optimizer-kind",)
    ),
    "adam-defaults": _field("adam-defaults", nn.Adam, "epsilon", (1e-8, 1e-7)),
    "beta-value": beta_value,
    "epsilon-value": epsilon_value,
    "rmsprop-epsilon-placement": _field(
        "rmsprop-epsilon-placement", nn.RMSProp, "epsilon_placement", ("outside", "inside")
    ),
    "adamax-epsilon": _field(
        "adamax-epsilon", nn.Adamax, "epsilon_placement", ("inside", "outside")
    ),
    "nadam-form": _field("nadam-form", nn.NAdam, "momentum_decay", (0.004, 1.0, None)),
    "other-optimizer-defaults": _field(
        "other-optimizer-defaults", nn.RMSProp, "epsilon", (1e-8, 1e-7), same=("epsilon-value",)
    ),
    "rmsprop-centered": _field("rmsprop-centered", nn.RMSProp, "centered", (False, True)),
    "rmsprop-initial-accumulator": _field(
        "rmsprop-initial-accumulator", nn.RMSProp, "initial_accumulator", (0.0, 1.0)
    ),
    "adagrad-accumulator-epsilon": _field(
        "adagrad-accumulator-epsilon", nn.AdaGrad, "initial_accumulator", (0.0, 0.1)
    ),
    "optimizer-kind": optimizer_kind,
    "gradients-not-zeroed": gradients_not_zeroed,
    "parameter-frozen": parameter_frozen,
    "clip-value": clip_value,
    "grad-clip-value": grad_clip_value,
    "grad-clip-norm-scope": _clip_field("grad-clip-norm-scope", "scope", ("global", "parameter")),
    "grad-clip-eps": _clip_field("grad-clip-eps", "epsilon", (0.0, 1e-6)),
}
