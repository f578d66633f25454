"""A side's gradients at places of our choosing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.diagnosis.faulty import unbounded
from netparity.diagnosis.loss_probes import excluded
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import FACTOR, ULPS, Measure, clear_rows, measure, reference
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.errors import CannotError
from netparity.implementations.base import Implementation

#: Parameters that are tried until the masks of a side's dropout can be seen in its activations.
LOOKS: Final = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """One evaluation of a side's gradients.

    Attributes:
        values: parameters and buffers, in the twin's layout.
        x: inputs ``(N, …)``; y: targets.
        draws: dropout's uniform draws, or ``None``.
        gradients: in the twin's layout.
        piled: where the side adds them to those of earlier calls, how far what it added the
            next time is from them; ``None`` where it gives them anew.
    """

    values: Values
    x: Array
    y: Array
    draws: tuple[Array, ...] | None
    gradients: Values
    piled: Measure | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation between a side's gradients and the twin's that was fitted to the numbers.

    ``residual`` is ``None`` where it is that of the whole gradient behind it.
    """

    text: str
    fitted: float | str | None
    expected: float | str | None
    residual: float | None = None


def observe(
    live: Implementation,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    draws_for: Any,
) -> list[Probe]:
    """The side's gradients at parameters of our choosing, on rows clear of every kink."""
    native = live.parameters()
    saved = live.state()
    probes = []
    try:
        for scale, (x, y), far in _places(twin, batches):
            for _ in range(LOOKS):
                values = probe_parameters(twin, rng, scale) | far
                live.set_parameters(twin.native(values, native))
                draws = draws_for(live, x)
                if draws is not None or not twin.dropout_layers():
                    break
            else:
                continue  # its masks cannot be seen, behind units that are all 0
            if draws is None or "draws" in live.abilities:
                known = reference(
                    twin, values, x, y, dtype=live.dtype, rng=rng, draws=draws, backward=False
                )
                rows = clear_rows(twin, known, y)
                if 0 < rows.sum() < len(x):
                    x, y = x[rows], y[rows]
                    draws = None if draws is None else [d[rows] for d in draws]

            def look(x: Array = x, y: Array = y, draws: Any = draws) -> Values:
                found = live.gradients(x, y, draws=fed(live, twin, draws))
                return twin_layout(twin, found, native)

            got, piled = _once(look, live.dtype)
            given = None if draws is None else tuple(draws)
            probes.append(Probe(values, x, y, given, got, piled))
            live.restore(saved)
    finally:
        live.restore(saved)
    if not probes:
        raise CannotError("dropout masks that can be seen")
    return probes


def _places(
    twin: Twin, batches: Sequence[tuple[Array, Array]]
) -> Iterator[tuple[float, tuple[Array, Array], Values]]:
    """Scales of the parameters, batches, and what is set apart from the parameters drawn.

    Where the loss bounds a logarithm the last is a place at which the bound acts.
    """
    for scale, batch in zip((1.0, 2.0, 1.0), batches, strict=False):
        yield scale, batch, {}
    loss = twin.conventions.loss
    if loss is not None and unbounded(loss) != loss:
        far = excluded(twin, batches[0][1])
        if far:
            yield 1.0, batches[0], far


def _once(look: Callable[[], Values], dtype: np.dtype[Any]) -> tuple[Values, Measure | None]:
    """The gradient of one batch, and whether calls pile up: each adds as much to the last.

    What was added is known to the roundings of the sums that it was taken from.
    """
    first, again = look(), look()
    if all(np.array_equal(first[n], again[n], equal_nan=True) for n in first):
        return first, None
    third = look()
    grown = {n: again[n] - first[n] for n in first}
    ulps = FACTOR * ULPS * float(np.finfo(dtype).eps)
    measures = [
        measure(third[n] - again[n], grown[n], ulps * np.max(np.abs(third[n])), grown[n], n)
        for n in first
    ]
    worst = max(measures, key=lambda m: m.ratio)
    added = any(np.any(g != 0) for g in grown.values())
    return (grown, worst) if added and not worst.different else (first, None)


def twin_layout(twin: Twin, gradients: Mapping[str, Array], like: Mapping[str, Array]) -> Values:
    """Gradients by the side's names, as twin arrays; those the side does not name are left out."""
    shaped = {
        name: np.asarray(gradient).reshape(np.asarray(like[name]).shape)
        for name, gradient in gradients.items()
        if name in like
    }
    return twin.parameters(twin.values(shaped))
