"""Changes a convention of a live torch side."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from netparity import nn
from netparity.conventions import Conventions
from netparity.implementations import torch_optimizers
from netparity.implementations.scaling import Adjusted, adjusted_losses, differing

if TYPE_CHECKING:
    from netparity.implementations.own_step import OwnStep
    from netparity.implementations.torch import Torch

Array = np.ndarray[Any, np.dtype[Any]]

#: Switches of an optimizer that can be set on a live one. (An accumulator is filled already.)
_SETTINGS: Final = frozenset(
    {
        "learning_rate", "momentum", "dampening", "nesterov", "beta1", "beta2", "epsilon", "rho",
        "momentum_decay", "rate_decay", "weight_decay", "decay_scope", "decay",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Left:
    """What a step of the author's own may leave behind.

    Attributes:
        gradients: of the module's parameters.
        modes: of its modules.
        kept: what the step itself keeps.
        groups: the optimizer's settings.
        adjusted: what they were adjusted to.
    """

    gradients: tuple[Any, ...]
    modes: tuple[bool, ...]
    kept: Mapping[str, Any]
    groups: tuple[Mapping[str, Any], ...]
    adjusted: Adjusted


def left(side: Torch, step: OwnStep) -> Left:
    """What is there now of what a step of the author's own may leave behind."""
    groups = () if side.optimizer is None else side.optimizer.param_groups
    return Left(
        tuple(None if p.grad is None else p.grad.clone() for p in side.module.parameters()),
        tuple(module.training for module in side.module.modules()),
        step.state(),
        tuple({k: copy.copy(v) for k, v in g.items() if k != "params"} for g in groups),
        side.adjustment,
    )


def put_back(side: Torch, step: OwnStep, state: Left) -> None:
    """Puts it back; settings only where they were not adjusted since."""
    step.restore(state.kept)
    for parameter, gradient in zip(side.module.parameters(), state.gradients, strict=True):
        parameter.grad = None if gradient is None else gradient.to(parameter.dtype).clone()
    for module, mode in zip(side.module.modules(), state.modes, strict=True):
        module.training = mode
    if state.adjusted is side.adjustment and side.optimizer is not None:
        for group, saved in zip(side.optimizer.param_groups, state.groups, strict=True):
            group.update({k: copy.copy(v) for k, v in saved.items()})


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to be done, found to be possible before anything is done."""

    adjusted: Adjusted
    actions: Sequence[Callable[[], None]]

    def carry_out(self) -> Adjusted:
        """Does it."""
        for action in self.actions:
            action()
        return self.adjusted


def plan(side: Torch, present: Conventions, wanted: Conventions, x: Array) -> Plan | None:
    """How to make a side follow ``wanted``, or ``None`` where that cannot be done live.

    Args:
        side: the live side.
        present: what it declares now.
        wanted: what it is to follow. Laws, feeding and reported quantities are not looked at.
        x: a small batch.
    """
    if wanted.faults:
        return None
    names = _torch_names(side, present)
    dropout = _dropout_actions(side, present, wanted)
    optimizer = _optimizer_actions(side, present, wanted, names)
    adjusted = adjusted_losses(side, present, wanted, names, x)
    if dropout is None or optimizer is None or adjusted is None:
        return None
    return Plan(adjusted, [*dropout, *optimizer])


def _torch_names(side: Torch, present: Conventions) -> dict[str, str]:
    names = {place.name: twin for twin, place in present.places.items()}
    return {names.get(name, name): name for name, _ in side.module.named_parameters()}


# ---- dropout ---------------------------------------------------------------------------------
def _dropout_actions(
    side: Torch, present: Conventions, wanted: Conventions
) -> list[Callable[[], None]] | None:
    if wanted.layers is None or wanted.layers == present.layers:
        return []
    if present.layers is None or len(present.layers) != len(wanted.layers):
        return None
    modules = {name.replace(".", "_"): module for name, module in side.module.named_modules()}
    actions: list[Callable[[], None]] = []
    for (own_name, own), (_, layer) in zip(present.layers, wanted.layers, strict=True):
        if own == layer:
            continue
        module = modules.get(own_name)
        if not isinstance(own, nn.Dropout) or not isinstance(layer, nn.Dropout):
            return None
        if differing(own, layer) != {"rate"} or type(module) is not torch.nn.Dropout:
            return None
        actions.append(_setter(module, "p", layer.rate))
    return actions


def _setter(thing: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(thing, name, value)


# ---- optimizer -------------------------------------------------------------------------------
def _optimizer_actions(
    side: Torch, present: Conventions, wanted: Conventions, names: Mapping[str, str]
) -> list[Callable[[], None]] | None:
    own, rule = present.optimizer, wanted.optimizer
    if rule is None or rule == own:
        return []
    if own is None or type(own) is not type(rule) or not differing(own, rule) <= _SETTINGS:
        return None
    own_decay = "decoupled" if isinstance(side.optimizer, torch.optim.AdamW) else "coupled"
    free = "decoupled_weight_decay" in side.optimizer.param_groups[0]
    if not free and rule.decay != own_decay and _decays(rule):
        return None
    # A velocity that was not there from the start would have to be made.
    if isinstance(rule, nn.RMSProp) and _has_momentum(rule) != _has_momentum(own):
        return None
    if isinstance(rule, nn.SGD) and rule.nesterov and (rule.momentum <= 0 or rule.dampening != 0):
        return None
    live = dict(side.module.named_parameters())
    twins = {id(live[name]): twin for twin, name in names.items()}
    return [lambda: _regroup(side.optimizer, rule, twins)]


def _has_momentum(rule: nn.Optimizer) -> bool:
    return getattr(rule, "momentum", 0.0) > 0.0


def _decays(rule: nn.Optimizer) -> bool:
    return getattr(rule, "weight_decay", 0.0) != 0.0


def _regroup(optimizer: Any, rule: nn.Optimizer, twins: Mapping[int, str]) -> None:
    """Writes the settings; parameters out of the decay's scope get a group of their own."""
    groups = optimizer.param_groups
    shared = {k: v for k, v in groups[0].items() if k not in ("params", "param_names")}
    shared.update(torch_optimizers.settings_of(optimizer, rule))
    decay = rule.weight_decay
    scope: nn.Scope = getattr(rule, "decay_scope", "all")
    held = [p for group in groups for p in group["params"]]
    inside = [p for p in held if nn.in_scope(scope, twins.get(id(p), ""))]
    outside = [p for p in held if not any(p is other for other in inside)]
    if decay == 0.0:
        inside, outside = held, []
    optimizer.param_groups[:] = [
        {"params": parameters, **shared, "weight_decay": value}
        for parameters, value in ((inside, decay), (outside, 0.0))
        if parameters
    ]
