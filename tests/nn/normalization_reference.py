"""Normalizations by their formulas, in the widest float, and how far rounding moves them."""

from collections.abc import Mapping

import numpy as np

from netparity.nn import BatchNorm, Context, GroupNorm, Layer, Memory, RMSNorm


def values(layer: Layer, seed: int = 0, dtype: type = np.float64) -> dict[str, np.ndarray]:
    """Parameters and buffers away from where they start."""
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(size=shape) + 1.0 for name, shape in layer.shapes().items()}
    for name, (shape, _) in layer.buffers().items():
        found[name] = rng.uniform(0.5, 2.0, size=shape)
    return {name: array.astype(dtype) for name, array in found.items()}


def run(
    layer: Layer,
    parameters: Mapping[str, np.ndarray],
    x: np.ndarray,
    dy: np.ndarray,
    *,
    training: bool = True,
    memory: Memory | None = None,
) -> dict[str, np.ndarray]:
    """Output, gradients and new buffers by name."""
    updates: dict[str, np.ndarray] = {}
    context = Context(training=training, updates=updates, memory=memory or Memory(reuse=False))
    y, backward = layer.apply(parameters, x, context)
    dx, gradients = backward(dy)
    named = {f"d{name}": gradient for name, gradient in gradients.items()}
    return {"y": y, "dx": dx, **named, **updates}


def axes_of(layer: Layer, x: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes one mean runs over (of channels in groups, laid out), and those of parameters."""
    if isinstance(layer, BatchNorm):
        kept = layer.axis % x.ndim
        return tuple(k for k in range(x.ndim) if k != kept), (kept,)
    if isinstance(layer, GroupNorm):
        return tuple(range(1, x.ndim)), (layer.axis % x.ndim,)
    count = len(layer.shape)
    axes = layer.axes or tuple(range(-count, 0))
    return tuple(k % x.ndim for k in axes), tuple(k % x.ndim for k in axes)


def reference(
    layer: Layer,
    parameters: Mapping[str, np.ndarray],
    x: np.ndarray,
    dy: np.ndarray,
    training: bool = True,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The formulas as they are written, in the widest float, and bounds of their rounding."""
    eps = float(np.finfo(x.dtype).eps)
    wide = {name: array.astype(np.longdouble) for name, array in parameters.items()}
    x, dy = x.astype(np.longdouble), dy.astype(np.longdouble)
    if isinstance(layer, GroupNorm):
        # A group's channels get an axis of their own, which its statistics run over.
        channels = layer.axis % x.ndim
        cut = (layer.groups, layer.features // layer.groups)
        split = (*x.shape[:channels], *cut, *x.shape[channels + 1 :])
        shown = np.ones(x.ndim + 1, int)
        shown[[channels, channels + 1]] = cut
        inner = tuple(k for k in range(1, x.ndim + 1) if k != channels)
        x, dy, whole = x.reshape(split), dy.reshape(split), x.shape
        summed = tuple(k for k in range(x.ndim) if k not in (channels, channels + 1))
    else:
        inner, own = axes_of(layer, x)
        shown = [length if k in own else 1 for k, length in enumerate(x.shape)]
        summed, whole = tuple(k for k in range(x.ndim) if k not in own), x.shape
    scale = wide["scale"].reshape(shown) if "scale" in wide else np.longdouble(1.0)
    shift = wide["shift"].reshape(shown) if "shift" in wide else np.longdouble(0.0)
    n = int(np.prod([x.shape[k] for k in inner]))
    unbiased = getattr(layer, "normalize_with", "biased") == "unbiased"
    divisor = max(n - 1, 1) if unbiased else n
    running = isinstance(layer, BatchNorm) and (
        layer.frozen or not (training or layer.inference == "batch")
    )
    mean = x.mean(axis=inner, keepdims=True) * (not isinstance(layer, RMSNorm))
    squares = ((x - mean) ** 2).sum(axis=inner, keepdims=True)
    variance = squares / divisor
    if running:
        mean, variance = (wide[f"running_{k}"].reshape(shown) for k in ("mean", "variance"))
    epsilon = np.longdouble(layer.epsilon if layer.epsilon is not None else eps)
    outside = layer.epsilon_placement == "outside"
    deviation = np.sqrt(variance + (0.0 if outside else epsilon))
    whole_deviation = deviation + (0.0 if layer.epsilon_placement == "inside" else epsilon)
    inverse = 1.0 / whole_deviation
    normalized = (x - mean) * inverse
    found = {"y": scale * normalized + shift}
    d = dy * scale
    if running:
        found["dx"] = d * inverse
    else:
        # κ: the slope of 1/σ by the variance, over that with ε inside and the same σ.
        kappa = whole_deviation / np.where(deviation > 0, deviation, np.inf)
        bend = normalized * kappa * (d * normalized).sum(axis=inner, keepdims=True) / divisor
        average = d.mean(axis=inner, keepdims=True) * (not isinstance(layer, RMSNorm))
        found["dx"] = inverse * (d - average - bend)
    for name, term in (("scale", dy * normalized), ("shift", dy)):
        if name in wide:
            found[f"d{name}"] = term.sum(axis=summed).reshape(wide[name].shape)
    if isinstance(layer, BatchNorm) and training and layer.update_statistics and not layer.frozen:
        kept = squares / (n if layer.running_variance == "biased" else max(n - 1, 1))
        for name, batch in (("running_mean", mean), ("running_variance", kept)):
            old = layer.momentum * wide[name]
            found[name] = old + (1 - layer.momentum) * batch.reshape(old.shape)
    found = {name: np.asarray(array).reshape(whole) if name in ("y", "dx") else array
             for name, array in found.items()}  # fmt: skip
    spread = np.abs(x).max(initial=0.0, axis=inner, keepdims=True) + np.abs(mean)
    bounds = rounding(
        eps / 2.0, n, int(np.prod([x.shape[k] for k in summed])),
        x=float(np.abs(x).max(initial=0.0)), dy=float(np.abs(dy).max(initial=0.0)),
        scale=float(np.abs(scale).max()), shift=float(np.abs(shift).max()),
        inverse=float(inverse.max()), spread=float((spread * inverse).max(initial=0.0)),
        # Without any deviation the direction of what rounding leaves of it is arbitrary.
        kappa=1.0 if running else np.inf if not deviation.all() else float(kappa.max(initial=1.0)),
        fast=getattr(layer, "fast_variance", False),
    )  # fmt: skip
    return found, bounds


def rounding(
    u: float,
    n: int,
    m: int,
    *,
    x: float,
    dy: float,
    scale: float,
    shift: float,
    inverse: float,
    spread: float,
    kappa: float,
    fast: bool,
) -> dict[str, float]:
    """How far the roundings of one side, counted one by one, can move each result.

    u is the roundoff, n the values of a mean, m the summands of a parameter's gradient; the
    others are the largest of each kind: ``spread`` of (|x| + |μ|)/σ, which bounds x̂ and what
    is subtracted to get it. A sum of n terms is off by at most n u of the sum of their sizes,
    a product or difference by u of itself.
    """  # fmt: skip
    s = spread
    # μ: n roundings of the largest x, one more for x − μ, one for the product with 1/σ.
    # σ: half the relative error of the variance, which is 2 (that of x − μ)/σ and n + 2
    # roundings of its own; as E[x²] − E[x]², 3 (n + 2) roundings of x²/σ². Then ε, the root and
    # the quotient: 4.
    sigma = u * ((n + 2) * (s + 1.0 + 1.5 * s * s * fast) + 4.0)
    normalized = u * (n + 2) * s + s * (sigma + u)
    # scale x̂ + shift, or x scale/σ + (shift − μ scale/σ): up to 6 roundings of scale s.
    y = scale * (normalized + 6.0 * u * s) + 2.0 * u * shift
    d = dy * scale
    # The terms of σ dx: d, its mean (n roundings), and x̂ κ times the mean of d x̂, where that
    # mean is off by n + 2 roundings and the error of x̂, as is the x̂ before it; in other
    # arrangements x and μ stand for x̂. At most 8 roundings of each, and 1/σ's error on all.
    size = d * (2.0 + kappa * s * s)
    mean_product = d * s * (n + 2) * u + d * normalized
    # κ has the relative error of the deviation without ε, by which (|x| + |μ|) is κ s.
    bare = u * (n + 2) * (kappa * s + 1.0 + 1.5 * kappa * s * kappa * s * fast)
    dx = n * u * d + kappa * (s * mean_product + d * s * normalized + s * d * s * bare)
    dx += size * (sigma + 8.0 * u)
    return {
        "y": y,
        "dx": inverse * dx,
        "dscale": m * dy * (normalized + (m + 2) * u * s),
        "dshift": m * u * m * dy,
        # Mean and variance as above, four roundings of the running average.
        "running_mean": (n + 4) * u * (x + 2.0),
        "running_variance": 3.0 * (n + 4) * u * (x * x + 2.0),
    }


def compare(
    actual: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    bounds: Mapping[str, float],
    sides: int,
) -> None:
    """Whether all results lie within what that many sides can round."""
    assert set(expected) <= set(actual)
    for name, array in expected.items():
        assert actual[name].shape == array.shape, name
        difference = float(np.abs(actual[name] - array).max(initial=0.0))
        assert difference <= sides * bounds[name], (name, difference, sides * bounds[name])
