"""What a change really does to a side, seen without the diagnosis."""

from __future__ import annotations

import itertools
import time
import warnings
from typing import Any, Literal

import numpy as np
from benchmarks.pairs import renderers
from benchmarks.pairs.description import Array, Change, Description, Pair, Style

import netparity

State = Literal["visible", "borderline", "latent"]
#: In units of roundoff: below the first nothing is there, above the second anyone sees it.
NOTHING, VISIBLE = 50.0, 3000.0


def states(pair: Pair) -> list[State]:
    """For each change, whether it shows where both sides are probed alike.

    One that others hide, but that shows without them, can be claimed or not.
    """
    observed = [
        observe(pair.right_kind, stage, pair.right_style, pair.x, pair.y, pair.batch_size)
        for stage in pair.stages
    ]
    eps = float(np.finfo(pair.base.dtype).eps)
    found: list[State] = []
    for change, (before, after) in zip(pair.changes, itertools.pairwise(observed), strict=True):
        apart = distance(before, after) / eps
        if apart < NOTHING and len(pair.changes) > 1:
            shows = distance(observed[0], _alone(pair, change, observed[0])) / eps > VISIBLE
            found.append("borderline" if shows else "latent")
            continue
        found.append(
            "visible" if apart > VISIBLE else "latent" if apart < NOTHING else "borderline"
        )
    return found


def _alone(pair: Pair, change: Change, otherwise: dict[str, Array]) -> dict[str, Array]:
    """What right gives with one change alone, where a program can be written for it."""
    description = change.apply(pair.base)
    if not renderers.can(pair.right_kind, description, pair.right_style):
        return otherwise
    return observe(pair.right_kind, description, pair.right_style, pair.x, pair.y, pair.batch_size)


def distance(one: dict[str, Array], two: dict[str, Array]) -> float:
    """The largest difference of any element, in units of its array's rms."""
    if one.keys() != two.keys():
        return float("inf")
    worst = 0.0
    for key, a in one.items():
        b = two[key]
        if a.shape != b.shape:
            return float("inf")
        finite = np.isfinite(a) & np.isfinite(b)
        if not np.array_equal(np.isfinite(a), np.isfinite(b)):
            return float("inf")
        size = float(np.sqrt(np.mean(np.square(a[finite])))) if finite.any() else 0.0
        if finite.any():
            apart = float(np.max(np.abs(a[finite] - b[finite])))
            worst = max(worst, apart / size if size else np.inf * apart if apart else 0.0)
    return worst


def observe(
    kind: str, description: Description, style: Style, x: Array, y: Array, batch: int
) -> dict[str, Array]:
    """What a side gives at probes: two sets of parameters, gradients small and large, steps."""
    seen: dict[str, Array] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        side = _fresh(kind, description, style)
        x, y = side.preprocess(x, y)
        initial = side.parameters()
        seen["prepared"] = x
        seen |= {f"initial {n}": v for n, v in initial.items()}
        for number, (scale, last) in enumerate(((1.0, 1.0), (3.0, 1.0), (1.0, 30.0))):
            side = _fresh(kind, description, style)
            side.set_parameters(_probe(initial, scale, last, number))
            _look(side, seen, f"probe {number}", x[:batch], y[:batch])
        if "update" in side.abilities:
            side = _fresh(kind, description, style)
            rng = np.random.default_rng(1)
            for step in range(8):
                side.set_parameters(
                    {n: np.zeros_like(v) if step < 6 else v for n, v in initial.items()}
                )
                side.update({n: _gradient(v, rng) for n, v in initial.items()})
                seen |= {f"update {step} {n}": v for n, v in side.parameters().items()}
        if "step" in side.abilities:
            side = _fresh(kind, description, style)
            for step in range(8):
                start = step * batch % len(x)
                side.step(x[start : start + batch], y[start : start + batch])
                seen |= {f"step {step} {n}": v for n, v in side.parameters().items()}
            if description.feeding is not None:
                fed = [b for e in range(2) for b in description.feeding.batches()(x, y, e)]
                seen |= {f"batch {n}": rows for n, (rows, _) in enumerate(fed)}
            if "report" in side.abilities:
                seen["report"] = _reported(kind, description, style, x[:batch], y[:batch])
            seen["after steps"] = np.asarray(side.predict(x))
    return {key: np.asarray(value, dtype=np.float64) for key, value in seen.items()}


def _reported(kind: str, description: Description, style: Style, x: Array, y: Array) -> Array:
    watched = _fresh(kind, description, style).watch(x, y, epochs=2, batch_size=len(x), limit=4)
    return np.array([told.value for told in watched.reported])


def _fresh(kind: str, description: Description, style: Style) -> Any:
    np.random.seed(0)  # noqa: NPY002 - programs draw their masks from the global stream
    if kind != "numpy" and "torch" in kind:
        import torch

        torch.manual_seed(0)
    return netparity.adapt(renderers.build(kind, description, style))


def _probe(initial: dict[str, Array], scale: float, last: float, seed: int) -> dict[str, Array]:
    """Random parameters; the last weight larger, where scores are to be saturated."""
    rng = np.random.default_rng(seed)
    values = {
        n: (scale * rng.standard_normal(v.shape) / np.sqrt(max(v.shape, default=1))).astype(v.dtype)
        for n, v in initial.items()
    }
    values[next(n for n in reversed(values) if values[n].ndim > 1)] *= last
    return values


def _gradient(like: Array, rng: np.random.Generator) -> Array:
    size = 10.0 ** rng.uniform(-10, 3, like.shape)
    return np.asarray(size * np.where(rng.random(like.shape) < 0.5, -1, 1), dtype=like.dtype)


def _look(side: Any, seen: dict[str, Array], at: str, x: Array, y: Array) -> None:
    for factor in (0.3, 1.0, 3.0):
        seen[f"{at} predict {factor}"] = np.asarray(side.predict(factor * x))
    saved = side.state()
    if "loss" in side.abilities:
        seen[f"{at} loss"] = np.array([side.loss(x, y).total])
        side.restore(saved)
    if "gradients" in side.abilities:
        for rows in (len(x), len(x) - 5):
            gradients = side.gradients(x[:rows], y[:rows])
            seen |= {f"{at} gradient {rows} {n}": v for n, v in gradients.items()}
            side.restore(saved)


def run_once(kind: str, description: Description, style: Style, pair: Pair) -> Any:
    """Runs one side freely; gives its predictions, parameters and the seconds it took."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        begun = time.perf_counter()
        side = _fresh(kind, description, style)
        x, y = side.preprocess(pair.x, pair.y)
        starts = range(0, len(x), pair.batch_size)
        batches = list(description.feeding.batches()(x, y, 0)) if (
            description.feeding
        ) else [(x[s : s + pair.batch_size], y[s : s + pair.batch_size])
                   for s in starts]  # fmt: skip
        if "step" in side.abilities:
            for step in range(pair.steps):
                side.step(*batches[step % len(batches)])
        prediction = np.asarray(side.predict(x))
        seconds = time.perf_counter() - begun
    if description.row:
        return prediction, [], seconds  # Their parameters lie otherwise in each framework.
    values = renderers.canonical(kind, style, list(side.parameters().values()))
    return prediction, values, seconds
