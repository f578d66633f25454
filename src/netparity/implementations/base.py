"""What the pipeline asks of an implementation, whatever framework it is written in.

Every adapter in this folder is a final class that inherits ``Implementation`` and has
the same shape: *read* it, *drive* it stage by stage, *adjust* it. Values cross this
border as NumPy arrays in the side's own layout and in its working dtype; nothing of the
framework leaks out. What a side cannot do is not in ``abilities`` and raises
``CannotError``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions
from netparity.errors import CannotError

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]

#: ``loss``: loss(x, y). ``loss-of``: loss of a chosen prediction. ``gradients``: of that loss.
#: ``update``: the optimizer on gradients of our choosing. ``step``: one whole step.
#: ``activations``: values between the layers. ``draws``: takes dropout's uniform draws.
#: ``penalty``: the penalty apart from the loss. ``train-step``: ``step`` is the author's own
#: whole step. ``weights``: rows can be weighted. ``schedule``: the learning rate follows one.
#: ``report``, ``result``, ``validation``, ``batches``, ``preprocess``: the author gave that
#: function. ``adjust``: can change a convention live.
ABILITIES: Final = frozenset(
    {
        "loss", "loss-of", "gradients", "update", "step", "activations", "draws", "penalty",
        "train-step", "weights", "schedule", "report", "result", "validation", "batches",
        "preprocess", "adjust",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss as one side computes it: the sum, and its parts where they are known."""

    total: float
    data: float | None = None
    penalty: float | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """What a side printed: at which step (1-based, after that many updates), under which name."""

    step: int
    epoch: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Watched:
    """A run as its author runs it, watched without a probe in between.

    ``states[t]`` is the full state before update ``t`` and ``states[-1]`` the one after the
    last; ``fed[t]`` the ``(x, y)`` of update ``t``; ``weights[t]`` those of its rows, ``None``
    where all count alike; ``epochs[t]`` its epoch.
    """

    states: tuple[Any, ...]
    fed: tuple[tuple[Array, Array], ...]
    epochs: tuple[int, ...]
    reported: tuple[Reported, ...]
    report_every: str = "step"
    results: tuple[tuple[int, Mapping[str, Array]], ...] = ()
    aliased: bool | None = None
    notes: tuple[str, ...] = field(default=())
    weights: tuple[Array | None, ...] = ()


class Implementation(ABC):
    """One network with its loss and optimizer, which netparity can read, drive and adjust."""

    name: str = "implementation"
    framework: str = "numpy"
    version: str = ""
    #: Whether the side must see the data before it is driven: it draws its parameters from
    #: their shapes, or its feeding depends on their number.
    needs_data: bool = False

    @property
    def trains(self) -> bool:
        """Whether its steps run in training mode, as it was handed over.

        Of a side without steps: whether its bare calls do.
        """
        return "step" in self.abilities

    def prepare(self, x: Array, y: Array | None) -> None:
        """Shows the side the data it will be driven with (``needs_data``)."""
        return

    # ---- read -------------------------------------------------------------------------
    @property
    @abstractmethod
    def abilities(self) -> frozenset[str]:
        """What this side can do, out of ``ABILITIES`` (``predict`` always)."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The floating dtype the side computes in."""

    @abstractmethod
    def parameters(self) -> Values:
        """Copies of all trainable parameters, in order of definition, in the side's layout."""

    @abstractmethod
    def declared(self, x: Array) -> Conventions:
        """What the side says of itself; ``None`` in each field it says nothing about.

        ``x`` is a small batch (three rows) to run the network on where order of execution
        has to be seen.
        """

    # ---- drive ------------------------------------------------------------------------
    @abstractmethod
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Writes parameters (some or all) in the side's own layout."""

    def buffers(self) -> Values:
        """Copies of what is kept but not trained (running statistics), in the side's layout."""
        return {}

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Writes buffers (some or all) in the side's own layout."""
        if values:
            raise CannotError("buffers")

    def moved_buffers(self, x: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The buffers after one forward pass in training mode; put back afterwards."""
        return {}

    @abstractmethod
    def state(self) -> Any:
        """Everything a run changes: parameters, buffers, optimizer state, own generators."""

    @abstractmethod
    def restore(self, state: Any) -> None:
        """Puts back what ``state`` returned."""

    @abstractmethod
    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions for ``x``, ``(N, …)``.

        ``draws`` holds one array of uniform numbers in [0, 1) for each dropout, in order of
        execution; a unit is kept where its draw is at least that side's *drop* rate.
        """

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The output of each layer, in order of execution."""
        raise CannotError("activations")

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shape of the draws each dropout takes for the batch ``x``, in order."""
        return []

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The loss this side trains on, at its present parameters.

        ``weights``, ``(N,)``, says how much each row counts, beside its class's weight.
        """
        raise CannotError("loss")

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss (no penalty) of a prediction of our choosing."""
        raise CannotError("loss-of")

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of the training loss, in the side's layout, penalties in the loss included."""
        raise CannotError("gradients")

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the side's own optimizer on the gradients given."""
        raise CannotError("update")

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """One whole training step as this side makes it."""
        raise CannotError("step")

    def batches(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
        """What this side feeds in epoch ``epoch`` (0-based); the author's own, where given."""
        raise CannotError("batches")

    def weighted_batches(
        self, x: Array, y: Array, epoch: int
    ) -> Iterable[tuple[Array, Array, Array | None]]:
        """What ``batches`` gives, each with the weights of its rows (``None``: all alike)."""
        for batch_x, batch_y in self.batches(x, y, epoch):
            yield batch_x, batch_y, None

    def end_epoch(self) -> None:
        """An epoch of steps has ended: a schedule that counts epochs moves on."""
        return

    def preprocess(self, x: Array, y: Array | None) -> tuple[Array, Array | None]:
        """The data as this side makes it of the raw one; every other method takes the former.

        ``watch`` alone is given the raw data, as the author is.
        """
        return x, y

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows this side holds out."""
        raise CannotError("validation")

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Runs as its author runs it, at most ``limit`` updates, and records what happens."""
        raise CannotError("report")

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Makes the live side follow ``wanted`` where that differs from what it declares.

        Returns whether it could (``False`` leaves it untouched). ``restore`` does not undo
        an adjustment; ``adjust`` with the declared conventions does.
        """
        return False
