"""A check of gradients against differences of the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.losses.base import Loss
from netparity.nn.network import Network, Tape
from netparity.nn.penalties import Penalty

_ROUNDOFF = float(np.finfo(np.float64).eps) / 2.0
#: Central differences lose h² by truncation and roundoff/h by rounding: together least
#: where h is about the cube root of the roundoff.
_STEP = _ROUNDOFF ** (1.0 / 3.0)
#: Should a kink lie within the first step, one of the smaller ones stays clear of it.
_STEPS = (_STEP, _STEP / 8.0, _STEP / 64.0)
_NOISE_RUNS = 8
#: How many mismatches an error names.
_LISTED = 10


@final
@dataclass(frozen=True, slots=True)
class Mismatch:
    """A place where the gradient is not the slope of the loss.

    Attributes:
        name: the parameter's full name.
        index: which element, or ``None`` for a projection onto a random direction.
        analytic: the slope by the backward pass.
        numeric: the slope by central differences.
        tolerance: how far the two may lie apart by rounding and truncation.
        below: the slope to the left of the point.
        above: the slope to the right.
        kink: whether the two disagree however small the step: the loss has no derivative
            here, and the backward pass took a subgradient.
    """

    name: str
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    tolerance: float
    below: float
    above: float
    kink: bool

    def __str__(self) -> str:
        """The mismatch in one line."""
        place = self.name if self.index is None else f"{self.name}{list(self.index)}"
        kink = f"; a kink: {self.below:.9g} below, {self.above:.9g} above" if self.kink else ""
        return (
            f"{place}: analytic {self.analytic:.9g}, numeric {self.numeric:.9g} "
            f"(tolerance {self.tolerance:.2g}){kink}"
        )


@final
class GradientError(AssertionError):
    """Gradients that are not the slopes of the loss.

    Args:
        mismatches: where, at least one.

    Attributes:
        mismatches: the same.
    """

    def __init__(self, mismatches: Sequence[Mismatch]) -> None:
        self.mismatches = tuple(mismatches)
        listed = "".join(f"\n  {mismatch}" for mismatch in self.mismatches[:_LISTED])
        more = len(self.mismatches) - _LISTED
        rest = f"\n  … and {more} more" if more > 0 else ""
        super().__init__(f"the gradient is not the slope of the loss:{listed}{rest}")


@final
class _Line:
    """The loss along a line through the parameters."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        parameters: Mapping[str, Array],
        x: Array,
        y: Array,
        weights: Array | None,
        penalties: Sequence[Penalty],
        draws: Sequence[Array],
    ) -> None:
        self.network, self.loss, self.parameters = network, loss, dict(parameters)
        self.x, self.y, self.weights = x, y, weights
        self.penalties, self.draws = penalties, draws
        self.rows = float(len(x) if weights is None else np.sum(weights))

    def total(self, parameters: Mapping[str, Array], tape: Tape | None = None) -> float:
        """The loss with penalties."""
        if tape is None:
            tape = self.network.forward(parameters, self.x, training=True, draws=self.draws)
        penalty = sum(term.value(parameters, rows=self.rows) for term in self.penalties)
        return self.loss.value(tape.prediction, self.y, weights=self.weights) + penalty

    def at(self, name: str, direction: Array, distance: float) -> float:
        """The loss with one parameter moved."""
        moved = self.parameters[name] + distance * direction
        return self.total({**self.parameters, name: moved})

    def noise(self, rng: np.random.Generator) -> float:
        """How far rounding moves the loss: every intermediate value off by one roundoff."""

        def disturb(array: Array) -> Array:
            return array * (1.0 + 2.0 * _ROUNDOFF * rng.standard_normal(array.shape))

        here = self.total(self.parameters)
        runs = [
            self.total(
                self.parameters,
                self.network.forward(
                    self.parameters, self.x, training=True, draws=self.draws, disturb=disturb
                ),
            )
            for _ in range(_NOISE_RUNS)
        ]
        # The reductions in the loss round too, by a few ulp of its value.
        return max(abs(run - here) for run in runs) + 4.0 * _ROUNDOFF * abs(here)


def _slope(
    line: _Line, name: str, direction: Array, analytic: float, noise: float, size: float
) -> tuple[float, float, float, float, bool]:
    """The slope along a direction: value, tolerance, slopes below and above, whether a kink."""
    here = line.total(line.parameters)
    best: tuple[float, float, float, float, bool] | None = None
    for relative in _STEPS:
        h = relative * size
        sides = {
            step: (line.at(name, direction, step), line.at(name, direction, -step))
            for step in (h, h / 2.0)
        }
        central = {step: (up - down) / (2.0 * step) for step, (up, down) in sides.items()}
        # The jump between the one-sided slopes: it halves with the step where the loss is
        # smooth, and stays where it has a kink.
        jump = {step: (up - 2.0 * here + down) / step for step, (up, down) in sides.items()}
        rounding = 4.0 * noise / h
        kink = abs(jump[h / 2.0]) > max(0.75 * abs(jump[h]), 4.0 * rounding)
        # Extrapolation takes off the h² term; what it took off bounds what is left.
        numeric = (4.0 * central[h / 2.0] - central[h]) / 3.0
        tolerance = abs(central[h / 2.0] - central[h]) + 3.0 * rounding
        up, down = sides[h / 2.0]
        below, above = (here - down) / (h / 2.0), (up - here) / (h / 2.0)
        if best is None or tolerance < best[1]:
            best = (numeric, tolerance, below, above, kink)
        if abs(analytic - numeric) <= tolerance <= 1e-6 * abs(numeric):
            break
    if best is None:
        raise RuntimeError("no step to take a difference with")
    return best


def _directions(
    shape: tuple[int, ...], method: str, rng: np.random.Generator
) -> Iterator[tuple[tuple[int, ...] | None, Array]]:
    """One random direction, or every axis."""
    if method == "projection":
        yield None, rng.standard_normal(shape)
        return
    for index in np.ndindex(*shape):
        axis = np.zeros(shape)
        axis[index] = 1.0
        yield index, axis


def check_gradients(
    network: Network,
    loss: Loss,
    parameters: Mapping[str, Array],
    x: Array,
    y: Array,
    *,
    weights: Array | None = None,
    penalties: Sequence[Penalty] = (),
    method: Literal["projection", "full"] = "projection",
    draws: Sequence[Array] | None = None,
    rng: np.random.Generator,
) -> tuple[Mismatch, ...]:
    """Compares the backward pass with central differences of the loss, in training mode.

    ``g · u`` against ``(L(w + h u) − L(w − h u))/(2h)``, extrapolated from h and h/2, for each
    parameter by itself, always in float64.

    Args:
        network: the network.
        loss: the data loss.
        parameters: by full name, taken over into float64; buffers that are not among them have
            their first values.
        x: a batch (N, …).
        y: its targets.
        weights: of the rows (N,), as the loss takes them.
        penalties: terms added to the loss.
        method: ``"projection"``: one random direction u for each parameter; ``"full"``:
            every element.
        draws: the draws of the dropouts, in order; drawn once from ``rng`` without.
        rng: for directions, draws and the measurement of rounding.

    Returns:
        The mismatches, none if all is well. The tolerance is what rounding, measured by
        disturbing every intermediate value, and truncation, bounded by the extrapolation,
        can make at that place.

    Raises:
        InputError: the shapes do not fit, or there is no such method.

    Example:
        >>> from netparity.nn import Affine, MeanSquaredError, NAMED, Network
        >>> network, rng = Network((("line", Affine(2, 1)),)), np.random.default_rng(0)
        >>> parameters = network.initialize(NAMED["standard_normal"], rng)
        >>> check_gradients(
        ...     network, MeanSquaredError(), parameters, np.ones((3, 2)), np.ones(3), rng=rng
        ... )
        ()

    Source: P. E. Gill, W. Murray, M. H. Wright, "Practical optimization", 1981, section 8.6;
    the projection follows the autograd library.

    **Parity** (`subgradient-at-kink`): at a kink each framework takes a subgradient of its
    own; such a place comes back with ``kink`` set.
    """
    if method not in ("projection", "full"):
        raise InputError(f"method: expected 'projection' or 'full'. Received: {method!r}")
    values = network.initial_buffers()
    values.update({name: np.asarray(array, np.float64) for name, array in parameters.items()})
    x = np.asarray(x, np.float64)
    tape = network.forward(values, x, training=True, draws=draws, rng=rng)
    line = _Line(network, loss, values, x, np.asarray(y), weights, penalties, tape.draws)
    slope = loss.value_and_gradient(tape.prediction, line.y, weights=weights)[1]
    gradients = tape.backward(slope).parameters
    for term in penalties:
        for name, gradient in term.gradients(values, rows=line.rows).items():
            gradients[name] = gradients[name] + gradient
    noise = line.noise(rng)
    mismatches: list[Mismatch] = []
    for name, gradient in gradients.items():
        rms = float(np.sqrt(np.mean(np.square(values[name])))) if gradient.size else 0.0
        for index, direction in _directions(gradient.shape, method, rng):
            analytic = float(np.sum(gradient * direction))
            size = max(rms, 1e-3) if index is None else max(abs(values[name][index]), rms, 1e-3)
            numeric, tolerance, below, above, kink = _slope(
                line, name, direction, analytic, noise, size
            )
            # Written so that NaN is a mismatch.
            if not abs(analytic - numeric) <= tolerance or (
                kink and not abs(below - above) <= tolerance and analytic != numeric
            ):
                mismatches.append(
                    Mismatch(name, index, analytic, numeric, tolerance, below, above, kink)
                )
    return tuple(mismatches)


def assert_gradients(
    network: Network,
    loss: Loss,
    parameters: Mapping[str, Array],
    x: Array,
    y: Array,
    *,
    weights: Array | None = None,
    penalties: Sequence[Penalty] = (),
    method: Literal["projection", "full"] = "projection",
    draws: Sequence[Array] | None = None,
    kinks: bool = True,
    rng: np.random.Generator,
) -> None:
    """Raises unless the backward pass gives the slopes of the loss; for tests.

    Args:
        network: see ``check_gradients``, and so on.
        loss: the data loss.
        parameters: by full name.
        x: a batch (N, …).
        y: its targets.
        weights: of the rows.
        penalties: terms added to the loss.
        method: ``"projection"`` or ``"full"``.
        draws: the draws of the dropouts.
        kinks: whether kinks pass, where the loss has no slope to compare with.
        rng: see ``check_gradients``.

    Raises:
        GradientError: they differ; it names the parameters, with analytic and numeric value.
        InputError: see ``check_gradients``.

    Example:
        >>> from netparity.nn import Affine, MeanSquaredError, NAMED, Network
        >>> network, rng = Network((("line", Affine(2, 1)),)), np.random.default_rng(0)
        >>> parameters = network.initialize(NAMED["standard_normal"], rng)
        >>> assert_gradients(
        ...     network, MeanSquaredError(), parameters, np.ones((3, 2)), np.ones(3), rng=rng
        ... )

    **Parity**: ``torch.autograd.gradcheck`` raises likewise, by a tolerance given by hand.
    """
    found = check_gradients(
        network, loss, parameters, x, y,
        weights=weights, penalties=penalties, method=method, draws=draws, rng=rng,
    )  # fmt: skip
    wrong = [mismatch for mismatch in found if not (kinks and mismatch.kink)]
    if wrong:
        raise GradientError(wrong)
