"""An implementation that lives in another process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np

from netparity.conventions import Conventions
from netparity.implementations.base import Array, Implementation, Loss, Values, Watched
from netparity.implementations.process.process import Kept, Process


@final
class RemoteSide(Implementation):
    """One implementation in another process, read, driven and adjusted as any other.

    Its states stay where they are: ``state`` returns what stands for one.

    Args:
        process: where it lives.
        kept: the implementation there.
        about: what it says of itself, as ``worker.described`` writes it.
    """

    def __init__(self, process: Process, kept: Kept, about: Mapping[str, Any]) -> None:
        self._process = process
        self._kept = kept
        self._hear(about)

    def _hear(self, about: Mapping[str, Any]) -> None:
        self.name = about["name"]
        self.framework = about["framework"]
        self.version = about["version"]
        self.needs_data = about["needs_data"]
        self._trains: bool = about["trains"]
        self._abilities: frozenset[str] = about["abilities"]
        self._dtype: np.dtype[Any] = about["dtype"]

    def _do(self, method: str, *arguments: Any, **named: Any) -> Any:
        result, news = self._process.ask("drive", self._kept, method, *arguments, **named)
        if news is not None:
            self._hear(news)
        return result

    @property
    def trains(self) -> bool:
        """Whether its steps run in training mode, as it was handed over."""
        return self._trains

    def prepare(self, x: Array, y: Array | None) -> None:
        """Shows the side the data it will be driven with."""
        self._do("prepare", x, y)

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """What this side can do."""
        return self._abilities

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating dtype the side computes in."""
        return self._dtype

    def parameters(self) -> Values:
        """Copies of all trainable parameters."""
        return dict(self._do("parameters"))

    def declared(self, x: Array) -> Conventions:
        """What the side says of itself."""
        found: Conventions = self._do("declared", x)
        return found

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Writes parameters (some or all)."""
        self._do("set_parameters", dict(values))

    def buffers(self) -> Values:
        """Copies of what is kept but not trained."""
        return dict(self._do("buffers"))

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Writes buffers (some or all)."""
        self._do("set_buffers", dict(values))

    def moved_buffers(self, x: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The buffers after one forward pass in training mode; put back afterwards."""
        return dict(self._do("moved_buffers", x, draws=_listed(draws)))

    def state(self) -> Any:
        """What stands for everything a run changes, kept in the other process."""
        return self._do("state")

    def restore(self, state: Any) -> None:
        """Puts back what ``state`` stands for."""
        self._do("restore", state)

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions for ``x``."""
        predicted: Array = self._do("predict", x, training=training, draws=_listed(draws))
        return predicted

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The output of each layer, in order of execution."""
        return dict(self._do("activations", x, training=training, draws=_listed(draws)))

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shape of the draws each dropout takes."""
        return list(self._do("dropouts", x))

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The loss this side trains on."""
        given = {"training": training, "draws": _listed(draws), "weights": weights}
        loss: Loss = self._do("loss", x, y, **given)
        return loss

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction of our choosing."""
        return float(self._do("loss_of", prediction, y))

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of the training loss."""
        return dict(self._do("gradients", x, y, draws=_listed(draws), weights=weights))

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the side's own optimizer."""
        self._do("update", dict(gradients))

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """One whole training step."""
        self._do("step", x, y, draws=_listed(draws), weights=weights)

    def batches(self, x: Array, y: Array, epoch: int) -> Iterator[tuple[Array, Array]]:
        """What this side feeds, fetched one by one."""
        return self._fetched("batches", x, y, epoch)

    def weighted_batches(
        self, x: Array, y: Array, epoch: int
    ) -> Iterator[tuple[Array, Array, Array | None]]:
        """What this side feeds, each with the weights of its rows."""
        return self._fetched("weighted_batches", x, y, epoch)

    def _fetched(self, method: str, x: Array, y: Array, epoch: int) -> Iterator[Any]:
        begun = self._process.ask("begin", self._kept, method, x, y, epoch)
        return iter(lambda: self._process.ask("next_batch", begun), None)

    def end_epoch(self) -> None:
        """An epoch of steps has ended."""
        self._do("end_epoch")

    def preprocess(self, x: Array, y: Array | None) -> tuple[Array, Array | None]:
        """The data as this side makes it of the raw one."""
        x, y = self._do("preprocess", x, y)
        return x, y

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows this side holds out."""
        x, y = self._do("validation", x, y)
        return x, y

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Runs as its author runs it and records what happens."""
        watched: Watched = self._do(
            "watch", x, y, epochs=epochs, batch_size=batch_size, limit=limit
        )
        return watched

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Makes the live side follow ``wanted``."""
        return bool(self._do("adjust", wanted, x))


def _listed(draws: Sequence[Array] | None) -> list[Array] | None:
    return None if draws is None else list(draws)
