"""torch's learning-rate schedulers: followed, and read as schedules of the reference network."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Final

import torch
from torch.optim import lr_scheduler

from netparity import nn
from netparity.errors import InputError
from netparity.implementations.rates import Called, Rates
from netparity.implementations.watching import Every

#: Schedulers that also move momentum, or wait for a metric: their rates alone are not they.
_MORE_THAN_RATES: Final = (lr_scheduler.ReduceLROnPlateau,)


def rates(schedule: Any, every: Every, optimizer: Any, where: str) -> Rates:
    """What sets the rates of a torch optimizer.

    Args:
        schedule: a scheduler of ``torch.optim.lr_scheduler``, a function, or ``None``.
        every: when it is stepped, or what the function counts.
        optimizer: the optimizer, or ``None``.
        where: whose schedule it is, for messages.

    Raises:
        InputError: it is of another optimizer, or needs a metric.
    """

    def get() -> float:
        return float(optimizer.param_groups[0]["lr"])

    def put(rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate

    if schedule is not None and optimizer is None:
        raise InputError(f"{where}, schedule: expected an optimizer as well; received none")
    if not isinstance(schedule, lr_scheduler.LRScheduler):
        return Rates(schedule, every, get, put, where)
    if isinstance(schedule, _MORE_THAN_RATES):
        raise InputError(
            f"{where}, schedule: expected a scheduler that is stepped without a metric; received "
            f"{type(schedule).__name__}",
            hint="step it in a train_step of your own",
        )
    if schedule.optimizer is not optimizer:
        raise InputError(
            f"{where}, schedule: expected a scheduler of the optimizer given; received one of "
            "another"
        )
    return TorchRates(schedule, every, get, put, where)


class TorchRates(Rates):
    """A torch scheduler, stepped after each step or epoch unless its author's step does it."""

    def __init__(self, scheduler: Any, every: Every, get: Any, put: Any, where: str) -> None:
        super().__init__(None, every, get, put, where)
        self._scheduler = scheduler
        self._schedule = _Simulated(scheduler)
        self._reading = read(scheduler)
        self._before = self._place()

    def _place(self) -> tuple[int, ...]:
        return tuple(s.last_epoch for s in _nested(self._scheduler))

    def before_step(self) -> None:
        """Remembers where it is, and sets a rate only in place of the scheduler's own."""
        self._before = self._place()
        if self._wanted is not None:
            self._put(self._wanted(self.count))

    def after_step(self) -> None:
        """Steps it, where it counts steps and was not stepped meanwhile."""
        super().after_step()
        if self.every == "step" and self._place() == self._before:
            self._step()
        self._before = self._place()

    def end_epoch(self) -> None:
        """Steps it, where it counts epochs and was not stepped meanwhile."""
        super().end_epoch()
        if self.every == "epoch":
            self._step()

    def _step(self) -> None:
        with warnings.catch_warnings():
            # After a restore it thinks that the optimizer never made a step.
            warnings.simplefilter("ignore")
            self._scheduler.step()

    def state(self) -> Any:
        """The scheduler's own state, and the rates it has set."""
        groups = self._scheduler.optimizer.param_groups
        return self.count, copy.deepcopy(self._scheduler.state_dict()), [g["lr"] for g in groups]

    def restore(self, state: Any) -> None:
        """Puts it back."""
        self.count, own, lrs = state
        self._scheduler.load_state_dict(copy.deepcopy(own))
        groups = self._scheduler.optimizer.param_groups
        for index, group in enumerate(groups):
            group["lr"] = lrs[min(index, len(lrs) - 1)]

    @property
    def authored(self) -> nn.Schedule | None:
        """The scheduler as read, else as it can be simulated."""
        return self._reading or Called(self._schedule)

    def _back(self, rate: float) -> None:
        self._put(float(self._scheduler.get_last_lr()[0]))


class _Simulated:
    """The rates that a scheduler will set, from a copy of it on an optimizer of its own."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler, optimizer = _apart(scheduler)
        self._rates = [float(optimizer.param_groups[0]["lr"])]
        self._group = optimizer.param_groups[0]
        self.__name__ = type(scheduler).__name__

    def __call__(self, count: int) -> float:
        while len(self._rates) <= count:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._scheduler.step()
            self._rates.append(float(self._group["lr"]))
        return self._rates[count]


def _apart(scheduler: Any) -> tuple[Any, Any]:
    """A copy of a scheduler, with a copy of its optimizer's groups that hold no parameters."""
    own = scheduler.optimizer
    stand_in = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    settings = [{k: v for k, v in g.items() if k != "params"} for g in own.param_groups]
    held = stand_in.param_groups[0]["params"]
    stand_in.param_groups[:] = [{"params": held, **copy.deepcopy(s)} for s in settings]
    return copy.deepcopy(scheduler, {id(own): stand_in}), stand_in


def _nested(scheduler: Any) -> list[Any]:
    """A scheduler and those it is made of."""
    return [
        scheduler,
        *(s for part in getattr(scheduler, "_schedulers", ()) for s in _nested(part)),
    ]


def read(scheduler: Any) -> nn.Schedule | None:
    """The schedule of the reference network that a fresh torch scheduler is, or ``None``.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(1))
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> read(lr_scheduler.StepLR(optimizer, 3, 0.5))
        ExponentialDecay(learning_rate=0.5, factor=0.5, steps=3, staircase=True)
    """
    bases = set(getattr(scheduler, "base_lrs", ()))
    if type(scheduler) is lr_scheduler.SequentialLR:
        bases = {float(group["initial_lr"]) for group in scheduler.optimizer.param_groups}
    if len(bases) != 1 or scheduler.last_epoch != 0:
        return None
    return _read(scheduler, float(bases.pop()))


def _read(s: Any, base: float) -> nn.Schedule | None:
    kind = type(s)
    if kind is lr_scheduler.StepLR:
        return nn.ExponentialDecay(base, float(s.gamma), s.step_size, staircase=True)
    if kind is lr_scheduler.ExponentialLR:
        return nn.ExponentialDecay(base, float(s.gamma))
    if kind is lr_scheduler.MultiStepLR:
        return nn.multi_step(base, tuple(sorted(s.milestones.elements())), float(s.gamma))
    if kind is lr_scheduler.ConstantLR:
        return nn.PiecewiseConstant((s.total_iters,), (base * float(s.factor), base))
    if kind is lr_scheduler.LinearLR:
        start, end = base * float(s.start_factor), base * float(s.end_factor)
        return nn.PolynomialDecay(start, s.total_iters, end)
    if kind is lr_scheduler.PolynomialLR:
        return nn.PolynomialDecay(base, s.total_iters, power=float(s.power))
    if kind is lr_scheduler.CosineAnnealingLR:
        return nn.CosineDecay(base, s.T_max, float(s.eta_min), after="periodic")
    if kind is lr_scheduler.CosineAnnealingWarmRestarts:
        return nn.CosineRestarts(base, s.T_0, float(s.T_mult), end=float(s.eta_min))
    if kind is lr_scheduler.SequentialLR:
        parts = [_read(part, base) for part in s._schedulers]
        found = tuple(part for part in parts if part is not None)
        return nn.Join(found, tuple(s._milestones)) if len(found) == len(parts) else None
    return None
