"""What a pair is made from: one neutral description a side, and the changes between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from benchmarks.pairs.feeding import Feeding
from benchmarks.pairs.preparing import Preparing

from netparity import nn

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]
Layers = tuple[tuple[str, nn.Layer], ...]
DType = Literal["float32", "float64"]


class Unable(Exception):
    """A renderer cannot express a description."""


@dataclass(frozen=True, slots=True)
class Description:
    """What one side computes, as pieces of the reference network.

    Attributes:
        layers: names and layers, in order.
        loss: the loss of the data.
        optimizer: the update rule.
        initial: parameter (``"dense1.weight"``) → value, float64, exact in float32.
        penalties: terms added to the loss.
        clipping: a bound on the gradients, or ``None``.
        dtype: of the arithmetic.
        bugs: mistakes by name, which only a program written out by hand can contain.
        row: the shape of a row of inputs, where it is not that of the first dense layer:
            (H, W, C) of images, (T, D) of sequences.
        feeding: how the rows are fed, where the program feeds itself.
        preparing: what is made of the raw rows first, or ``None``.
        schedule: of the learning rate by steps, or ``None`` where it is constant.
        report: what it prints after each update, ``"loss"``, ``"data loss"`` or ``"tenfold"``.
    """

    layers: Layers
    loss: nn.Loss
    optimizer: nn.Optimizer
    initial: Mapping[str, Array] = field(repr=False)
    penalties: tuple[nn.Penalty, ...] = ()
    clipping: nn.Clipping | None = None
    dtype: DType = "float64"
    bugs: tuple[str, ...] = ()
    row: tuple[int, ...] = ()
    feeding: Feeding | None = None
    preparing: Preparing | None = None
    schedule: Any = None
    report: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row of inputs."""
        return self.row or (int(self.of_kind(nn.Affine)[0][1].inputs),)

    def with_layer(self, name: str, layer: nn.Layer) -> Description:
        """The same with one layer in another's place."""
        layers = tuple((n, layer if n == name else old) for n, old in self.layers)
        return dataclasses.replace(self, layers=layers)

    def of_kind(self, *kinds: type[nn.Layer]) -> list[tuple[str, Any]]:
        """The layers of some classes, with their names."""
        return [(n, layer) for n, layer in self.layers if isinstance(layer, kinds)]


@dataclass(frozen=True, slots=True)
class Change:
    """One convention changed on a side.

    Attributes:
        id: the cause that it is.
        stage: the stage that the cause belongs to.
        what: in words, for the list of failures.
        apply: makes the changed description.
        touches: what it is about; two changes of one pair touch nothing in common.
        same: further ids that no number can tell from this one.
    """

    id: str
    stage: str
    what: str
    apply: Callable[[Description], Description] = field(repr=False)
    touches: tuple[str, ...]
    same: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Style:
    """How a program is written, which is no convention.

    Attributes:
        exposure: what a from-scratch program shows: ``functions`` (loss, gradients, update),
            ``gradients`` (gradients and update), ``steps`` (loss and step), ``step`` alone.
        product: how it sums its products: ``plain``, ``backwards``, ``chunks``.
        transposed: whether its weights lie as (outputs, inputs).
        threads: of the framework, where it has any.
    """

    exposure: Literal["functions", "gradients", "steps", "step"] = "functions"
    product: Literal["plain", "backwards", "chunks"] = "plain"
    transposed: bool = False
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides, the changes made on the right one, and what both are run on.

    ``stages`` are the descriptions from the unchanged one to that with all changes.
    """

    seed: int
    index: int
    left_kind: str
    right_kind: str
    left_style: Style
    right_style: Style
    stages: tuple[Description, ...]
    changes: tuple[Change, ...]
    x: Array = field(repr=False)
    y: Array = field(repr=False)
    network: str
    scale: float
    steps: int
    batch_size: int

    @property
    def base(self) -> Description:
        """What left computes."""
        return self.stages[0]

    @property
    def changed(self) -> Description:
        """What right computes."""
        return self.stages[-1]

    @property
    def kinds(self) -> str:
        """Both kinds, such as ``numpy-torch``."""
        return f"{self.left_kind}-{self.right_kind}"


def only(piece: Any, *handled: str) -> None:
    """Raises unless every field but those named is at its default.

    A renderer that forgets a field would make another program than the description says.

    Args:
        piece: a dataclass.
        *handled: the fields that the caller reads.

    Raises:
        Unable: another field is set.
    """
    for f in dataclasses.fields(piece):
        if f.name in handled:
            continue
        default = f.default if f.default is not dataclasses.MISSING else None
        if getattr(piece, f.name) != default:
            raise Unable(f"{type(piece).__name__}.{f.name}={getattr(piece, f.name)!r}")


def within(scope: Any, full: str) -> bool:
    """Whether a scope covers a parameter.

    Raises:
        Unable: the scope is none that is used here.
    """
    if isinstance(scope, tuple):
        return full in scope
    if scope == "all":
        return True
    if scope == "weights":
        return full.endswith("weight")
    raise Unable(f"scope {scope!r}")
