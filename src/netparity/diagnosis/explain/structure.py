"""Layers, biases and widths that stand on one side only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netparity.conventions import changed
from netparity.diagnosis.align import Pairing, affines
from netparity.diagnosis.bench import Stage
from netparity.diagnosis.candidates import Both, Candidate, Change, Plan, start_from_left
from netparity.nn import L2, Affine
from netparity.report.model import Evidence


def structure(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Layers, biases and widths that stand on one side only."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    without: dict[str, list[str]] = {"left": [], "right": []}
    one, two = dict(affines(left)), dict(affines(right))
    wider: list[tuple[str, str]] = []
    for name, other in pairing.layers.items():
        a, b = one[name], two[other]
        if (a.inputs, a.outputs) != (b.inputs, b.outputs):
            wider.append((name, other))
        elif a.bias != b.bias:
            without["left" if b.bias else "right"].append(name if b.bias else other)
    if wider:
        yield _layer_width(both, pairing, wider)
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
                _as_left(both, pairing),
            )


def _layer_width(both: Both, pairing: Pairing, wider: Sequence[tuple[str, str]]) -> Candidate:
    sizes = {}
    for side, index, twin in (("left", 0, both.left.twin), ("right", 1, both.right.twin)):
        layers = dict(affines(twin)) if twin is not None else {}
        own = [layers[pair[index]] for pair in wider]
        sizes[side] = ", ".join(f"{a.inputs} → {a.outputs}" for a in own)
    return Candidate(
        "layer-width",
        "structure",
        tuple(name for name, _ in wider),
        sizes["left"],
        sizes["right"],
        f"The weight layers have other widths: {sizes['left']} on the left, {sizes['right']} on "
        "the right.",
        (Evidence("inputs → outputs", sizes["left"], sizes["right"], None),),
        both.fix("layer-width", left=sizes["right"], right=sizes["left"]),
        _as_left(both, pairing),
    )


def _as_left(both: Both, pairing: Pairing) -> Change:
    """Gives right left's layers, and with them left's initial values."""
    layers = both.left.conventions.layers
    back = {right: left for left, right in pairing.names.items()}

    def change(plan: Plan) -> Plan:
        penalties = tuple(
            changed(p, scope=tuple(back[n] for n in p.scope if n in back))
            if isinstance(p, L2) and isinstance(p.scope, tuple)
            else p
            for p in plan.conventions.penalties or ()
        )
        conventions = replace(plan.conventions, layers=layers, penalties=penalties)
        return replace(plan, conventions=conventions, structure="left")

    return change


def _bias_absent(both: Both, side: str, layers: list[str], pairing: Pairing) -> Candidate:
    other = "right" if side == "left" else "left"
    bare, full = (both.left, both.right) if side == "left" else (both.right, both.left)

    def change(plan: Plan) -> Plan:
        stack = []
        for name, layer in plan.conventions.layers or ():
            if isinstance(layer, Affine) and name in names:
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


def transposed(both: Both, names: Sequence[str], stage: Stage) -> Candidate:
    """Square weights that were carried over without the transpose the other layout needs."""
    residual = max((m.difference for m in stage.measures if m.where in names), default=None)
    return Candidate(
        "dense-weight-layout",
        "structure",
        tuple(names),
        "y = x·W + b",
        "the transpose of left's values",
        f"{', '.join(names)} of right holds the transpose of left's values, in the place where "
        "left's values belong: a square weight hides a copy without its transpose.",
        (Evidence("right − leftᵀ against right − left, largest difference", 0.0, residual, 0.0),),
        both.fix("dense-weight-layout", left="W", right="W"),
        start_from_left(names),
    )
