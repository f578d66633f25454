"""torch's loss modules as losses of the reference network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from netparity import nn

Layers = tuple[tuple[str, nn.Layer], ...] | None
#: torch's label that counts for nothing, unless another one is given.
_IGNORED: Final = -100


def read(module: Any, layers: Layers) -> nn.Loss | None:
    """The loss of the reference network that a module of ``torch.nn`` is, or ``None``.

    Args:
        module: the module.
        layers: the network, where it is known.
    """
    if isinstance(module, torch.nn.NLLLoss):
        return _negative_log(module, layers)
    make = _KINDS.get(type(module))
    if make is None or getattr(module, "reduction", None) not in ("mean", "sum", "batchmean"):
        return None
    return make(module)


def _both(module: Any) -> dict[str, Any]:
    return {"batch": module.reduction, "outputs": module.reduction}


def _cross_entropy(module: Any) -> nn.Loss:
    weights = module.weight
    reduction = module.reduction
    return nn.SoftmaxCrossEntropy(
        # Where classes have weights the mean is over these.
        batch="weighted-mean" if weights is not None and reduction == "mean" else reduction,
        label_smoothing=float(module.label_smoothing),
        class_weights=None if weights is None else tuple(map(float, weights.tolist())),
        ignore_index=None if module.ignore_index == _IGNORED else int(module.ignore_index),
    )


def _negative_log(module: Any, layers: Layers) -> nn.Loss | None:
    plain = module.weight is None and module.ignore_index == _IGNORED
    if not plain or not layers or not isinstance(layers[-1][1], nn.LogSoftmax):
        return None
    # The softmax of log-probabilities gives the probabilities back.
    known = module.reduction in ("mean", "sum")
    return nn.SoftmaxCrossEntropy(batch=module.reduction) if known else None


def _with_logits(module: Any) -> nn.Loss | None:
    positive = module.pos_weight
    if module.weight is not None or (positive is not None and positive.numel() != 1):
        return None
    weights = None if positive is None else (1.0, float(positive))
    return nn.SigmoidCrossEntropy(**_both(module), class_weights=weights)


def _binary(module: Any) -> nn.Loss | None:
    weighted = module.weight is not None
    return None if weighted else nn.SigmoidCrossEntropy(**_both(module), input="probabilities")


def _margin(module: Any) -> nn.Loss | None:
    if module.weight is not None:
        return None
    return nn.MulticlassHinge(
        margin=float(module.margin), batch=module.reduction, classes="mean", power=module.p
    )


def _smooth(module: Any) -> nn.Loss:
    if module.beta == 0:
        return nn.MeanAbsoluteError(**_both(module))
    return nn.Huber(float(module.beta), "smooth-l1", **_both(module))


def _divergence(module: Any) -> nn.Loss:
    target: Any = "log-probabilities" if module.log_target else "probabilities"
    if module.reduction == "batchmean":
        return nn.KullbackLeibler(target=target)
    outputs: Any = "mean" if module.reduction == "mean" else "sum"
    return nn.KullbackLeibler(target=target, batch=module.reduction, outputs=outputs)


def _poisson(module: Any) -> nn.Loss:
    return nn.PoissonNegativeLogLikelihood(
        input="log-rate" if module.log_input else "rate",
        epsilon=0.0 if module.log_input else float(module.eps),
        constant="stirling" if module.full else "none",
        **_both(module),
    )


_KINDS: Final[Mapping[Any, Callable[[Any], nn.Loss | None]]] = {
    torch.nn.MSELoss: lambda module: nn.MeanSquaredError(**_both(module)),
    torch.nn.L1Loss: lambda module: nn.MeanAbsoluteError(**_both(module)),
    torch.nn.CrossEntropyLoss: _cross_entropy,
    torch.nn.BCEWithLogitsLoss: _with_logits,
    torch.nn.BCELoss: _binary,
    torch.nn.MultiMarginLoss: _margin,
    torch.nn.HuberLoss: lambda module: nn.Huber(float(module.delta), **_both(module)),
    torch.nn.SmoothL1Loss: _smooth,
    torch.nn.KLDivLoss: _divergence,
    torch.nn.PoissonNLLLoss: _poisson,
}
