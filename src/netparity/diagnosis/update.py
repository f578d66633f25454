"""Identifies a side's update rule from the updates it makes, and measures its noise.

Three ways in, the best first: ``update`` on gradients of our choosing; ``step`` on batches,
with the side's gradients known. The constants are seeded in closed form and the rule is
named only if its twin repeats the whole sequence of updates to the noise floor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.loss import snap
from netparity.diagnosis.noise import (
    DISTURBANCE64,
    FACTOR,
    RUNS,
    ULPS,
    Measure,
    element_floor,
    measure,
    unit_roundoff,
)
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.nn import SGD, Adam, Optimizer

STEPS: Final = 6
ZERO_STEPS: Final = 2
BETAS: Final = tuple(
    itertools.product((0.9, 0.95, 0.8, 0.5, 0.99, 0.0), (0.999, 0.99, 0.9999, 0.95, 0.9))
)


@dataclass(frozen=True, slots=True)
class Sequence_:
    """Parameters before the first and after each update, and the gradients of each update."""

    trajectory: tuple[Values, ...]
    gradients: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class FoundUpdate:
    """An update rule and how well its twin repeats the side's own updates."""

    optimizer: Optimizer
    measures: tuple[Measure, ...]
    declared: bool


def gradients_to_feed(
    shapes: Mapping[str, Array], rng: np.random.Generator, *, small: bool = True
) -> list[Values]:
    """Gradients log-uniform from 1e-10 to 1e3 with random signs, then zeros.

    The sweep makes ε and its placement visible; the zeros set decay apart from gradient.
    """
    low = -10.0 if small else -3.0
    steps: list[Values] = []
    for _ in range(STEPS):
        values: Values = {}
        for name, array in shapes.items():
            size = 10.0 ** rng.uniform(low, 3.0, array.shape)
            drawn = (size * rng.choice([-1.0, 1.0], array.shape)).astype(np.float32)
            values[name] = drawn.astype(np.float64)
        steps.append(values)
    steps += [{n: np.zeros(a.shape) for n, a in shapes.items()} for _ in range(ZERO_STEPS)]
    return steps


#: Update rules act element by element: this many elements of each tensor are enough to tell them.
SAMPLE: Final = 400


def sampled(seen: Sequence_, rng: np.random.Generator) -> Sequence_:
    """The sequence at no more than ``SAMPLE`` elements of each tensor, the same at every step."""
    index = {
        n: rng.choice(v.size, SAMPLE, replace=False) if v.size > SAMPLE else np.arange(v.size)
        for n, v in seen.trajectory[0].items()
    }

    def take(values: Values) -> Values:
        return {n: np.ravel(v)[index[n]] for n, v in values.items()}

    return Sequence_(
        tuple(take(v) for v in seen.trajectory), tuple(take(v) for v in seen.gradients)
    )


def feed(live: Implementation, twin: Twin, start: Values, gradients: Sequence[Values]) -> Sequence_:
    """Runs the side's own optimizer on given gradients, from its state as built."""
    saved = live.state()
    native = live.parameters()
    try:
        live.set_parameters(twin.native(start, native))
        trajectory = [_wide(twin.values(live.parameters()))]
        for step in gradients:
            live.update(twin.native(step, native))
            trajectory.append(_wide(twin.values(live.parameters())))
    finally:
        live.restore(saved)
    return Sequence_(tuple(trajectory), tuple(gradients))


def _wide(values: Mapping[str, Array]) -> Values:
    return {name: np.array(value, dtype=np.float64) for name, value in values.items()}


def repeat(optimizer: Optimizer, start: Values, gradients: Sequence[Values]) -> list[Values]:
    """The same updates by the reference network's optimizer."""
    current, state = dict(start), optimizer.initialize(start)
    trajectory = [current]
    for step in gradients:
        current, state = optimizer.update(current, step, state)
        trajectory.append(current)
    return trajectory


def floors(
    optimizer: Optimizer,
    start: Values,
    gradients: Sequence[Values],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
) -> list[Values]:
    """The noise floor of every element after each update.

    Parameters and gradients are disturbed by one roundoff at every step; float32 arithmetic
    is also run as it is. Four units in the last place are of the parameter that is stored.
    """
    exact = repeat(optimizer, start, gradients)
    roundoff = unit_roundoff(dtype)
    delta = roundoff if dtype == np.float32 else DISTURBANCE64
    runs = []
    for _ in range(RUNS):
        current, state = dict(start), optimizer.initialize(start)
        run = []
        for step in gradients:
            current = {n: _noisy(v, delta, rng) for n, v in current.items()}
            noisy = {n: _noisy(v, delta, rng) for n, v in step.items()}
            current, state = optimizer.update(current, noisy, state)
            run.append(current)
        runs.append(run)
    narrow: list[list[Values]] = []
    if dtype == np.float32:
        low = {n: v.astype(dtype) for n, v in start.items()}
        fed = [{n: v.astype(dtype) for n, v in step.items()} for step in gradients]
        narrow = [repeat(variant, low, fed) for variant in float32_variants(optimizer)]
    moved = [repeat(variant, start, gradients) for variant in _moved_constants(optimizer, dtype)]
    result = []
    for index in range(len(gradients)):
        values: Values = {}
        for name, value in exact[index + 1].items():
            deviations = [(run[index][name] - value) * (roundoff / delta) for run in runs]
            noise = [run[index + 1][name] - value for run in narrow]
            constants = np.max([np.abs(run[index + 1][name] - value) for run in moved], axis=0)
            values[name] = np.maximum(
                element_floor(deviations, noise, value, dtype), FACTOR * constants
            )
        result.append(values)
    return result


def as_written(optimizer: Optimizer) -> Optimizer:
    """The rule with the constants a person wrote, where float32 keeps them rounded.

    Between two float32 sides the rounding of a constant, and of its powers, is noise.
    """
    constants: dict[str, Any] = {
        name: float(str(np.float32(value)))
        for name in switches(optimizer)
        if isinstance(value := getattr(optimizer, name), float)
    }
    if isinstance(optimizer, Adam):
        constants["beta_power"] = "exact"
    return changed(optimizer, **constants)


def float32_variants(optimizer: Optimizer) -> list[Optimizer]:
    """The ways in which a float32 implementation may round the same rule's constants.

    ``1 − βᵗ`` of a β rounded to float32, or of a running product of such β, is off by up to
    ``2⁻²⁴ / (1 − β)``; in float32 that is rounding, not another convention.
    """
    if not isinstance(optimizer, Adam):
        return [optimizer]
    beta1, beta2 = (float(np.float32(b)) for b in (optimizer.beta1, optimizer.beta2))
    low = replace(optimizer, beta1=beta1, beta2=beta2)
    return [
        optimizer,
        replace(optimizer, beta_power="float32-power"),
        replace(low, beta_power="exact"),
        replace(low, beta_power="float32-product"),
    ]


def _moved_constants(optimizer: Optimizer, dtype: np.dtype[Any]) -> list[Optimizer]:
    """The rule with its rate moved by four ulp, up and down.

    ``1 − 0.999`` and a written 0.001, or η/n and η·(1/n), differ by that much.
    """
    moved = ULPS * float(np.finfo(dtype).eps)
    rates = (optimizer.learning_rate * (1 - moved), optimizer.learning_rate * (1 + moved))
    return [changed(optimizer, learning_rate=rate) for rate in rates]


def _noisy(value: Array, delta: float, rng: np.random.Generator) -> Array:
    return np.asarray(value * (1.0 + delta * rng.standard_normal(np.shape(value))))


def compare(
    left: Sequence[Values], right: Sequence[Values], found: Sequence[Values], start: Values
) -> list[Measure]:
    """Two sequences of parameters after each update, in units of the change made so far."""
    measures = []
    for name in start:
        worst: Measure | None = None
        for index, floor in enumerate(found, start=1):
            if name not in left[index] or name not in right[index]:
                continue
            change = left[index][name] - start[name]
            got = measure(left[index][name], right[index][name], floor[name], change, name)
            got = replace(got, conditioned=True)
            if worst is None or got.ratio > worst.ratio:
                worst = got
        if worst is not None:
            measures.append(worst)
    return measures


def confirm(
    optimizer: Optimizer, seen: Sequence_, dtype: np.dtype[Any], rng: np.random.Generator
) -> list[Measure]:
    """The side's updates against the reference optimizer's, at a sample of the elements."""
    seen = sampled(seen, rng)
    start = seen.trajectory[0]
    noise = floors(optimizer, start, seen.gradients, dtype, rng)
    own = repeat(optimizer, start, seen.gradients)
    return compare(own, seen.trajectory, noise, start)


def identify(
    seen: Sequence_,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    declared: Optimizer | None,
    hints: Sequence[Optimizer] = (),
) -> FoundUpdate | None:
    """The update rule that repeats the sequence to the noise floor, or ``None``."""
    seen = sampled(seen, rng)
    if declared is not None:
        measures = confirm(declared, seen, dtype, rng)
        if not any(m.different for m in measures):
            return FoundUpdate(declared, tuple(measures), declared=True)
    for guess in itertools.chain(_sgd(seen, dtype), hints, _adam(seen, dtype)):
        if not _screens(guess, seen):
            continue
        with np.errstate(all="ignore"):
            measures = confirm(guess, seen, dtype, rng)
        if measures and not any(m.different for m in measures):
            return FoundUpdate(guess, tuple(measures), declared=False)
    return None


#: A guess further off than this share of the change it should make is not worth its noise runs.
SCREEN: Final = 0.05


def _screens(optimizer: Optimizer, seen: Sequence_) -> bool:
    with np.errstate(all="ignore"):
        own = repeat(optimizer, seen.trajectory[0], seen.gradients)
    for name, start in seen.trajectory[0].items():
        for mine, theirs in zip(own[1:], seen.trajectory[1:], strict=True):
            change = float(np.max(np.abs(theirs[name] - start), initial=0.0))
            if not np.max(np.abs(mine[name] - theirs[name]), initial=0.0) <= SCREEN * change:
                return False
    return True


def _stack(values: Mapping[str, Array], names: Sequence[str]) -> Array:
    return np.concatenate([np.ravel(values[n]) for n in names]) if names else np.zeros(0)


def _sgd(seen: Sequence_, dtype: np.dtype[Any]) -> Iterator[Optimizer]:
    """SGD with its momentum and decay, seeded by linear regression on the updates."""
    names = list(seen.trajectory[0])
    scopes = {
        "weights": [n for n in names if n.endswith(".weight")],
        "biases": [n for n in names if not n.endswith(".weight")],
    }
    changes = [{n: b[n] - a[n] for n in names} for a, b in itertools.pairwise(seen.trajectory)]
    zero = {n: np.zeros_like(v) for n, v in seen.trajectory[0].items()}
    for nesterov in (None, False, True):
        rows, targets, sizes = [], [], []
        for index, change in enumerate(changes):
            previous = changes[index - 1] if index else zero
            older = seen.gradients[index - 1] if index else zero
            columns = [_stack(seen.gradients[index], names)]
            for scope in scopes.values():
                columns.append(
                    _stack(
                        {n: seen.trajectory[index][n] if n in scope else zero[n] for n in names},
                        names,
                    )
                )
            if nesterov is not None:
                columns.append(_stack(previous, names))
            if nesterov:
                columns.append(_stack(older, names))
            rows.append(np.stack(columns, axis=1))
            targets.append(_stack(change, names))
            before, after = seen.trajectory[index], seen.trajectory[index + 1]
            sizes.append(np.maximum(np.abs(_stack(before, names)), np.abs(_stack(after, names))))
        matrix, target = np.concatenate(rows), np.concatenate(targets)
        # Each equation weighs by its own rounding, which is that of the parameter it moved.
        weight = 1.0 / (np.concatenate(sizes) + float(np.finfo(dtype).tiny))
        solution, *_ = np.linalg.lstsq(matrix * weight[:, None], target * weight, rcond=None)
        yield from _as_sgd(solution, nesterov, scopes, dtype)


def _as_sgd(
    solution: Array, nesterov: bool | None, scopes: Mapping[str, Sequence[str]], dtype: Any
) -> Iterator[Optimizer]:
    momentum = 0.0 if nesterov is None else snap(float(solution[3]), dtype)
    step = -float(solution[0])
    rate = snap(step / (1 + momentum) if nesterov else step, dtype)
    if not (np.isfinite(rate) and rate != 0 and abs(momentum) < 1):
        return
    # Below a thousand roundoffs of the parameter a coefficient is noise of the regression.
    noise = 1e3 * float(np.finfo(dtype).eps)
    decays = {
        scope: snap(-float(solution[index]) / rate, dtype) if abs(solution[index]) > noise else 0.0
        for index, scope in enumerate(scopes, start=1)
    }
    weights, biases = decays["weights"], decays["biases"]
    base = SGD(learning_rate=rate, momentum=momentum, nesterov=bool(nesterov))
    yield base
    if weights == 0 and biases == 0:
        return
    if weights == biases:
        yield replace(base, weight_decay=weights, decay_scope="all")
    if biases == 0:
        yield replace(base, weight_decay=weights, decay_scope="weights")
    if weights == 0:
        yield replace(base, weight_decay=biases, decay_scope=tuple(scopes["biases"]))


def _adam(seen: Sequence_, dtype: np.dtype[Any]) -> Iterator[Optimizer]:
    """Adam, its rate and ε from the first update ``|Δ|·(|g| + ε) = η·|g|``."""
    names = list(seen.trajectory[0])
    change = np.abs(
        _stack({n: seen.trajectory[1][n] - seen.trajectory[0][n] for n in names}, names)
    )
    gradient = np.abs(_stack(seen.gradients[0], names))
    use = (gradient > 0) & (change > 0)
    if not use.any():
        return
    change, gradient = change[use], gradient[use]
    rate = float(np.median(change[gradient >= np.quantile(gradient, 0.8)]))
    small = gradient <= np.quantile(gradient, 0.3)
    epsilon = float(np.median(rate * gradient[small] / change[small] - gradient[small]))
    rates = {snap(rate, dtype), float(f"{rate:.3g}")}
    for guess, (beta1, beta2) in itertools.product(rates, BETAS):
        # Without correction the first update is η·(1 − β₁)/√(1 − β₂) at large gradients.
        bare = float(f"{guess * np.sqrt(1 - beta2) / (1 - beta1):.3g}") if beta1 < 1 else guess
        options = [
            (guess, "outside", epsilon, True),
            (guess, "hat", epsilon * np.sqrt(1 - beta2), True),
            (guess, "inside", epsilon**2, True),
            (bare, "outside", epsilon * np.sqrt(1 - beta2), False),
            (bare, "inside", epsilon**2 * (1 - beta2), False),
        ]
        for step, placement, value, corrected in options:
            for size in {float(f"{max(value, 0.0):.1g}"), 1e-8, 1e-7, 1e-10, 0.0}:
                yield Adam(
                    step,
                    beta1,
                    beta2,
                    size,
                    epsilon_placement=placement,  # type: ignore[arg-type]
                    bias_correction=corrected,
                )
