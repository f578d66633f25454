"""What an implementation computes, in framework-neutral dataclasses.

The pieces are those of the reference network: a layer, loss, penalty or optimizer of
``netparity.nn`` *is* the statement of its conventions, each switch a field. So whatever
is written down here can be run (as a twin), compared field by field, and changed with
``dataclasses.replace``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from netparity.layouts import Move, Place
from netparity.nn import Clipping, Law, Layer, Loss, Optimizer, Penalty, Schedule

_Piece = TypeVar("_Piece", Law, Layer, Loss, Optimizer, Penalty, Clipping)


def changed(piece: _Piece, **fields: Any) -> _Piece:
    """A layer, loss, penalty, optimizer or law with some of its switches set otherwise.

    Args:
        piece: any of the reference network's dataclasses.
        **fields: switch → value.

    Raises:
        TypeError: the piece has no such switch.

    Example:
        >>> from netparity.nn import SGD
        >>> changed(SGD(learning_rate=0.1), momentum=0.9).momentum
        0.9
    """
    anything: Any = piece
    result: _Piece = dataclasses.replace(anything, **fields)
    return result


def switches(piece: Layer | Loss | Optimizer | Clipping) -> tuple[str, ...]:
    """The names of a piece's switches."""
    anything: Any = piece
    return tuple(f.name for f in dataclasses.fields(anything))


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A bug: gradients of one layer stored in another's place.

    ``weights[name]`` is ``(delta, input)``: the parameter ``name`` receives
    ``input(layer b)ᵀ · delta(layer a)``; ``biases[name]`` is the layer whose summed delta it
    receives. Layers are named as in the twin.
    """

    weights: Mapping[str, tuple[str, str]]
    biases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Factored:
    """The gradient is a multiple of the true one (all parameters, or those named).

    The multiple is ``factor · N^rows_power`` for a batch of N rows: a division by the batch
    that is missing (1) or made twice (−1). ``whole``: of the penalties' gradient as well.
    """

    factor: float
    parameters: tuple[str, ...] | None = None
    rows_power: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Slope:
    """A bug: a layer passes gradients back by a rule that is not its derivative.

    Attributes:
        layer: its name in the twin.
        rule: the derivative is ``left out`` (dx = dy); only the ``diagonal`` of a Jacobian
            (dx = dy·y·(1 − y)); taken ``of the output`` as if that were the input; or its
            formula for outputs is taken ``of the input``.
        head: the layer itself, where it is a softmax or sigmoid set apart from the network.
        loss: that of the head's output.
    """

    layer: str
    rule: Literal["left out", "diagonal", "of the output", "of the input"]
    head: Layer | None = None
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class Unbounded:
    """No bug: the gradient is of the loss without what keeps its logarithm finite, ``p − y``."""


@dataclass(frozen=True, slots=True)
class OverClasses:
    """No bug by itself: ``p − y`` behind a softmax that is taken over something else.

    ``layer`` is the softmax. Once its axis is right, so is the gradient.
    """

    layer: str


@dataclass(frozen=True, slots=True)
class Piled:
    """A bug: nobody clears the gradients, and each is added to those of the calls before.

    ``in_step``: whole steps alone do so; gradients that are asked for by themselves are right.
    """

    in_step: bool = True


#: What happens to the gradients between the backward pass and the update rule. A ``Factored``
#: stands for all parameters, and for what a step does beside the gradients that are shown.
StepFault = Piled | Factored

GradientFault = Misplaced | Factored | Slope | Unbounded | OverClasses


def bugs(faults: Iterable[GradientFault]) -> tuple[Misplaced | Factored | Slope, ...]:
    """Those of a backward pass's peculiarities that are mistakes."""
    return tuple(f for f in faults if not isinstance(f, Unbounded | OverClasses))


def no_bugs(faults: Iterable[GradientFault]) -> tuple[Unbounded | OverClasses, ...]:
    """Those that are none."""
    return tuple(f for f in faults if isinstance(f, Unbounded | OverClasses))


@dataclass(frozen=True, slots=True)
class Feeding:
    """How a side feeds its data.

    ``order``: ``sequential``; ``shuffled`` (each row once an epoch, another order);
    ``replacement`` (rows drawn with replacement).
    """

    batch_size: int
    order: Literal["sequential", "shuffled", "replacement"] = "sequential"
    partial: Literal["kept", "dropped", "none"] = "none"


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a side reports under one name.

    ``moment``: evaluated ``before`` or ``after`` the update; ``dropout``: whether dropout was
    on; ``average``: of the ``batch``, a ``running`` mean over the epoch's batches so far, or
    the ``epoch`` mean; ``factor`` and ``offset`` against the loss the side trains on.
    """

    kind: Literal["loss", "accuracy", "other"]
    penalty: bool = False
    moment: Literal["before", "after", "any"] = "any"
    dropout: Literal["on", "off", "none"] = "none"
    average: Literal["batch", "running", "epoch", "any"] = "any"
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Conventions:
    """The full set of one side's choices; ``None`` (or empty) where nothing is known.

    Attributes:
        layers: the network, in order of execution, as (name, layer) of ``netparity.nn``.
        places: twin parameter or buffer (``"dense1.weight"``) → where the side keeps it.
        draw_moves: what makes the side's draws of each dropout the twin's, where they lie
            otherwise.
        loss: the data loss.
        penalties: penalties inside the loss.
        optimizer: the update rule with its constants (as effective in the side's
            arithmetic: a constant that the framework rounds to float32 stands rounded).
        clipping: what keeps the gradients in bounds before the update; ``None`` where nothing
            does, or nothing is known.
        schedule: the learning rate by the number of steps, or epochs, made before; ``None``
            where nothing is known of one, and where the rate is the optimizer's throughout.
            The optimizer's ``learning_rate`` is then the schedule's first that is not 0.
        schedule_every: what the schedule counts.
        laws: law of the initial values per twin parameter name.
        faults: bugs of the backward pass.
        step_faults: bugs between the backward pass and the update rule, in their order.
        frozen: parameters (by the twin's names) that the side never moves.
        trains: whether its steps run in training mode, as it was handed over; of a side without
            steps, whether its bare calls do.
        feeding: how data is fed.
        quantities: what is reported, by the side's own names.
        texts: how the side itself writes a setting (``{"optimizer.epsilon": "epsilon=1e-08"}``).
    """

    layers: tuple[tuple[str, Layer], ...] | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    draw_moves: tuple[tuple[Move, ...], ...] = ()
    loss: Loss | None = None
    penalties: tuple[Penalty, ...] | None = None
    optimizer: Optimizer | None = None
    clipping: Clipping | None = None
    schedule: Schedule | None = None
    schedule_every: Literal["step", "epoch"] = "step"
    laws: Mapping[str, Law] = field(default_factory=dict)
    faults: tuple[GradientFault, ...] = ()
    step_faults: tuple[StepFault, ...] = ()
    frozen: tuple[str, ...] = ()
    trains: bool = True
    feeding: Feeding | None = None
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


__all__ = [
    "Conventions",
    "Factored",
    "Feeding",
    "GradientFault",
    "Misplaced",
    "Piled",
    "Place",
    "Quantity",
    "StepFault",
    "changed",
    "switches",
]
