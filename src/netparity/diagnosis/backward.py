"""What may be wrong with a backward pass: slopes left out or taken elsewhere, stray factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from netparity.conventions import Conventions, Factored, OverClasses, Slope, Unbounded, changed
from netparity.diagnosis.faulty import unbounded
from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.twin import Twin, Values
from netparity.nn import (
    Affine,
    Dropout,
    Identity,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)

#: A factor this near to 1 is none: what a fit to float32 gradients, or steps, can tell from 1.
FACTOR_PRECISION: Final = 1e-4
#: A guess further off than this is not worth its noise runs.
NEAR: Final = 1e-3

Rule = Literal["left out", "diagonal", "of the output", "of the input"]


def masked_backward(conventions: Conventions, *, masked: bool = True) -> Conventions:
    """The conventions with dropout's mask in the backward pass, where it should be, or not."""
    layers = tuple(
        (n, replace(k, mask_in_backward=masked) if isinstance(k, Dropout) else k)
        for n, k in conventions.layers or ()
    )
    return replace(conventions, layers=layers)


def without_bounds(conventions: Conventions) -> Conventions | None:
    """The gradient as it is usually written, ``p − y``, beside a loss with a bounded logarithm."""
    loss = conventions.loss
    if loss is None or unbounded(loss) == loss:
        return None
    return replace(conventions, faults=(Unbounded(),))


def over_classes(conventions: Conventions) -> Conventions | None:
    """The gradient ``p − y`` behind a last softmax that is not taken over the classes."""
    layers, loss = conventions.layers or (), conventions.loss
    if not layers or not isinstance(loss, SoftmaxCrossEntropy) or loss.input != "probabilities":
        return None
    name, last = layers[-1]
    if not isinstance(last, Softmax) or last.axis == -1:
        return None
    return replace(conventions, faults=(OverClasses(name),))


def slope_guesses(conventions: Conventions) -> Iterator[tuple[Slope, ...]]:
    """Layers without parameters that pass gradients back wrongly: all alike, or one alone."""
    layers = conventions.layers or ()
    start = next((i for i, (_, k) in enumerate(layers) if isinstance(k, Affine)), 0)
    # A mask left out of the backward pass is dropout's own switch.
    bends = [
        (n, k)
        for n, k in layers[start:]
        if not k.shapes() and not isinstance(k, Affine | Identity) and not k.takes_draw
    ]
    hidden = [(n, k) for n, k in bends if n != layers[-1][0]]
    rules: tuple[Rule, ...] = ("left out", "diagonal", "of the output", "of the input")
    for rule in rules:
        fitting = [n for n, k in hidden if _fits(rule, k)]
        if len(fitting) > 1:
            yield tuple(Slope(n, rule) for n in fitting)
        for name, layer in bends:
            if _fits(rule, layer):
                yield (Slope(name, rule),)
    loss = conventions.loss
    if isinstance(loss, SoftmaxCrossEntropy) and loss.input == "logits":
        given = changed(loss, input="probabilities")
        yield (Slope("softmax", "diagonal", Softmax(), given),)
    if isinstance(loss, SigmoidCrossEntropy) and loss.input == "logits":
        yield (Slope("sigmoid", "left out", Sigmoid(), changed(loss, input="probabilities")),)


def _fits(rule: Rule, layer: object) -> bool:
    if rule == "diagonal":
        return isinstance(layer, Softmax)
    return rule != "of the input" or isinstance(layer, Sigmoid | Tanh)


def near(guess: Conventions, probes: Sequence[Probe]) -> bool:
    """Whether a guess gives about a side's gradients."""
    twin = Twin(guess)
    for probe in probes:
        with np.errstate(all="ignore"):
            own = _wide(twin, probe)
        for name, got in probe.gradients.items():
            size = float(np.max(np.abs(got), initial=0.0))
            if not float(np.max(np.abs(own[name] - got), initial=0.0)) <= NEAR * size:
                return False
    return True


def own_factors(
    conventions: Conventions, probes: Sequence[Probe], dtype: np.dtype[Any], *, whole: bool = False
) -> tuple[Factored, ...]:
    """A factor of its own on some parameters, such as a mean over the rows in place of a sum.

    It is on the gradient of the data loss; ``whole``: on that with the penalties' as well.
    """
    bare = Twin(conventions if whole else replace(conventions, penalties=()))
    data = [_wide(bare, p) for p in probes]
    # Where a bound keeps all gradients at 0 there is no ratio.
    seen = [i for i, d in enumerate(data) if any(np.any(g != 0) for g in d.values())]
    probes, data = [probes[i] for i in seen], [data[i] for i in seen]
    if not probes:
        return ()
    pulls = [{} if whole else pull_of(conventions, p) for p in probes]
    sizes = np.array([float(len(p.x)) for p in probes])
    precision = 1e4 * float(np.finfo(dtype).eps)
    groups: dict[tuple[float, int], list[str]] = {}
    for name in probes[0].gradients:
        ratios = []
        for probe, true, pull in zip(probes, data, pulls, strict=True):
            got = np.asarray(probe.gradients[name], dtype=np.float64) - pull.get(name, 0.0)
            square = float(np.sum(true[name] ** 2))
            if square == 0:
                return ()
            ratios.append(float(np.sum(got * true[name])) / square)
        found = np.array(ratios)
        if np.allclose(found, 1.0, rtol=precision, atol=0):
            continue
        for power in (-1, 1, 0):
            factors = found / sizes**power
            factor = float(np.median(factors))
            if np.allclose(factors, factor, rtol=precision, atol=0) and factor:
                near_ = float(f"{factor:.6g}")
                groups.setdefault((near_, power), []).append(name)
                break
        else:
            return ()
    if not groups or sum(len(n) for n in groups.values()) == len(probes[0].gradients):
        return ()
    return tuple(Factored(f, tuple(n), power, whole) for (f, power), n in groups.items())


def pull_of(conventions: Conventions, probe: Probe) -> Values:
    """The gradients of the penalties at a place."""
    total: Values = {}
    for term in conventions.penalties or ():
        for name, gradient in term.gradients(probe.values, rows=len(probe.x)).items():
            total[name] = total.get(name, np.zeros_like(gradient)) + gradient
    return total


def _wide(twin: Twin, probe: Probe) -> Values:
    wide = {n: np.asarray(v, dtype=np.float64) for n, v in probe.values.items()}
    return twin.evaluate(wide, probe.x, probe.y, draws=probe.draws).gradients
