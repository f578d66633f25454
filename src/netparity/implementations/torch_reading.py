"""What a torch module, its loss and its optimizer say of themselves."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch

from netparity import nn
from netparity.conventions import Conventions
from netparity.implementations import torch_losses, torch_optimizers
from netparity.implementations.chain import Read

Array = np.ndarray[Any, np.dtype[Any]]

#: A function of ``torch.nn.functional`` is its module with the same settings.
_FUNCTIONS: Final = {
    torch.nn.functional.mse_loss: torch.nn.MSELoss,
    torch.nn.functional.l1_loss: torch.nn.L1Loss,
    torch.nn.functional.cross_entropy: torch.nn.CrossEntropyLoss,
    torch.nn.functional.nll_loss: torch.nn.NLLLoss,
    torch.nn.functional.binary_cross_entropy: torch.nn.BCELoss,
    torch.nn.functional.binary_cross_entropy_with_logits: torch.nn.BCEWithLogitsLoss,
    torch.nn.functional.multi_margin_loss: torch.nn.MultiMarginLoss,
    torch.nn.functional.huber_loss: torch.nn.HuberLoss,
    torch.nn.functional.smooth_l1_loss: torch.nn.SmoothL1Loss,
    torch.nn.functional.kl_div: torch.nn.KLDivLoss,
    torch.nn.functional.poisson_nll_loss: torch.nn.PoissonNLLLoss,
}
_OF_FLOATS: Final = (
    torch.nn.MSELoss, torch.nn.L1Loss, torch.nn.BCELoss, torch.nn.BCEWithLogitsLoss,
    torch.nn.HuberLoss, torch.nn.SmoothL1Loss, torch.nn.KLDivLoss, torch.nn.PoissonNLLLoss,
)  # fmt: skip
_OF_CLASSES: Final = (torch.nn.CrossEntropyLoss, torch.nn.NLLLoss, torch.nn.MultiMarginLoss)


def read(module: Any, loss: Any, optimizer: Any, penalty: Any, network: Read | None) -> Conventions:
    """The conventions of a side: ``None`` in each field that could not be read.

    Args:
        module: the network.
        loss: its loss, a module or function, or ``None``.
        optimizer: a ``torch.optim.Optimizer`` or ``None``.
        penalty: the author's own penalty function, or ``None``.
        network: what ``read_network`` returned.
    """
    places = {} if network is None else dict(network.places)
    twin_names = {place.name: name for name, place in places.items()}
    layers = None if network is None else network.layers
    data_loss = read_loss(loss, layers)
    rule = torch_optimizers.read(optimizer, _named(module, twin_names))
    known_penalties = penalty is None and data_loss is not None
    texts = {**({} if network is None else network.texts), **torch_optimizers.texts(optimizer)}
    if loss is not None:
        texts["loss"] = loss_text(loss)
    if penalty is not None:
        texts["penalties"] = f"penalty={getattr(penalty, '__name__', 'penalty')}"
    laws = {}
    for name in () if network is None else network.linear:
        laws[name] = nn.NAMED["torch_linear"]
        texts[f"laws.{name}"] = "nn.Linear's own: U(−1/√fan_in, 1/√fan_in)"
    return Conventions(
        layers=layers,
        places=places,
        loss=data_loss,
        penalties=() if known_penalties else None,
        optimizer=rule,
        laws=laws,
        texts=texts,
    )


def _named(module: Any, twin_names: Mapping[str, str]) -> dict[int, str]:
    """The twin's name of each parameter, by the tensor's identity; else torch's own."""
    return {id(p): twin_names.get(name, name) for name, p in module.named_parameters()}


# ---- loss ------------------------------------------------------------------------------------
def as_module(loss: Any) -> Any | None:
    """The loss as a module of ``torch.nn``, where it is one or one of its functions."""
    if isinstance(loss, torch.nn.Module):
        return loss
    settings: Mapping[str, Any] = {}
    if isinstance(loss, functools.partial) and not loss.args:
        loss, settings = loss.func, loss.keywords
    kind = _FUNCTIONS.get(loss) if callable(loss) and getattr(loss, "__hash__", None) else None
    try:
        return None if kind is None else kind(**settings)
    except TypeError:
        return None


def read_loss(loss: Any, layers: tuple[tuple[str, nn.Layer], ...] | None = None) -> nn.Loss | None:
    """The loss of the reference network that a torch loss is, or ``None``.

    Args:
        loss: a module of ``torch.nn``, a function of ``torch.nn.functional`` (or a ``partial``
            of one), or anything else.
        layers: the network; ``NLLLoss`` is a cross-entropy only after a ``LogSoftmax``.

    Example:
        >>> read_loss(torch.nn.MSELoss(reduction="sum"))
        MeanSquaredError(batch='sum', outputs='sum', factor=1.0)
    """
    module = as_module(loss)
    return None if module is None else torch_losses.read(module, layers)


def integer_targets(loss: Any, targets: Array) -> bool:
    """Whether targets go in as int64: integers do, unless the loss is one of floats."""
    module = as_module(loss)
    if targets.dtype.kind not in "iub":
        whole = targets.ndim == 1 and bool(np.all(targets == np.floor(targets)))
        return isinstance(module, _OF_CLASSES) and whole
    if isinstance(module, _OF_CLASSES) and targets.ndim > 1:
        return False
    return not isinstance(module, _OF_FLOATS)


def loss_text(loss: Any) -> str:
    """How the author writes the loss."""
    module = as_module(loss)
    if module is None:
        return str(getattr(loss, "__qualname__", None) or type(loss).__name__)
    settings = []
    if isinstance(module, torch.nn.MultiMarginLoss) and module.margin != 1:
        settings.append(f"margin={module.margin}")
    if getattr(module, "reduction", "mean") != "mean":
        settings.append(f"reduction={module.reduction!r}")
    return f"{type(module).__name__}({', '.join(settings)})"


def takes_indices(module: Any) -> bool:
    """Whether integer inputs are indices (of an embedding) and must stay integers."""
    kinds = (torch.nn.Embedding, torch.nn.EmbeddingBag)
    return any(isinstance(layer, kinds) for layer in module.modules())
