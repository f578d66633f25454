"""The description as its author writes it in PyTorch."""

from __future__ import annotations

from typing import Any

from benchmarks.pairs.description import Description, Style, Unable, only, within
from benchmarks.pairs.rates import torch_scheduler

import netparity
from netparity import nn

_DECAY = ("learning_rate", "weight_decay", "decay", "decay_scope")


def build(description: Description, style: Style, **more: Any) -> netparity.Torch:
    """The module with its initial values, its loss and its optimizer."""
    import torch
    from benchmarks.pairs.torch_modules import ChannelsFirst, fill

    if description.bugs or description.report:
        raise Unable(f"torch: {description.bugs}")
    torch.set_num_threads(style.threads)
    dtype = getattr(torch, description.dtype)
    module = torch.nn.Sequential()
    for name, layer in description.layers:
        if isinstance(layer, nn.Conv2D) and not len(module):
            module.append(ChannelsFirst())
        module.append(_layer(torch, layer, dtype))
        fill(module[-1], name, layer, description)
    optimizer = _optimizer(torch, description, module)
    if description.schedule is not None:
        more["schedule"] = torch_scheduler(description.schedule, optimizer)
    if description.penalties:
        more["penalty"] = _penalty(description)
    if description.clipping is not None:
        raise Unable("torch: clipping stands in the loop")
    return netparity.Torch(module, _loss(torch, description.loss), optimizer, **more)


def _layer(torch: Any, layer: nn.Layer, dtype: Any) -> Any:
    from benchmarks.pairs import torch_modules

    t = torch.nn
    match layer:
        case nn.Conv2D():
            return torch_modules.convolution(layer, dtype)
        case nn.SimpleRNN() | nn.LSTM() | nn.GRU():
            return torch_modules.recurrent(layer, dtype)
        case nn.MaxPool2D() | nn.AveragePool2D():
            return torch_modules.pooling(layer)
        case nn.Flatten():
            return t.Flatten()
        case nn.Affine():
            return t.Linear(layer.inputs, layer.outputs, bias=layer.bias, dtype=dtype)
        case nn.Identity():
            return t.Identity()
        case nn.ReLU(gradient_at_zero=0.0):
            return t.ReLU()
        case nn.LeakyReLU(gradient_at_zero=None):
            return t.LeakyReLU(layer.slope)
        case nn.ELU():
            return t.ELU(layer.alpha)
        case nn.GELU():
            return t.GELU(approximate="tanh" if layer.approximate else "none")
        case nn.SiLU():
            return t.SiLU()
        case nn.Softplus():
            if layer.threshold is None:
                raise Unable("torch: Softplus has a threshold")
            return t.Softplus(threshold=layer.threshold)
        case nn.Sigmoid():
            return t.Sigmoid()
        case nn.Tanh():
            return t.Tanh()
        case nn.HardSigmoid():
            if layer.slope != 1 / 6:
                raise Unable("torch: HardSigmoid has the slope 1/6")
            return t.Hardsigmoid()
        case nn.LogSoftmax():
            return t.LogSoftmax(dim=-1)
        case nn.Softmax():
            return t.Softmax(dim=-1 if layer.axis is None else layer.axis)
        case nn.Dropout():
            only(layer, "rate", "channel_axis")
            return t.Dropout(layer.rate) if layer.channel_axis is None else t.Dropout2d(layer.rate)
        case nn.BatchNorm():
            only(layer, "features", "epsilon", "momentum", "running_variance")
            if layer.running_variance != "unbiased":
                raise Unable("torch: the running variance is unbiased")
            return t.BatchNorm1d(
                layer.features, eps=layer.epsilon, momentum=1 - layer.momentum, dtype=dtype
            )
        case nn.GroupNorm():
            only(layer, "groups", "features", "epsilon")
            return t.GroupNorm(layer.groups, layer.features, eps=layer.epsilon, dtype=dtype)
        case nn.RMSNorm():
            only(layer, "shape", "epsilon")
            return t.RMSNorm(layer.shape, eps=layer.epsilon, dtype=dtype)
        case nn.LayerNorm():
            only(layer, "shape", "epsilon")
            return t.LayerNorm(layer.shape, eps=layer.epsilon, dtype=dtype)
    raise Unable(f"torch: {layer!r}")


def _loss(torch: Any, loss: nn.Loss) -> Any:
    t = torch.nn
    factor = float(getattr(loss, "factor", 1.0))
    match loss:
        case nn.SoftmaxCrossEntropy():
            made = _cross_entropy(torch, loss)
        case nn.SigmoidCrossEntropy():
            only(loss, "batch", "outputs", "factor", "input", "log_floor")
            made = _one_reduction(loss, _binary(t, loss))
        case nn.MeanSquaredError():
            made = _one_reduction(loss, t.MSELoss)
        case nn.MeanAbsoluteError():
            made = _one_reduction(loss, t.L1Loss)
        case nn.Huber():
            made = (
                _one_reduction(loss, t.HuberLoss, delta=loss.delta)
                if loss.form == "huber"
                else _one_reduction(loss, t.SmoothL1Loss, beta=loss.delta)
            )
        case nn.KullbackLeibler(over="target", batch="mean", outputs="sum"):
            made = t.KLDivLoss(reduction="batchmean")
        case nn.PoissonNegativeLogLikelihood():
            made = _one_reduction(
                loss, t.PoissonNLLLoss, log_input=loss.input == "log-rate", eps=loss.epsilon
            )
        case nn.MulticlassHinge():
            only(loss, "margin", "batch", "classes", "factor")
            if loss.classes != "mean":
                raise Unable("torch: MultiMarginLoss takes the mean over the classes")
            made = t.MultiMarginLoss(margin=loss.margin, reduction=loss.batch)
        case _:
            raise Unable(f"torch: {loss!r}")
    if factor == 1.0:
        return made

    def scaled(prediction: Any, target: Any) -> Any:
        return factor * made(prediction, target)

    return scaled


def _cross_entropy(torch: Any, loss: nn.SoftmaxCrossEntropy) -> Any:
    t = torch.nn
    if loss.input == "log-probabilities":
        only(loss, "batch", "factor", "input")
        return t.NLLLoss(reduction=loss.batch)
    only(loss, "batch", "factor", "label_smoothing", "class_weights")
    if loss.class_weights is None:
        return t.CrossEntropyLoss(reduction=loss.batch, label_smoothing=loss.label_smoothing)
    if loss.batch == "mean" or loss.label_smoothing:
        raise Unable(f"torch: {loss!r}")
    weights = torch.tensor(loss.class_weights, dtype=torch.get_default_dtype())
    reduction = "mean" if loss.batch == "weighted-mean" else "sum"

    def weighted(prediction: Any, target: Any) -> Any:
        return t.functional.cross_entropy(
            prediction, target, weight=weights.to(prediction.dtype), reduction=reduction
        )

    return weighted


def _binary(t: Any, loss: nn.SigmoidCrossEntropy) -> Any:
    if loss.input == "logits" and loss.log_floor is None:
        return t.BCEWithLogitsLoss
    if loss.input == "probabilities" and loss.log_floor == -100.0:
        return t.BCELoss
    raise Unable(f"torch: {loss!r}")


def _one_reduction(loss: Any, kind: Any, **settings: Any) -> Any:
    if loss.batch != loss.outputs:
        raise Unable(f"torch: one reduction for rows and outputs, not {loss!r}")
    return kind(reduction=loss.batch, **settings)


def _penalty(description: Description) -> Any:
    for term in description.penalties:
        if term.scale_with_batch or not isinstance(term, nn.L1 | nn.L2):
            raise Unable(f"torch: {term!r}")

    def penalty(module: Any) -> Any:
        total = 0.0
        for term in description.penalties:
            c = term.factor * term.coefficient
            for full, w in zip(description.initial, module.parameters(), strict=True):
                if within(term.scope, full):
                    total = total + c * (w.pow(2) if isinstance(term, nn.L2) else w.abs()).sum()
        return total

    return penalty


def _optimizer(torch: Any, description: Description, module: Any) -> Any:
    rule: Any = description.optimizer
    decoupled = bool(rule.weight_decay) and rule.decay == "decoupled"
    named = list(zip(description.initial, module.parameters(), strict=True))
    groups: Any = [{"params": list(module.parameters())}]
    if rule.weight_decay and rule.decay_scope == "weights":
        groups = [
            {"params": [p for n, p in named if within("weights", n)]},
            {"params": [p for n, p in named if not within("weights", n)], "weight_decay": 0.0},
        ]
    elif rule.weight_decay and rule.decay_scope != "all":
        raise Unable(f"torch: {rule!r}")
    shared = {"lr": rule.learning_rate, "weight_decay": rule.weight_decay}
    o = torch.optim
    match rule:
        case nn.SGD():
            if (rule.momentum and rule.form != "rate-outside") or decoupled:
                raise Unable(f"torch: {rule!r}")
            if rule.nesterov and (not rule.momentum or rule.dampening):
                raise Unable(f"torch: {rule!r}")
            return o.SGD(
                groups, momentum=rule.momentum, dampening=rule.dampening,
                nesterov=rule.nesterov, **shared,
            )  # fmt: skip
        case nn.Adam():
            only(rule, *_DECAY, "beta1", "beta2", "epsilon", "amsgrad")
            kind = o.AdamW if decoupled else o.Adam
            return kind(
                groups, betas=(rule.beta1, rule.beta2), eps=rule.epsilon, amsgrad=rule.amsgrad,
                **shared,
            )  # fmt: skip
        case nn.RMSProp():
            only(rule, *_DECAY, "rho", "momentum", "epsilon", "centered")
            if decoupled:
                raise Unable(f"torch: {rule!r}")
            return o.RMSprop(
                groups, alpha=rule.rho, eps=rule.epsilon, momentum=rule.momentum,
                centered=rule.centered, **shared,
            )  # fmt: skip
        case nn.AdaGrad():
            only(rule, *_DECAY, "epsilon", "initial_accumulator")
            if decoupled:
                raise Unable(f"torch: {rule!r}")
            return o.Adagrad(
                groups, eps=rule.epsilon, initial_accumulator_value=rule.initial_accumulator,
                **shared,
            )  # fmt: skip
        case nn.Adadelta() if not decoupled:
            return o.Adadelta(groups, rho=rule.rho, eps=rule.epsilon, **shared)
        case nn.Adamax(epsilon_placement="inside") if not decoupled:
            betas = (rule.beta1, rule.beta2)
            return o.Adamax(groups, betas=betas, eps=rule.epsilon, **shared)
        case nn.NAdam(momentum_decay=float()):
            only(rule, *_DECAY, "beta1", "beta2", "epsilon", "momentum_decay")
            return o.NAdam(
                groups, betas=(rule.beta1, rule.beta2), eps=rule.epsilon,
                momentum_decay=rule.momentum_decay, decoupled_weight_decay=decoupled, **shared,
            )  # fmt: skip
    raise Unable(f"torch: {rule!r}")
