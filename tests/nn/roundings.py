"""A layer's results, and how far two right programs for it may lie apart, measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tests.nn.measure import ulps

from netparity.nn import Context, Layer

Arrays = dict[str, np.ndarray]


def drawn(shapes: Mapping[str, tuple[int, ...]], seed: int, dtype: type = np.float64) -> Arrays:
    """Normal numbers of deviation 0.7 in the shapes."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.7, shape).astype(dtype) for name, shape in shapes.items()}


def results(
    layer: Layer, parameters: Mapping[str, np.ndarray], x: np.ndarray, dy: np.ndarray, **more: Any
) -> Arrays:
    """The output ``y``, the gradient at ``x`` and those of parameters and sources by name."""
    y, backward = layer.apply(parameters, x, Context(training=True, **more))
    dx, gradients = backward(dy)
    return {"y": y, "x": dx, **gradients}


def bounds(
    layer: Layer,
    parameters: Mapping[str, np.ndarray],
    x: np.ndarray,
    dy: np.ndarray,
    operations: int,
    others: tuple[np.ndarray, ...] = (),
) -> dict[str, float]:
    """How far two right programs may lie apart, in ulp, for each result.

    A rounding anywhere in a pass acts like a change of what is handed over by about as much.
    So everything handed over is changed by one ulp, up or down at random, eight times, and the
    largest change of each result (at least one ulp, its own rounding) counts for each of the
    ``operations`` behind a number.
    """
    rng, here = np.random.default_rng(0), results(layer, parameters, x, dy, others=others)

    def moved(a: np.ndarray) -> np.ndarray:
        return a * (1 + np.finfo(a.dtype).eps * rng.choice(np.array([-1, 1], a.dtype), a.shape))

    worst = dict.fromkeys(here, 1.0)
    for _ in range(8):
        values = {name: moved(a) for name, a in parameters.items()}
        sources = tuple(moved(a) for a in others)
        after = results(layer, values, moved(x), moved(dy), others=sources)
        for name, value in after.items():
            worst[name] = max(worst[name], ulps(value, here[name]))
    return {name: operations * change for name, change in worst.items()}
