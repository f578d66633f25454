"""Changes a convention of a live torch side."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from netparity import nn
from netparity.conventions import Conventions

if TYPE_CHECKING:
    from netparity.implementations.own_step import OwnStep
    from netparity.implementations.torch import Torch

Array = np.ndarray[Any, np.dtype[Any]]

#: What only scales or shifts the value of a loss.
_SCALING: Final = frozenset({"batch", "outputs", "classes", "factor", "counts_true_class"})
_SETTINGS: Final = frozenset(
    {
        "learning_rate", "momentum", "dampening", "nesterov", "beta1", "beta2", "epsilon",
        "weight_decay", "decay_scope", "decay",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What was changed of a side's loss and penalties: nothing, by default.

    Attributes:
        own_loss: the loss as the author wrote it.
        loss: what it was made into, or ``None`` where it is the author's own.
        penalties: the penalties that stand in place of the author's, or ``None``.
        names: torch's name of each of the twin's parameters.
    """

    own_loss: nn.Loss | None = None
    loss: nn.Loss | None = None
    penalties: tuple[nn.Penalty, ...] | None = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def applied_to(self, conventions: Conventions) -> Conventions:
        """The conventions of the side with the changes."""
        changes: dict[str, Any] = {}
        if self.loss is not None:
            changes["loss"] = self.loss
        if self.penalties is not None:
            changes["penalties"] = self.penalties
        return replace(conventions, **changes) if changes else conventions

    def loss_value(self, value: Any, prediction: Any) -> Any:
        """The author's loss value turned into the wanted one."""
        if self.loss is None or self.own_loss is None:
            return value
        rows, outputs = len(prediction), prediction.numel() // max(len(prediction), 1)
        ratio, offset = ratio_and_offset(self.own_loss, self.loss, rows, outputs)
        value = value if ratio == 1 else value * ratio
        return value if offset == 0 else value + offset

    def penalty_value(self, parameters: Mapping[str, Any]) -> Any:
        """The penalties as a tensor that can be differentiated."""
        total = torch.zeros((), dtype=next(iter(parameters.values())).dtype)
        for penalty in self.penalties or ():
            for twin, name in self.names.items():
                if isinstance(penalty, nn.L2 | nn.L1) and nn.in_scope(penalty.scope, twin):
                    p = parameters[name]
                    bare = (p * p).sum() if isinstance(penalty, nn.L2) else p.abs().sum()
                    total = total + penalty.factor * penalty.coefficient * bare
        return total


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
    adjusted = _adjusted(side, present, wanted, names, x)
    if dropout is None or optimizer is None or adjusted is None:
        return None
    return Plan(adjusted, [*dropout, *optimizer])


def _torch_names(side: Torch, present: Conventions) -> dict[str, str]:
    names = {place.name: twin for twin, place in present.places.items()}
    return {names.get(name, name): name for name, _ in side.module.named_parameters()}


# ---- loss and penalties ----------------------------------------------------------------------
def _adjusted(
    side: Torch, present: Conventions, wanted: Conventions, names: Mapping[str, str], x: Array
) -> Adjusted | None:
    before = side.adjustment
    own = before.own_loss or (present.loss if before.loss is None else None)
    loss = wanted.loss
    if loss is not None and loss != own:
        if own is None:
            own = identify(side, loss, x)
        if own is None or not _scales(own, loss):
            return None
    penalties = wanted.penalties
    own_penalties = () if side.has_plain_loss else None
    if penalties is not None and penalties != own_penalties:
        # A custom loss may hold a penalty of its own that nobody can take out.
        replaceable = side.has_penalty or own_penalties is not None or own is not None
        if not replaceable or not all(isinstance(p, nn.L2 | nn.L1) for p in penalties):
            return None
    else:
        penalties = None
    changed = loss is not None and loss != own
    if side.has_own_step and (changed or penalties is not None):
        return None
    return Adjusted(own, loss if changed else None, penalties, names)


def _scales(own: nn.Loss, wanted: nn.Loss) -> bool:
    """Whether the wanted loss is the own one times a number, plus a number."""
    return type(own) is type(wanted) and _differing(own, wanted) <= _SCALING


def _differing(a: Any, b: Any) -> set[str]:
    return {f.name for f in dataclasses.fields(a) if getattr(a, f.name) != getattr(b, f.name)}


def _scale(loss: nn.Loss, rows: int, outputs: int) -> float:
    """What stands before the bare sum over rows and outputs."""
    inner = getattr(loss, "outputs", getattr(loss, "classes", "sum"))
    scale = float(getattr(loss, "factor", 1.0))
    scale = scale / rows if getattr(loss, "batch", "sum") == "mean" else scale
    return scale / outputs if inner == "mean" else scale


def ratio_and_offset(own: nn.Loss, wanted: nn.Loss, rows: int, outputs: int) -> tuple[float, float]:
    """``wanted = ratio · own + offset`` for a batch of ``rows`` with ``outputs`` outputs.

    Example:
        >>> own, wanted = nn.MeanSquaredError(), nn.MeanSquaredError("sum", "sum", factor=0.5)
        >>> ratio_and_offset(own, wanted, 4, 3)
        (6.0, 0.0)
    """
    scale = _scale(wanted, rows, outputs)
    ratio = scale / _scale(own, rows, outputs)
    offset = 0.0
    if isinstance(own, nn.MulticlassHinge) and isinstance(wanted, nn.MulticlassHinge):
        counted = int(wanted.counts_true_class) - int(own.counts_true_class)
        offset = counted * wanted.margin * rows * scale
    return ratio, offset


def identify(side: Torch, wanted: nn.Loss, x: Array) -> nn.Loss | None:
    """A custom loss as one of the wanted loss's kind, if its values say so, or ``None``.

    The ratio to the bare sum must be that of one set of reductions at predictions of several
    values and row counts. (At one width, reductions over outputs and factors are one.)
    """
    outputs = side.predict(x).shape[1:]
    width = int(np.prod(outputs))
    rng = np.random.default_rng(0)
    probes = []
    for rows in (2, 3, 5, 5):
        prediction = rng.uniform(0.05, 0.95, (rows, *outputs))
        if getattr(wanted, "input", None) == "probabilities" and width > 1:
            prediction /= prediction.sum(axis=-1, keepdims=True)
        classes = isinstance(wanted, nn.SoftmaxCrossEntropy | nn.MulticlassHinge)
        target = rng.integers(0, width, rows) if classes else rng.uniform(0, 1, prediction.shape)
        try:
            probes.append((prediction, target, side.loss_of(prediction, target)))
        except (RuntimeError, TypeError, ValueError):
            return None
    for batch in ("mean", "sum"):
        for counted in (False, True):
            changes: dict[str, Any] = {"batch": batch, "factor": 1.0}
            if isinstance(wanted, nn.MulticlassHinge):
                changes["counts_true_class"] = counted
            guess = replace(wanted, **changes)  # type: ignore[type-var]
            ratios = np.array([got / guess.value(p, t) for p, t, got in probes])
            # A sum of n terms of one sign errs by at most n roundings, on either side.
            spread = 8 * (5 * width + 16) * float(np.finfo(side.dtype).eps)
            if np.ptp(ratios) <= spread * abs(ratios[0]):
                factor = _round_factor(float(ratios.mean()), width, spread)
                return replace(guess, factor=factor)  # type: ignore[type-var]
    return None


def _round_factor(ratio: float, width: int, spread: float) -> float:
    """The simple fraction a measured ratio stands for, where there is one within rounding."""
    for numerator in (1, 2, width, 2 * width):
        for denominator in (1, 2, 10, width, 2 * width):
            if abs(ratio - numerator / denominator) <= spread * abs(ratio):
                return numerator / denominator
    return ratio


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
        if _differing(own, layer) != {"rate"} or type(module) is not torch.nn.Dropout:
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
    if own is None or type(own) is not type(rule) or not _differing(own, rule) <= _SETTINGS:
        return None
    coupled_only = isinstance(side.optimizer, torch.optim.SGD)
    if coupled_only and getattr(rule, "decay", "coupled") != "coupled" and _decays(rule):
        return None
    if isinstance(rule, nn.SGD) and rule.nesterov and (rule.momentum <= 0 or rule.dampening != 0):
        return None
    live = dict(side.module.named_parameters())
    twins = {id(live[name]): twin for twin, name in names.items()}
    return [lambda: _regroup(side.optimizer, rule, twins)]


def _decays(rule: nn.Optimizer) -> bool:
    return getattr(rule, "weight_decay", 0.0) != 0.0


def _regroup(optimizer: Any, rule: nn.Optimizer, twins: Mapping[int, str]) -> None:
    """Writes the settings; parameters out of the decay's scope get a group of their own."""
    groups = optimizer.param_groups
    shared = {k: v for k, v in groups[0].items() if k not in ("params", "param_names")}
    shared["lr"] = rule.learning_rate
    decay = 0.0
    if isinstance(rule, nn.SGD):
        decay = rule.weight_decay
        shared.update(momentum=rule.momentum, dampening=rule.dampening, nesterov=rule.nesterov)
    elif isinstance(rule, nn.Adam):
        decay = rule.weight_decay
        shared.update(betas=(rule.beta1, rule.beta2), eps=rule.epsilon)
        if "decoupled_weight_decay" in shared:
            shared["decoupled_weight_decay"] = rule.decay == "decoupled"
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
