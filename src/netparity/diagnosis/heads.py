"""The last softmax or sigmoid of a network: set apart on one side, a layer still on the other."""

from __future__ import annotations

from netparity.diagnosis.bench import Bench
from netparity.diagnosis.twin import Twin
from netparity.nn import Identity, Layer


def head_of(bench: Bench, twin: Twin) -> Layer:
    """What a twin's predictions still have to go through to be compared with the other side's.

    A head is set apart where a loss undoes it. A side of which no such loss is known ends in
    the same layer, and its predictions have been through it.
    """
    head = bench.left.head or bench.right.head
    layers = twin.conventions.layers
    if head is None or (layers and layers[-1][1] == head):
        return Identity()
    return head


def headed(twin: Twin, head: Layer) -> Twin:
    """The twin with one more layer at its end, as predictions go through it."""
    layers = twin.conventions.layers or ()
    if isinstance(head, Identity):
        return twin.with_(loss=None)
    name = "head"
    while name in dict(layers):
        name += "_"
    return twin.with_(layers=(*layers, (name, head)), loss=None)
