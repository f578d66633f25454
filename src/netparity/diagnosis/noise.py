"""How large a difference floating point alone makes, measured at each place.

The rule: the floor of element *i* is ``10 · max(κ · MCᵢ, κ · pooledᵢ MC, pooledᵢ real, 4 ulp ·
rms_c(reference) + ulp² · rms(reference))``. MC is the rms deviation over eight runs of the float64
twin with every input and intermediate multiplied by ``1 + δ·N(0, 1)``; *pooled* is its rms over the
element's channel *c*, times that over its row where it is above the average: eight runs know the
noise of one element badly, and one of a hundred thousand is then off tenfold. κ is how much larger
the noise of real arithmetic is than that, and *real* that noise itself, of which a part of the
tensor may have more than the rest: the noisiest of four orders of summation (one of them
sequential) and of float32 against float64. Factors 10, 4 ulp and 8 runs: 5,250 same-convention
NumPy/torch pairs at three scales gave no false
alarm with them, while a 1.5-fold gradient error and a missing bias among large units were
still found. The last term, of a rounding's rounding, is for channels that are nothing beside
the rest, such as the probability of a class that no row is in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netparity.diagnosis.arithmetic import reordered, rounded
from netparity.diagnosis.twin import Array, Evaluation, Twin, Values
from netparity.nn import (
    CELU,
    ELU,
    GELU,
    GRU,
    LSTM,
    SELU,
    BatchNorm,
    BinaryFocal,
    CategoricalFocal,
    GroupNorm,
    LayerNorm,
    LogSoftmax,
    Mish,
    MulticlassHinge,
    MultiHeadAttention,
    ReLU,
    RMSNorm,
    SiLU,
    SimpleRNN,
    Softmax,
    Softplus,
)

FACTOR = 10.0
ULPS = 4.0
RUNS = 8
ORDERS = 4
#: Runs in float32, which round inside layers too, beside the disturbed ones.
INNER_RUNS = 4
SINGLE = np.dtype(np.float32)
#: What makes many operations, of which no disturbance from outside tells.
INNER = (
    *(LSTM, GRU, SimpleRNN, MultiHeadAttention, BatchNorm, LayerNorm, GroupNorm, RMSNorm),
    *(Softmax, LogSoftmax, ELU, GELU, SELU, CELU, Mish, SiLU, Softplus),
    *(BinaryFocal, CategoricalFocal),
)
#: Sums are also added one by one up to this many products; beyond, that order alone would take
#: longer than the rest of the diagnosis.
SEQUENTIAL_PRODUCTS = 20_000_000
#: Relative size of the disturbance for float64: large enough to be far above its own rounding.
DISTURBANCE64 = 1e-9
#: A floor above this share of the tensor says that the value itself is mostly rounding.
ILL_CONDITIONED = 0.01
#: Rows this many floors from a kink are left out: either branch is right there.
KINK_FLOORS = 20.0


@dataclass(frozen=True, slots=True)
class Measure:
    """A difference at its worst element, both numbers in units of the tensor's rms."""

    where: str
    difference: float
    floor: float
    conditioned: bool = True

    @property
    def different(self) -> bool:
        """Whether the difference is real: above the floor, or not finite."""
        return not self.difference <= self.floor

    @property
    def ratio(self) -> float:
        """How many floors the difference is."""
        if self.floor > 0:
            return self.difference / self.floor
        return 0.0 if self.difference == 0 else float("inf")


def worst(measures: Sequence[Measure]) -> Measure | None:
    """The measure with the largest ratio of difference to floor."""
    usable = [m for m in measures if m.conditioned]
    return max(usable, key=lambda m: m.ratio, default=None)


def quantities(evaluation: Evaluation) -> dict[str, Array]:
    """Every place of an evaluation under one key each."""
    places = {f"outputs/{name}": value for name, value in evaluation.outputs.items()}
    places["prediction"] = evaluation.prediction
    places["loss"] = np.asarray(evaluation.data, dtype=np.float64)
    places["penalty"] = np.asarray(evaluation.penalty, dtype=np.float64)
    places["total"] = np.asarray(evaluation.data + evaluation.penalty, dtype=np.float64)
    places |= {f"buffers/{name}": value for name, value in evaluation.tape.buffers.items()}
    places |= {f"gradients/{name}": value for name, value in evaluation.gradients.items()}
    return {
        key: np.asarray(value, dtype=np.float64)
        for key, value in places.items()
        if np.all(np.isfinite(value))
    }


def rms(array: Array) -> float:
    """Root mean square of an array; 0 where it is empty."""
    array = np.asarray(array, dtype=np.float64)
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0


def channel_rms(array: Array) -> Array:
    """The rms over all but the last axis, broadcast back; the element itself for vectors."""
    array = np.asarray(array, dtype=np.float64)
    if array.ndim < 2:
        return np.asarray(np.abs(array))
    axes = tuple(range(array.ndim - 1))
    return np.broadcast_to(
        np.sqrt(np.mean(np.square(array), axis=axes, keepdims=True)), array.shape
    )


def pooled_rms(array: Array) -> Array:
    """The rms of each channel, times that of the element's row where it is over the average.

    The noise of a sum of products goes with both: of a weight's gradient, with the size of the
    input and of the gradient that meet in it.
    """
    channels = channel_rms(array)
    whole = rms(array)
    if array.ndim < 2 or whole == 0:
        return channels
    rows = np.sqrt(np.mean(np.square(array), axis=-1, keepdims=True))
    return np.asarray(channels * np.maximum(1.0, rows / whole))


@dataclass(frozen=True, slots=True)
class Reference:
    """The twin's values in float64 and the floor at every element of each place."""

    evaluation: Evaluation
    values: Mapping[str, Array]
    floors: Mapping[str, Array]

    def measure(self, place: str, left: Array, right: Array, where: str | None = None) -> Measure:
        """Compares two arrays at a place of this reference."""
        return measure(left, right, self.floors[place], self.values[place], where or place)


def measure(left: Array, right: Array, floor: Array, reference: Array, where: str) -> Measure:
    """The difference of two arrays at its worst element against the floor there.

    Arrays of different shapes, or a value that is not finite on one side only, differ by
    ``inf``. An empty comparison is no comparison: ``conditioned`` is then false.
    """
    left = np.asarray(left, dtype=np.float64)
    right = np.asarray(right, dtype=np.float64)
    if left.shape != right.shape:
        return Measure(where, float("inf"), 0.0)
    if left.size == 0:
        return Measure(where, 0.0, 0.0, conditioned=False)
    finite = np.isfinite(left) & np.isfinite(right)
    same = finite | (left == right) | (np.isnan(left) & np.isnan(right))
    if not np.all(same):
        return Measure(where, float("inf"), 0.0)
    floor = np.broadcast_to(np.asarray(floor, dtype=np.float64), left.shape)
    with np.errstate(invalid="ignore"):
        difference = np.where(finite, np.abs(left - right), 0.0)
    tiny = np.finfo(np.float64).tiny
    with np.errstate(over="ignore"):  # a floor of 0: any difference is infinitely many floors
        ratio = difference / np.maximum(floor, tiny)
    index = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    scale = rms(reference) or max(rms(left), rms(right)) or 1.0
    conditioned = rms(floor) <= ILL_CONDITIONED * scale
    return Measure(
        where, float(difference[index] / scale), float(floor[index] / scale), conditioned
    )


def unit_roundoff(dtype: np.dtype[Any]) -> float:
    """Half the distance from 1 to the next number: 2⁻²⁴ for float32, 2⁻⁵³ for float64."""
    return float(np.finfo(dtype).eps) / 2


def coarser(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype with the larger unit roundoff."""
    return max(dtypes, key=lambda dtype: float(np.finfo(dtype).eps))


def _spread(deviations: Sequence[Array]) -> Array:
    return np.asarray(np.sqrt(np.mean([np.square(d) for d in deviations], axis=0)))


def element_floor(
    deviations: Sequence[Array],
    noise: Sequence[Array],
    reference: Array,
    dtype: np.dtype[Any],
    inner: Sequence[Array] = (),
) -> Array:
    """The floor of each element from disturbed runs and from real arithmetic.

    Args:
        deviations: of the runs that were disturbed.
        noise: of other orders of summation.
        reference: the value.
        dtype: the working width.
        inner: of runs that round inside layers, where there are any: the larger of the two counts.
    """
    mc = _spread(deviations)
    if inner:
        mc = np.maximum(mc, _spread(inner))
    measured = max((rms(run) for run in noise), default=0.0)
    base = rms(mc)
    kappa = max(1.0, measured / base) if base > 0 else 1.0
    spread = kappa * np.maximum(mc, pooled_rms(mc))
    for run in noise:
        spread = np.maximum(spread, pooled_rms(run))
    ulp = float(np.finfo(dtype).eps)
    # Below these numbers lose digits, or are zero; or are no more than a rounding's rounding.
    least = float(np.finfo(dtype).tiny) + ulp**2 * rms(reference)
    return np.asarray(FACTOR * np.maximum(spread, ULPS * ulp * channel_rms(reference) + least))


def reference(
    twin: Twin,
    parameters: Mapping[str, Array],
    x: Array,
    y: Array | None,
    *,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    training: bool = True,
    draws: Sequence[Array] | None = None,
    backward: bool = True,
) -> Reference:
    """Values of the twin for one batch with the noise floor of each.

    Args:
        twin: the network and its conventions.
        parameters: twin parameters; they are used in float64, and rounded to ``dtype`` to
            measure real arithmetic.
        x: inputs ``(N, …)``.
        y: targets, or ``None``.
        dtype: the width the side computes in (the coarser of the two that are compared).
        rng: for the disturbances.
        training: the mode.
        draws: dropout's uniform draws.
        backward: whether the gradients are wanted as well.
    """
    wide = {name: np.asarray(value, dtype=np.float64) for name, value in parameters.items()}
    inputs = np.asarray(x, dtype=np.float64)
    exact = twin.evaluate(wide, inputs, y, training=training, draws=draws, backward=backward)
    values = quantities(exact)
    roundoff = unit_roundoff(dtype)
    delta = roundoff if dtype == np.float32 else DISTURBANCE64
    rescale = roundoff / delta

    def disturb(array: Array) -> Array:
        # Drawn in float32 for speed; 1 + 1e-9 itself needs float64.
        noise = np.asarray(rng.standard_normal(array.shape, dtype=np.float32), dtype=np.float64)
        return np.asarray(array * (1.0 + delta * noise))

    deviations: dict[str, list[Array]] = {key: [] for key in values}
    noisy = rounded(twin, delta, rng)
    for _ in range(RUNS):
        run = quantities(
            noisy.evaluate(
                wide,
                inputs,
                y,
                training=training,
                draws=draws,
                disturb=disturb,
                backward=backward,
            )
        )
        for key in values:
            if key in run:
                deviations[key].append((run[key] - values[key]) * rescale)
    inner: dict[str, list[Array]] = {key: [] for key in values}
    for _ in range(INNER_RUNS if _rounds_inside(twin) else 0):
        run = quantities(_in_float32(twin, wide, inputs, y, rng, training, draws, backward))
        for key, value in values.items():
            if key in run:
                inner[key].append((run[key] - value) * roundoff / unit_roundoff(SINGLE))
    noise = _arithmetic_noise(twin, wide, inputs, y, values, dtype, rng, training, draws, backward)
    floors = {
        key: element_floor(
            deviations[key] or [np.zeros_like(value)], noise[key], value, dtype, inner[key]
        )
        for key, value in values.items()
    }
    return Reference(exact, values, floors)


def _rounds_inside(twin: Twin) -> bool:
    """Whether a layer, or the loss, makes many operations."""
    layers = (layer for _, layer in twin.conventions.layers or ())
    return any(isinstance(part, INNER) for part in (twin.conventions.loss, *layers))


def _in_float32(
    twin: Twin,
    parameters: Values,
    x: Array,
    y: Array | None,
    rng: np.random.Generator,
    training: bool,
    draws: Sequence[Array] | None,
    backward: bool,
) -> Evaluation:
    """The twin in float32, from parameters off by a roundoff: each operation inside rounds."""
    delta = unit_roundoff(SINGLE)
    narrow = {
        name: (value * (1 + delta * rng.standard_normal(value.shape))).astype(SINGLE)
        for name, value in parameters.items()
    }
    narrow_draws = None if draws is None else [np.asarray(d, dtype=SINGLE) for d in draws]
    with np.errstate(all="ignore"):  # what is out of its range counts for nothing
        return twin.evaluate(
            narrow, x.astype(SINGLE), y, training=training, draws=narrow_draws, backward=backward
        )


def _arithmetic_noise(
    twin: Twin,
    parameters: Values,
    x: Array,
    y: Array | None,
    values: Mapping[str, Array],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    training: bool,
    draws: Sequence[Array] | None,
    backward: bool,
) -> dict[str, list[Array]]:
    """Deviations of real arithmetic in ``dtype``: orders of summation, and width."""
    narrow = {name: value.astype(dtype) for name, value in parameters.items()}
    narrow_x = x.astype(dtype)
    narrow_draws = None if draws is None else [np.asarray(d, dtype=dtype) for d in draws]
    runs = [twin] if dtype == np.float32 else []
    small = len(x) * sum(value.size for value in parameters.values()) <= SEQUENTIAL_PRODUCTS
    runs += [reordered(twin, rng, sequential=small and index == 0) for index in range(ORDERS)]
    noise: dict[str, list[Array]] = {key: [] for key in values}
    for run in runs:
        got = quantities(
            run.evaluate(
                narrow, narrow_x, y, training=training, draws=narrow_draws, backward=backward
            )
        )
        for key, value in values.items():
            if key in got:
                noise[key].append(got[key] - value)
    return noise


def clear_rows(twin: Twin, found: Reference, y: Array | None) -> Array:
    """Which rows of a batch stay clear of every kink (boolean, ``(N,)``).

    An exact zero is no near miss: both sides see the same zero and must choose a branch.
    """
    evaluation = found.evaluation
    rows = np.ones(len(evaluation.prediction), dtype=bool)
    for name, layer in twin.conventions.layers or ():
        if not isinstance(layer, ReLU):
            continue
        value = np.abs(np.asarray(evaluation.tape.inputs[name], dtype=np.float64))
        previous = found.floors.get(f"outputs/{_before(twin, name)}")
        if previous is None or previous.shape != value.shape:
            continue
        near = (value > 0) & (value < KINK_FLOORS * previous)
        rows &= ~near.reshape(len(rows), -1).any(axis=1)
    loss = twin.conventions.loss
    if isinstance(loss, MulticlassHinge) and y is not None:
        scores = np.asarray(evaluation.prediction, dtype=np.float64)
        labels = np.asarray(y)
        labels = labels.argmax(axis=1) if labels.ndim > 1 else labels.astype(int)
        own = scores[np.arange(len(scores)), labels]
        margins = np.abs(scores - own[:, None] + loss.margin)
        margins[np.arange(len(scores)), labels] = np.inf
        floor = found.floors["prediction"]
        rows &= ~(margins < KINK_FLOORS * floor).any(axis=1)
    return rows


def _before(twin: Twin, name: str) -> str:
    names = [n for n, _ in twin.conventions.layers or ()]
    index = names.index(name)
    return names[index - 1] if index else ""
