"""Gradients steered through the data, for a side that shows whole steps alone.

Its gradients are those of its twin. Their size is chosen by the targets: a regression's lie δ
away from the prediction; of a classification only rows of one class are fed, with that class's
output raised until what is left of the gradient is δ. Biases start at 0, so that their steps
are stored to the last digit, and the weights on each unit are of another size, so that one
batch has gradients of many sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.diagnosis.arithmetic import rounded
from netparity.diagnosis.noise import DISTURBANCE64, unit_roundoff
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.nn import Affine, Loss, PoissonNegativeLogLikelihood

#: The sizes of the gradients, one a step; 0 for none, at W and at 10 W.
SIZES: Final = (1.0, 0.0, 0.0, 1.0, 0.1, 1.0, 0.01, 0.0, 0.0, 1.0, 10.0, 1.0)
#: Steps at which biases are not 0, so that their decay shows, and those at 10 W.
DECAYS: Final = (7, 8)
TENFOLD: Final = (7,)
#: Steps of another row, in which decays come before a rate may be at rest.
DECAYS_FIRST: Final = (7, 8, 3)
#: Steps that are also made as the first.
FIRSTS: Final = (0, 3, 4, 5, 6)
#: The weights on a unit are smaller than usual by up to this many orders of magnitude.
_DECADES: Final = 4.0
#: As good as no gradient, where targets are numbers: at 0 a loss may have a kink.
_NONE: Final = 1e-3
#: An output raised by this much leaves as good as no gradient, and others no probability of 0.
CERTAIN: Final = 60.0
#: The share of a number's digits that a probability near 1 may lose.
_OF_DIGITS: Final = 0.75
_NOISE_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class Steered:
    """One step to be made: from which parameters, and on what data."""

    before: Values
    x: Array
    y: Array


def uncertain(dtype: np.dtype[Any]) -> float:
    """How much an output can be raised without a probability of exactly 1."""
    return -_OF_DIGITS * math.log(float(np.finfo(dtype).eps))


def plan(
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    certain: float = CERTAIN,
) -> Iterator[Steered]:
    """The steps to be made, from parameters of our choosing before each.

    ``certain``: how much an output is raised for as good as no gradient.
    """
    drawn = probe_parameters(twin, rng)
    biases = {n: v for n, v in drawn.items() if n.endswith(".bias")}
    weights = _spread(drawn, rng)
    for index, size in enumerate(SIZES):
        x, y = batches[index % len(batches)]
        scale = 10.0 if index in TENFOLD else 1.0
        before = {n: scale * v for n, v in weights.items()}
        if index in DECAYS:
            before |= {n: scale * v for n, v in biases.items()}
        yield _steered(twin, before, x, y, size, certain)


def _spread(values: Values, rng: np.random.Generator) -> Values:
    """Biases at 0; the rows of all weights but the first of many sizes."""
    spread: Values = {}
    first = True
    for name, value in values.items():
        if name.endswith(".bias"):
            spread[name] = np.zeros_like(value)
        elif value.ndim < 2 or first:
            spread[name] = value
            first = first and value.ndim < 2
        else:
            size = 10.0 ** -rng.uniform(0.0, _DECADES, (value.shape[-2], 1))
            spread[name] = (value * size).astype(np.float32).astype(np.float64)
    return spread


def _steered(
    twin: Twin, before: Values, x: Array, y: Array, size: float, certain: float
) -> Steered:
    target = np.asarray(y)
    trains = not twin.dropout_layers()
    prediction = np.asarray(twin.forward(before, x, training=trains).prediction, dtype=np.float64)
    numbers = target.dtype.kind == "f" and not np.all((target == 0) | (target == 1))
    if numbers and target.size == prediction.size:
        loss = twin.conventions.loss
        shown = _resting(loss, prediction).reshape(target.shape)
        moved = shown + max(size, _NONE) * (target - shown)
        if isinstance(loss, PoissonNegativeLogLikelihood):  # which counts
            moved = np.maximum(moved, 0.0)
        return Steered(before, x, moved.astype(np.result_type(target, np.float32)))
    return _of_one_class(twin, before, x, target, size, certain)


def _resting(loss: Loss | None, prediction: Array) -> Array:
    """The targets at which a loss of numbers pulls nowhere."""
    if isinstance(loss, PoissonNegativeLogLikelihood) and loss.input == "log-rate":
        return np.exp(prediction)
    return prediction


def _of_one_class(
    twin: Twin, before: Values, x: Array, y: Array, size: float, certain: float
) -> Steered:
    """Rows of one class, with its output raised so that its gradient is of a size."""
    bias = _last_bias(twin)
    if bias is None or size >= 1.0:
        return Steered(before, x, y)
    rows = np.all(y.reshape(len(y), -1) == y.reshape(len(y), -1)[:1], axis=1)
    margin = certain if size == 0.0 else math.log(1.0 / size)
    raised = np.zeros_like(before[bias])
    label = y[0]
    if y.ndim == 1 and raised.size > 1:
        raised[int(label)] = margin
    elif y.ndim > 1 and raised.size > 1 and np.sum(label) == 1:
        raised[int(np.argmax(label))] = margin
    else:
        raised[...] = margin * np.where(np.reshape(label, -1) > 0.5, 1.0, -1.0)
    return Steered({**before, bias: raised}, x[rows], y[rows])


def _last_bias(twin: Twin) -> str | None:
    affines = [(n, k) for n, k in twin.conventions.layers or () if isinstance(k, Affine)]
    return f"{affines[-1][0]}.bias" if affines and affines[-1][1].bias else None


def noise_of(
    twin: Twin,
    step: Steered,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    draws: Sequence[Array] | None,
) -> Values:
    """How far a side's gradient may be from its twin's: the deviation of each element."""
    roundoff = unit_roundoff(dtype)
    delta = roundoff if dtype == np.float32 else DISTURBANCE64
    noisy = rounded(twin, delta, rng)

    def disturb(array: Array) -> Array:
        return np.asarray(array * (1.0 + delta * rng.standard_normal(array.shape)))

    exact = twin.evaluate(step.before, step.x, step.y, draws=draws).gradients
    squares = {n: np.zeros_like(g) for n, g in exact.items()}
    for _ in range(_NOISE_RUNS):
        run = noisy.evaluate(step.before, step.x, step.y, draws=draws, disturb=disturb).gradients
        for n, g in run.items():
            squares[n] += np.square((g - exact[n]) * (roundoff / delta)) / _NOISE_RUNS
    return {n: np.sqrt(s + np.mean(s)) for n, s in squares.items()}
