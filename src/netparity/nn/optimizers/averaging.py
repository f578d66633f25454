"""Averages of the parameters over a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.optimizers.base import State


@final
@dataclass(frozen=True, slots=True)
class ExponentialMovingAverage:
    """A fading average of the parameters, to predict with in their place.

    ``a ← β a + (1 − β) w`` after each update.

    Args:
        momentum: β, from 0 to below 1.
        start: ``"copy"``: the first w observed is taken as it is; ``"initial"``: a starts at
            the parameters ``initialize`` is given; ``"debiased"``: it starts at 0 and what
            ``average`` returns is divided by ``1 − βᵗ``.

    Raises:
        InputError: the momentum is out of range, or the start has no meaning.

    Example:
        >>> rule = ExponentialMovingAverage(0.5)
        >>> state = rule.initialize({"w": np.array([8.0])})
        >>> for value in (4.0, 2.0):
        ...     state = rule.observe(state, {"w": np.array([value])})
        >>> rule.average(state)
        {'w': array([3.])}

    Source: B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by
    averaging", 1992; the fading form: D. Ruppert, 1988.

    **Parity** (`ema-default`): Keras's ``use_ema`` (β = 0.99) and torch's ``AveragedModel``
    with ``get_ema_multi_avg_fn`` (β = 0.999) copy first; ``optax.ema`` is debiased. torch's
    ``AveragedModel`` by itself weighs all w alike: see ``EqualAverage``.
    """

    momentum: float = 0.99
    start: Literal["copy", "initial", "debiased"] = "copy"

    def __post_init__(self) -> None:
        """Checks the values."""
        if not 0.0 <= self.momentum < 1.0:
            raise InputError(
                "ExponentialMovingAverage: momentum out of range. Expected a number from 0 to "
                f"below 1. Received: {self.momentum!r}"
            )
        if self.start not in ("copy", "initial", "debiased"):
            raise InputError(
                "ExponentialMovingAverage: start has no such setting. Expected one of 'copy', "
                f"'initial', 'debiased'. Received: {self.start!r}"
            )

    def initialize(self, parameters: Mapping[str, Array]) -> State:
        """The state before the first update.

        Args:
            parameters: the first values by name.

        Returns:
            ``{"step": 0, "average": {name: array}}``.
        """
        zero = self.start == "debiased"
        average = {
            name: np.zeros_like(array) if zero else array.copy()
            for name, array in parameters.items()
        }
        return {"step": 0, "average": average}

    def observe(self, state: State, parameters: Mapping[str, Array]) -> State:
        """Takes the parameters after an update into the average; changes no argument.

        Args:
            state: what ``initialize`` or the call before returned.
            parameters: the values now, by the same names.

        Returns:
            The new state.
        """
        step = state["step"] + 1
        beta = 0.0 if step == 1 and self.start == "copy" else float(self.momentum)
        average = {
            name: array * beta + parameters[name] * (1.0 - beta)
            for name, array in state["average"].items()
        }
        return {"step": step, "average": average}

    def average(self, state: State) -> dict[str, Array]:
        """The averaged parameters by name.

        Args:
            state: what ``observe`` returned.
        """
        average: dict[str, Array] = dict(state["average"])
        if self.start == "debiased" and state["step"]:
            correction = 1.0 - float(self.momentum) ** state["step"]
            return {name: array / correction for name, array in average.items()}
        return average


@final
@dataclass(frozen=True, slots=True)
class EqualAverage:
    """The mean of the parameters over all updates.

    ``a ← a + (w − a)/t``.

    Example:
        >>> rule = EqualAverage()
        >>> state = rule.initialize({"w": np.array([8.0])})
        >>> for value in (4.0, 2.0):
        ...     state = rule.observe(state, {"w": np.array([value])})
        >>> rule.average(state)
        {'w': array([3.])}

    Source: B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by
    averaging", 1992; P. Izmailov et al., "Averaging weights leads to wider optima and better
    generalization", UAI 2018.

    **Parity** (`ema-default`): torch's ``AveragedModel`` by default.
    """

    def initialize(self, parameters: Mapping[str, Array]) -> State:
        """The state before the first update (see ``ExponentialMovingAverage``)."""
        return {"step": 0, "average": {name: array.copy() for name, array in parameters.items()}}

    def observe(self, state: State, parameters: Mapping[str, Array]) -> State:
        """Takes the parameters into the mean (see ``ExponentialMovingAverage``)."""
        step = state["step"] + 1
        # At the first step what is there is no value observed, but the start.
        average = {
            name: parameters[name] + (array - parameters[name]) * (1.0 - 1.0 / step)
            for name, array in state["average"].items()
        }
        return {"step": step, "average": average}

    def average(self, state: State) -> dict[str, Array]:
        """The averaged parameters by name (see ``ExponentialMovingAverage``)."""
        return dict(state["average"])
