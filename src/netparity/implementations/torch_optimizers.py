"""What a torch optimizer says of itself, and how its settings are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from netparity import nn
from netparity.implementations.values import as_array

Settings = Mapping[str, Any]


def read(optimizer: Any, names: Mapping[int, str]) -> nn.Optimizer | None:
    """The update rule of the reference network that a torch optimizer is, or ``None``.

    Args:
        optimizer: the optimizer; its groups may differ in their weight decay alone.
        names: the twin's name of each parameter, by the tensor's identity.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> read(torch.optim.SGD([weight], lr=0.5), {id(weight): "w"}).learning_rate
        0.5
    """
    make = _KINDS.get(type(optimizer))
    if make is None:
        return None
    groups = optimizer.param_groups
    settings = {k: v for k, v in groups[0].items() if k not in ("params", "weight_decay")}
    same = all(g.get(k) == v for g in groups for k, v in settings.items() if k not in _NOT_NUMBERS)
    decays = {float(g["weight_decay"]) for g in groups} - {0.0}
    if not same or settings.get("maximize") or len(decays) > 1:
        return None
    decoupled = type(optimizer) is torch.optim.AdamW or settings.get("decoupled_weight_decay")
    return make(
        settings,
        {
            "learning_rate": float(settings["lr"]),
            "weight_decay": decays.pop() if decays else 0.0,
            "decay_scope": _scope(groups, names),
            "decay": "decoupled" if decoupled else "coupled",
        },
    )


def _betas(settings: Settings) -> dict[str, Any]:
    beta1, beta2 = settings["betas"]
    return {"beta1": float(beta1), "beta2": float(beta2), "epsilon": float(settings["eps"])}


def _sgd(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    return nn.SGD(
        momentum=float(settings["momentum"]),
        form="rate-outside",
        nesterov=bool(settings["nesterov"]),
        dampening=float(settings["dampening"]),
        **shared,
    )


def _adam(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    amsgrad = bool(settings["amsgrad"])
    return nn.Adam(**_betas(settings), epsilon_placement="outside", amsgrad=amsgrad, **shared)


def _adagrad(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    return nn.AdaGrad(
        epsilon=float(settings["eps"]),
        epsilon_placement="outside",
        initial_accumulator=float(settings["initial_accumulator_value"]),
        rate_decay=float(settings["lr_decay"]),
        **shared,
    )


def _rmsprop(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    return nn.RMSProp(
        rho=float(settings["alpha"]),
        momentum=float(settings["momentum"]),
        epsilon=float(settings["eps"]),
        epsilon_placement="outside",
        centered=bool(settings["centered"]),
        **shared,
    )


def _adadelta(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    return nn.Adadelta(rho=float(settings["rho"]), epsilon=float(settings["eps"]), **shared)


def _adamax(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    return nn.Adamax(**_betas(settings), epsilon_placement="inside", **shared)


def _nadam(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    # Its product of momenta is a tensor of the default dtype, whatever the parameters are.
    rounds = torch.get_default_dtype() == torch.float32
    return nn.NAdam(
        **_betas(settings),
        momentum_decay=float(settings["momentum_decay"]),
        rounding="float32-product" if rounds else "exact",
        **shared,
    )


def _radam(settings: Settings, shared: dict[str, Any]) -> nn.Optimizer:
    return nn.RAdam(**_betas(settings), epsilon_placement="hat", **shared)


_KINDS: Final[Mapping[Any, Callable[[Settings, dict[str, Any]], nn.Optimizer]]] = {
    torch.optim.SGD: _sgd,
    torch.optim.Adam: _adam,
    torch.optim.AdamW: _adam,
    torch.optim.Adagrad: _adagrad,
    torch.optim.RMSprop: _rmsprop,
    torch.optim.Adadelta: _adadelta,
    torch.optim.Adamax: _adamax,
    torch.optim.NAdam: _nadam,
    torch.optim.RAdam: _radam,
}
#: Switch → the setting that holds it, where the names differ.
_SETTINGS: Final = {
    "learning_rate": "lr", "epsilon": "eps", "rho": "rho", "rate_decay": "lr_decay",
}  # fmt: skip


def settings_of(optimizer: Any, rule: nn.Optimizer) -> dict[str, Any]:
    """A group's settings by which a torch optimizer of that kind follows a rule.

    Args:
        optimizer: the optimizer.
        rule: what it is to follow; its weight decay is not looked at.
    """
    known = optimizer.param_groups[0]
    written: dict[str, Any] = {"lr": rule.learning_rate}
    renamed = {**_SETTINGS, "rho": "alpha"} if "alpha" in known else _SETTINGS
    for switch in ("momentum", "dampening", "nesterov", "epsilon", "rho", "momentum_decay",
                   "rate_decay", "amsgrad", "centered"):  # fmt: skip
        setting = renamed.get(switch, switch)
        if setting in known and hasattr(rule, switch):
            written[setting] = getattr(rule, switch)
    if "betas" in known and hasattr(rule, "beta1"):
        written["betas"] = (rule.beta1, rule.beta2)  # type: ignore[attr-defined]
    if "decoupled_weight_decay" in known:
        written["decoupled_weight_decay"] = rule.decay == "decoupled"
    return written


#: Settings of how, not what, an optimizer computes.
_NOT_NUMBERS: Final = ("foreach", "fused", "capturable", "differentiable", "param_names")


def _scope(groups: Any, names: Mapping[int, str]) -> nn.Scope:
    """Which parameters decay: all, the weights, or those named."""
    decaying = {
        names[id(p)]
        for group in groups
        for p in group["params"]
        if float(group["weight_decay"]) != 0.0 and id(p) in names
    }
    if not decaying or decaying == set(names.values()):
        return "all"
    if decaying == {name for name in names.values() if name.endswith(".weight")}:
        return "weights"
    return tuple(name for name in names.values() if name in decaying)


def texts(optimizer: Any) -> dict[str, str]:
    """How the author writes the optimizer's settings."""
    if optimizer is None:
        return {}
    kind = type(optimizer).__name__
    group = optimizer.param_groups[0]
    start = _number(group.get("initial_accumulator_value"))
    decays = [float(g.get("weight_decay", 0.0)) for g in optimizer.param_groups]
    decay = decays[0] if len(set(decays)) == 1 else decays
    written = {
        "learning_rate": f"lr={_number(group.get('lr'))}",
        "momentum": f"momentum={_number(group.get('momentum'))}",
        "dampening": f"dampening={_number(group.get('dampening'))}",
        "nesterov": f"nesterov={group.get('nesterov')}",
        "beta1": f"betas={group.get('betas')}",
        "beta2": f"betas={group.get('betas')}",
        "epsilon": f"eps={_number(group.get('eps'))}",
        "amsgrad": f"amsgrad={group.get('amsgrad')}",
        "rho": f"alpha={_number(group['alpha'])}"
        if "alpha" in group
        else f"rho={_number(group.get('rho'))}",
        "centered": f"centered={group.get('centered')}",
        "rate_decay": f"lr_decay={_number(group.get('lr_decay'))}",
        "initial_accumulator": f"initial_accumulator_value={start}",
        "momentum_decay": f"momentum_decay={_number(group.get('momentum_decay'))}",
        "weight_decay": f"weight_decay={decay}",
        "decay_scope": f"weight_decay={decay}, on all parameters of the group",
        "decay": f"torch.optim.{kind}(weight_decay={decay})",
    }
    asked = {
        "learning_rate": "lr", "epsilon": "eps", "beta1": "betas", "beta2": "betas",
        "decay_scope": "weight_decay", "decay": "weight_decay", "rate_decay": "lr_decay",
        "rho": "alpha" if "alpha" in group else "rho",
        "initial_accumulator": "initial_accumulator_value",
    }  # fmt: skip
    found = {f"optimizer.{f}": t for f, t in written.items() if asked.get(f, f) in group}
    shown = [written["learning_rate"]]
    shown += [written[f] for f in ("momentum", "weight_decay") if group.get(f)]
    return {"optimizer": f"torch.optim.{kind}({', '.join(shown)})", **found}


def _number(value: Any) -> Any:
    return as_array(value).item() if isinstance(value, torch.Tensor) else value
