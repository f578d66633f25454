"""Gradients that stand in another layer's place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, Misplaced
from netparity.diagnosis.gradient_probes import Probe, Relation
from netparity.diagnosis.twin import Array, Twin
from netparity.nn import Affine


def find_misplaced(
    conventions: Conventions, probes: Sequence[Probe]
) -> tuple[Misplaced | None, tuple[Relation, ...]]:
    """Which products ``inputᵀ · delta`` stand where the gradients should.

    Every pair of a layer's input and a layer's delta whose shape fits is compared with the
    value found in each place.
    """
    twin = Twin(replace(conventions, penalties=(), faults=()))
    affines = [n for n, layer in conventions.layers or () if isinstance(layer, Affine)]
    weights: dict[str, tuple[str, str]] = {}
    biases: dict[str, str] = {}
    relations: list[Relation] = []
    first = probes[0]
    evaluation = twin.evaluate(first.values, first.x, first.y, draws=first.draws)
    for name, gradient in first.gradients.items():
        layer, kind = name.rsplit(".", 1)
        got = np.asarray(gradient, dtype=np.float64)
        best: tuple[float, Any, Array] | None = None
        pairs = (
            itertools.product(affines, affines) if kind == "weight" else ((a, a) for a in affines)
        )
        for delta, source in pairs:
            d = np.asarray(evaluation.deltas[delta], dtype=np.float64)
            value = (
                np.asarray(evaluation.tape.inputs[source]).T @ d if kind == "weight" else d.sum(0)
            )
            if value.shape != got.shape:
                continue
            distance = float(np.max(np.abs(value - got)))
            own = delta == layer and source == layer
            if best is None or distance < best[0] or (own and distance <= best[0]):
                best = (distance, (delta, source), value)
        if best is None:
            return None, ()
        delta, source = best[1]
        if kind == "weight":
            weights[name] = (delta, source)
        else:
            biases[name] = delta
        if delta != layer or (kind == "weight" and source != layer):
            scale = float(np.max(np.abs(got))) or 1.0
            stands = (
                f"input({source})ᵀ · delta({delta})" if kind == "weight" else f"Σ delta({delta})"
            )
            right = f"input({layer})ᵀ · delta({layer})" if kind == "weight" else f"Σ delta({layer})"
            relations.append(Relation(f"gradient of {name}", stands, right, best[0] / scale))
    misplaced = {n: p for n, p in weights.items() if p != (n.rsplit(".", 1)[0],) * 2}
    moved = {n: d for n, d in biases.items() if d != n.rsplit(".", 1)[0]}
    if not misplaced and not moved:
        return None, ()
    return Misplaced(misplaced, moved), tuple(relations)
