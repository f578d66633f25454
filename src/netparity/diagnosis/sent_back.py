"""The loss of a side that shows its gradients alone, read from what reaches its last affine layer.

Of that layer's gradient each loss makes known numbers, as it makes known totals of its value:
the same models are fitted to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.loss_fits import fits
from netparity.diagnosis.loss_models import Data
from netparity.diagnosis.loss_probes import last_affine
from netparity.diagnosis.twin import Array, Twin
from netparity.errors import InputError
from netparity.nn import Loss, Network

#: The gradient at a prediction, taken back to the last affine layer's bias (or weight).
Back = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class SentBack(Data):
    """The elements of the last affine layer's gradient at every probe, one entry each.

    Attributes:
        backs: from the gradient at each probe's predictions to these elements.
        scales: the largest element of its probe, for every entry.
    """

    backs: tuple[Back, ...] = ()
    scales: Array | None = None

    def sizes_of_totals(self, here: Array) -> Array:
        """An element is as right as the largest beside it."""
        assert self.scales is not None
        return np.asarray(self.scales[here])

    def _values(self, loss: Loss, label: int | None) -> Array | None:
        found = []
        try:
            with np.errstate(all="ignore"):
                for prediction, target, back in zip(
                    self.predictions, self.targets, self.backs, strict=True
                ):
                    weights = None if label is None else (target == label).astype(np.float64)
                    upstream = loss.value_and_gradient(prediction, target, weights=weights)[1]
                    found.append(back(upstream))
        except (InputError, ValueError, IndexError):
            return None
        return np.concatenate(found)


def losses(
    twin: Twin, probes: Sequence[Probe], hints: Sequence[Loss], dtype: np.dtype[Any]
) -> Iterator[Loss]:
    """Losses that send such gradients back, the likeliest first; their factor is that of all.

    Args:
        twin: the network.
        probes: the side's gradients.
        hints: losses to try before all others (the other side's).
        dtype: in which the side computes.
    """
    name = last_affine(twin)
    if name is None:
        return
    bias = f"{name}.bias" in twin.network.parameter_shapes()
    place = f"{name}.bias" if bias else f"{name}.weight"
    # A row alone would be taken for one of the rows by which constants of a loss are read.
    probes = [p for p in probes if place in p.gradients and len(p.x) > 1]
    if not probes:
        return
    seen = [_back(twin, probe, name, bias=bias) for probe in probes]
    gradients = [np.asarray(p.gradients[place], dtype=np.float64).ravel() for p in probes]
    values = [np.asarray(p.values[place], dtype=np.float64).ravel() for p in probes]
    each = [len(g) for g in gradients]
    largest = [max(float(np.max(np.abs(g))), np.finfo(np.float64).tiny) for g in gradients]
    data = SentBack(
        tuple(prediction for prediction, _ in seen),
        tuple(np.asarray(p.y) for p in probes),
        np.concatenate(gradients),
        np.repeat([float(len(p.x)) for p in probes], each),
        np.ones(sum(each), dtype=bool),
        {
            "square": np.concatenate(values),
            "absolute": np.sign(np.concatenate(values)),
        },
        dtype,
        backs=tuple(back for _, back in seen),
        scales=np.repeat(largest, each),
    )
    yield from dict.fromkeys(fit.loss for fit in fits(data, hints))


def _back(twin: Twin, probe: Probe, name: str, *, bias: bool) -> tuple[Array, Back]:
    """What a twin predicts at a probe, and the way back from there to its last affine layer."""
    values = {n: np.asarray(v, dtype=np.float64) for n, v in probe.values.items()}
    x = np.asarray(probe.x, dtype=np.float64)
    tape = twin.forward(values, x, training=True, draws=probe.draws)
    layers = twin.conventions.layers or ()
    behind = layers[[n for n, _ in layers].index(name) + 1 :]
    given = tape.inputs[name].reshape(-1, tape.inputs[name].shape[-1])
    rest = Network(behind).forward({}, tape.outputs[name], training=True)

    def back(upstream: Array) -> Array:
        delta = rest.backward(upstream).input
        delta = delta.reshape(-1, delta.shape[-1])
        return (delta.sum(axis=0) if bias else given.T @ delta).ravel()

    return np.asarray(tape.prediction), back
