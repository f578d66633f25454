"""Layers, biases and widths that stand on one side only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from netparity.conventions import changed
from netparity.diagnosis.align import Pairing, weighted
from netparity.diagnosis.candidates import Both, Candidate, Change, Plan, start_from_left
from netparity.diagnosis.rearranged import Rearranged
from netparity.diagnosis.switches import Difference, differences
from netparity.nn import L1, L2, Affine, Layer
from netparity.report.model import Evidence


def structure(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Layers, biases and widths that stand on one side only."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    without: dict[str, list[str]] = {"left": [], "right": []}
    one, two = dict(weighted(left)), dict(weighted(right))
    wider: list[tuple[str, str]] = []
    double: list[tuple[str, str]] = []
    for name, other in pairing.layers.items():
        a, b = one[name], two[other]
        named = _named(a, b)
        if "layer-width" in named:
            wider.append((name, other))
        elif "bias-absent" in named:
            bare = not getattr(a, "bias", True)
            without["left" if bare else "right"].append(name if bare else other)
        elif "rnn-weight-layout" in named:
            double.append((name, other))
    if wider:
        yield _layer_width(both, pairing, wider)
    for side, layers in without.items():
        if layers:
            yield _bias_absent(both, side, layers, pairing)
    if double:
        yield _biases(both, double)
    for side, names, mine in (
        ("left", pairing.left_only, one),
        ("right", pairing.right_only, two),
    ):
        paired = set(pairing.layers) if side == "left" else set(pairing.layers.values())
        extra = [n for n in mine if n not in paired]
        if extra:
            other = "right" if side == "left" else "left"
            lone = ", ".join(repr(mine[n]) for n in extra)
            yield Candidate(
                "layer-missing",
                "structure",
                tuple(extra),
                f"{len(one)} weight layers",
                f"{len(two)} weight layers",
                f"{', '.join(extra)} on the {side} has no counterpart on the {other} "
                f"({len(names)} parameters without a partner).",
                (Evidence("weight layers", len(one), len(two), None),),
                both.fix("layer-missing", left=lone, right=lone),
                _as_left(both, pairing),
            )


def _named(a: Layer, b: Layer) -> dict[str, Difference]:
    """What the catalogue calls the differences of two layers."""
    if type(a) is not type(b):
        return {}
    return {d.entry.id: d for d in differences(a, b) if d.entry is not None}


def _size(layer: Any) -> str:
    if isinstance(layer, Affine):
        return f"{layer.inputs} → {layer.outputs}"
    return repr(layer)


def _biases(both: Both, double: Sequence[tuple[str, str]]) -> Candidate:
    """One bias on one side, two that are added on the other."""
    left, right = both.left.conventions, both.right.conventions
    mine, theirs = dict(left.layers or ()), dict(right.layers or ())
    names = {other: getattr(mine[name], "bias", "one") for name, other in double}
    one, two = names[double[0][1]], getattr(theirs[double[0][1]], "bias", "one")

    def change(plan: Plan) -> Plan:
        stack = tuple(
            (n, changed(k, bias=names[n]) if n in names else k)
            for n, k in plan.conventions.layers or ()
        )
        return replace(plan, conventions=replace(plan.conventions, layers=stack))

    trained = left.optimizer is not None and right.optimizer is not None
    return Candidate(
        "rnn-weight-layout",
        "structure",
        tuple(name for name, _ in double),
        f"biases: {one}",
        f"biases: {two}",
        "Two biases act as their sum, but both receive its gradient: the sum moves further in a "
        f"step than one bias does. Left keeps {one}, right {two}.",
        (Evidence("biases of a recurrent layer", one, two, None),),
        both.fix("rnn-weight-layout", left=two, right=one),
        change,
        latent=None if trained else "acts in training only, which was not compared",
    )


def _layer_width(both: Both, pairing: Pairing, wider: Sequence[tuple[str, str]]) -> Candidate:
    sizes = {}
    for side, index, twin in (("left", 0, both.left.twin), ("right", 1, both.right.twin)):
        layers = dict(weighted(twin)) if twin is not None else {}
        sizes[side] = ", ".join(_size(layers[pair[index]]) for pair in wider)
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
    """Gives right left's layers, and with them left's initial values.

    What right does to all parameters of a kind, it does to those of left's layers too.
    """
    layers = both.left.conventions.layers
    back = {right: left for left, right in pairing.names.items()}
    left, right = (
        tuple(twin.network.parameter_shapes()) if twin is not None else ()
        for twin in (both.left.twin, both.right.twin)
    )

    def scoped(scope: Any) -> Any:
        if not isinstance(scope, tuple):
            return scope
        some = {_kind(n) for n in right if n not in scope}
        whole = {_kind(n) for n in scope} - some
        named = {back[n] for n in scope if n in back}
        return tuple(n for n in left if n in named or _kind(n) in whole)

    def change(plan: Plan) -> Plan:
        now = plan.conventions
        penalties = tuple(
            changed(p, scope=scoped(p.scope)) if isinstance(p, L1 | L2) else p
            for p in now.penalties or ()
        )
        optimizer = now.optimizer
        if optimizer is not None:
            optimizer = changed(optimizer, decay_scope=scoped(optimizer.decay_scope))
        frozen = tuple(back[n] for n in now.frozen if n in back)
        conventions = replace(
            now, layers=layers, penalties=penalties, optimizer=optimizer, frozen=frozen
        )
        return replace(plan, conventions=conventions, structure="left")

    return change


def _kind(name: str) -> str:
    """What a parameter is in its layer, such as ``weight`` or ``bias``."""
    return name.rpartition(".")[2]


def _bias_absent(both: Both, side: str, layers: list[str], pairing: Pairing) -> Candidate:
    other = "right" if side == "left" else "left"
    bare, full = (both.left, both.right) if side == "left" else (both.right, both.left)

    def change(plan: Plan) -> Plan:
        stack = []
        for name, layer in plan.conventions.layers or ():
            if name in names:
                layer = changed(layer, bias=side == "right")
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


#: What left's values are read as, by what the catalogue calls the other layout.
READ_AS = {"dense-weight-layout": "y = x·W + b"}


def rearranged(both: Both, found: Sequence[Rearranged]) -> Iterator[Candidate]:
    """Values that were carried over in another layout than the function needs."""
    for id in dict.fromkeys(r.id for r in found):
        those = [r for r in found if r.id == id]
        names = tuple(r.name for r in those)
        worst = max(those, key=lambda r: r.measure.ratio)
        yield Candidate(
            id,
            "structure",
            names,
            READ_AS.get(id, "left's values as left reads them"),
            f"left's values in another layout ({those[0].words})",
            f"{', '.join(names)} of right holds left's values in another layout than its function "
            f"reads: {those[0].words}, they are left's. The shapes fit, so nothing raises.",
            tuple(
                Evidence(
                    f"{r.name}, {r.words}: right − left, against as handed over",
                    r.measure.difference,
                    0.0,
                    r.measure.difference,
                )
                for r in those
            ),
            both.fix(id, left="W", right="W"),
            start_from_left(names),
            verified="live",
            residual=worst.measure.difference,
            floor=worst.measure.floor,
        )
