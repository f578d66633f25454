"""Layers, biases and widths that stand on one side only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netparity.diagnosis.align import Pairing, affines
from netparity.diagnosis.candidates import Both, Candidate, Plan
from netparity.nn import (
    Affine,
)
from netparity.report.model import Evidence


def structure(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Layers, biases and widths that stand on one side only."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    without: dict[str, list[str]] = {"left": [], "right": []}
    one, two = dict(affines(left)), dict(affines(right))
    for name, other in pairing.layers.items():
        a, b = one[name], two[other]
        if (a.inputs, a.outputs) != (b.inputs, b.outputs):
            yield Candidate(
                "layer-width",
                "structure",
                (name, other),
                f"{name}: {a.inputs} → {a.outputs}",
                f"{other}: {b.inputs} → {b.outputs}",
                f"{name} maps {a.inputs} to {a.outputs} on the left, {other} maps {b.inputs} to "
                f"{b.outputs} on the right.",
                (Evidence("outputs of the layer", a.outputs, b.outputs, None),),
                both.fix("layer-width", left=b.outputs, right=a.outputs),
            )
        elif a.bias != b.bias:
            without["left" if b.bias else "right"].append(name if b.bias else other)
    for side, layers in without.items():
        if layers:
            yield _bias_absent(both, side, layers, pairing)
    for side, names, mine in (
        ("left", pairing.left_only, one),
        ("right", pairing.right_only, two),
    ):
        paired = set(pairing.layers) if side == "left" else set(pairing.layers.values())
        extra = [n for n in mine if n not in paired]
        if extra:
            other = "right" if side == "left" else "left"
            yield Candidate(
                "layer-missing",
                "structure",
                tuple(extra),
                f"{len(one)} weight layers",
                f"{len(two)} weight layers",
                f"{', '.join(extra)} on the {side} has no counterpart on the {other} "
                f"({len(names)} parameters without a partner).",
                (Evidence("weight layers", len(one), len(two), None),),
                both.fix("layer-missing", left=extra, right=extra),
            )


def _bias_absent(both: Both, side: str, layers: list[str], pairing: Pairing) -> Candidate:
    other = "right" if side == "left" else "left"
    bare, full = (both.left, both.right) if side == "left" else (both.right, both.left)

    def change(plan: Plan) -> Plan:
        stack = []
        for name, layer in plan.conventions.layers or ():
            target = name
            if side == "right":
                target = name
            if isinstance(layer, Affine) and target in names:
                layer = replace(layer, bias=side == "right")
            stack.append((name, layer))
        return replace(plan, conventions=replace(plan.conventions, layers=tuple(stack)))

    names = {pairing.layers[n] for n in layers} if side == "left" else set(layers)
    texts = {side: "no bias", other: "with bias"}
    return Candidate(
        "bias-absent",
        "structure",
        tuple(layers),
        texts["left"],
        texts["right"],
        f"The {len(layers)} weight layers on the {side} have no bias; those on the {other} have "
        "one and train it.",
        (
            Evidence(
                f"parameters of {bare.side.which} against {full.side.which}",
                len(bare.parameters),
                len(full.parameters),
                None,
            ),
        ),
        both.fix("bias-absent", left=side == "left", right=side == "right"),
        change,
    )
