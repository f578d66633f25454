"""Keras's learning-rate schedules: followed, and read as schedules of the reference network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netparity import nn
from netparity.errors import InputError
from netparity.implementations.author import Author
from netparity.implementations.rates import Called, Rates


def rates(optimizer: Any, author: Author) -> Rates:
    """What sets the rates of a Keras optimizer.

    Args:
        optimizer: the optimizer, or ``None``.
        author: whose ``schedule`` is a function, or a callback ``LearningRateScheduler``.

    Raises:
        InputError: there is no optimizer, or it follows a schedule of its own already.
    """
    import keras

    schedule, every = author.schedule, author.schedule_every
    own = getattr(optimizer, "_learning_rate", None)
    if schedule is not None and optimizer is None:
        raise InputError(f"{author.name}, schedule: expected an optimizer as well; received none")
    if own is not None and not isinstance(own, keras.Variable):
        if schedule is not None:
            raise InputError(
                f"{author.name}, schedule: expected an optimizer with a constant rate; received "
                f"one with a {type(own).__name__}",
                hint="a schedule inside the optimizer is read there: leave the argument out",
            )
        return OptimizerRates(optimizer, author.name)
    if isinstance(schedule, keras.callbacks.LearningRateScheduler):
        schedule, every = schedule.schedule, "epoch"
    return Rates(
        schedule, every, lambda: _number(optimizer._learning_rate),
        lambda rate: optimizer._learning_rate.assign(rate), author.name,
    )  # fmt: skip


class OptimizerRates(Rates):
    """A schedule inside an optimizer, which counts the steps by itself.

    To follow another one the optimizer is given a variable in its place.
    """

    def __init__(self, optimizer: Any, name: str) -> None:
        self._optimizer = optimizer
        self._inside = inside = optimizer._learning_rate
        super().__init__(
            _worked_out(inside), "step", lambda: 0.0,
            lambda rate: optimizer._learning_rate.assign(rate), name,
        )  # fmt: skip
        reading = read(inside)
        rounds = _dtype(inside) != np.dtype(_floatx())
        self._stated = reading if reading and not rounds else Called(self.own, reading)

    def before_step(self) -> None:
        """Sets a rate only in place of the optimizer's own."""
        self.count = int(_number(self._optimizer.iterations))
        if self._wanted is not None:
            self._put(self._wanted(self.count))

    @property
    def authored(self) -> nn.Schedule | None:
        """The schedule as read, or as Keras works it out where that is rounded."""
        return self._stated

    def follow(self, wanted: Any) -> bool:
        """Puts a variable in the place of the schedule, or the schedule in that of a variable."""
        import keras

        changed = super().follow(wanted)
        if self._wanted is None:
            self._optimizer._learning_rate = self._inside
        elif self._optimizer._learning_rate is self._inside:
            self._optimizer._learning_rate = keras.Variable(self._wanted(self.count))
        return changed

    def _back(self, rate: float) -> None:
        return


def _worked_out(schedule: Any) -> Callable[[int], float]:
    """A Keras schedule as a function of Python's numbers."""

    def rate(step: int) -> float:
        from keras import ops

        if not _counts(schedule):
            return _number(schedule())
        return _number(schedule(ops.convert_to_tensor(step, dtype="int32")))

    rate.__name__ = type(schedule).__name__
    return rate


def _counts(schedule: Any) -> bool:
    """Whether it is given the step: a plain function in the place of a rate is not."""
    import keras

    return isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)


def _number(value: Any) -> float:
    import keras

    held = value.value if isinstance(value, keras.Variable) else value
    held = held.detach() if hasattr(held, "detach") else held
    return float(held.numpy() if hasattr(held, "numpy") else held)


def _dtype(schedule: Any) -> np.dtype[Any]:
    from keras import ops

    if not _counts(schedule):
        return np.dtype(np.float32)
    worked = ops.convert_to_numpy(schedule(ops.convert_to_tensor(0, dtype="int32")))
    found: np.dtype[Any] = np.asarray(worked).dtype
    return found


def _floatx() -> str:
    import keras

    return str(keras.config.floatx())


def read(schedule: Any) -> nn.Schedule | None:
    """The schedule of the reference network that a Keras schedule is, or ``None``.

    Example:
        >>> import keras
        >>> read(keras.optimizers.schedules.InverseTimeDecay(0.5, 2, 0.25))
        InverseTimeDecay(learning_rate=0.5, steps=2, decay=0.25, staircase=False)
    """
    from keras.optimizers import schedules as known

    s, kind = schedule, type(schedule)
    if kind is known.PiecewiseConstantDecay:
        values = tuple(float(v) for v in s.values)
        return nn.PiecewiseConstant(tuple(s.boundaries), values, "old")
    rate = float(getattr(s, "initial_learning_rate", 0.0))
    if kind is known.ExponentialDecay:
        return nn.ExponentialDecay(rate, float(s.decay_rate), s.decay_steps, bool(s.staircase))
    if kind is known.InverseTimeDecay:
        return nn.InverseTimeDecay(rate, s.decay_steps, float(s.decay_rate), bool(s.staircase))
    if kind is known.PolynomialDecay:
        end, power = float(s.end_learning_rate), float(s.power)
        return nn.PolynomialDecay(rate, s.decay_steps, end, power, bool(s.cycle))
    if kind is known.CosineDecay:
        top = rate if s.warmup_target is None else float(s.warmup_target)
        decay = nn.CosineDecay(top, s.decay_steps, top * float(s.alpha))
        if s.warmup_target is None:
            return decay
        return nn.WarmUp(decay, s.warmup_steps, rate / top) if top else None
    if kind is known.CosineDecayRestarts:
        return nn.CosineRestarts(
            rate, s.first_decay_steps, float(s._t_mul), float(s._m_mul), rate * float(s.alpha)
        )
    return None
