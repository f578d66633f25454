"""A side whose inputs have their axes in another order than those of the other side.

What its author prepares as NCHW is the other's NHWC with its axes turned: given the other's
inputs, this one turns them first, and all that is compared has one order of axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions
from netparity.implementations.base import Array, Implementation, Loss, Values, Watched
from netparity.nn import Permute


class Turned(Implementation):
    """An implementation that is given inputs with their axes in another order.

    Args:
        side: the implementation itself.
        axes: for each axis of what it takes, which one of the inputs given here it is.
    """

    def __init__(self, side: Implementation, axes: Sequence[int]) -> None:
        self.side = side
        self.axes = tuple(axes)
        self.back = tuple(int(i) for i in np.argsort(self.axes))
        self.name, self.framework, self.version = side.name, side.framework, side.version
        self.needs_data = side.needs_data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.side, name)

    def _in(self, x: Array) -> Array:
        return np.ascontiguousarray(np.transpose(x, self.axes))

    def _out(self, x: Array) -> Array:
        return np.ascontiguousarray(np.transpose(x, self.back))

    # ---- read -------------------------------------------------------------------------
    @property
    def trains(self) -> bool:
        """As the side itself."""
        return self.side.trains

    def prepare(self, x: Array, y: Array | None) -> None:
        """As the side itself, on turned inputs."""
        self.side.prepare(self._in(x), y)

    @property
    def abilities(self) -> frozenset[str]:
        """As the side itself."""
        return self.side.abilities

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the side itself."""
        return self.side.dtype

    def parameters(self) -> Values:
        """As the side itself."""
        return self.side.parameters()

    def declared(self, x: Array) -> Conventions:
        """What the side says of itself, after a first layer that turns the axes."""
        said = self.side.declared(self._in(x))
        if said.layers is None:
            return said
        return replace(said, layers=(("turned", Permute(self.axes)), *said.layers))

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """As the side itself."""
        self.side.set_parameters(values)

    def buffers(self) -> Values:
        """Copies of what is kept but not trained."""
        return self.side.buffers()

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Writes buffers."""
        self.side.set_buffers(values)

    def moved_buffers(self, x: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The buffers after one forward pass in training mode."""
        return self.side.moved_buffers(self._in(x), draws=draws)

    def state(self) -> Any:
        """As the side itself."""
        return self.side.state()

    def restore(self, state: Any) -> None:
        """As the side itself."""
        self.side.restore(state)

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """As the side itself, of turned inputs."""
        return self.side.predict(self._in(x), training=training, draws=draws)

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """As the side itself, of turned inputs."""
        return self.side.activations(self._in(x), training=training, draws=draws)

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """As the side itself, of turned inputs."""
        return self.side.dropouts(self._in(x))

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """As the side itself, of turned inputs."""
        return self.side.loss(self._in(x), y, training=training, draws=draws, weights=weights)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """As the side itself."""
        return self.side.loss_of(prediction, y)

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """As the side itself, of turned inputs."""
        return self.side.gradients(self._in(x), y, draws=draws, weights=weights)

    def update(self, gradients: Mapping[str, Array]) -> None:
        """As the side itself."""
        self.side.update(gradients)

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """As the side itself, on turned inputs."""
        self.side.step(self._in(x), y, draws=draws, weights=weights)

    def batches(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
        """What the side feeds, turned back."""
        for batch_x, batch_y in self.side.batches(self._in(x), y, epoch):
            yield self._out(batch_x), batch_y

    def weighted_batches(
        self, x: Array, y: Array, epoch: int
    ) -> Iterable[tuple[Array, Array, Array | None]]:
        """What the side feeds, turned back."""
        for batch_x, batch_y, weights in self.side.weighted_batches(self._in(x), y, epoch):
            yield self._out(batch_x), batch_y, weights

    def end_epoch(self) -> None:
        """As the side itself."""
        self.side.end_epoch()

    def preprocess(self, x: Array, y: Array | None) -> tuple[Array, Array | None]:
        """What the side makes of the raw data, turned back."""
        prepared, targets = self.side.preprocess(x, y)
        return self._out(prepared), targets

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows the side holds out, turned back."""
        held, targets = self.side.validation(self._in(x), y)
        return self._out(held), targets

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """As the side itself, from the raw data; what it fed is turned back."""
        seen = self.side.watch(x, y, epochs=epochs, batch_size=batch_size, limit=limit)
        return replace(seen, fed=tuple((self._out(a), b) for a, b in seen.fed))

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """As the side itself, whose network begins after the turn."""
        layers = wanted.layers
        if layers and layers[0][0] == "turned":
            wanted = replace(wanted, layers=layers[1:])
        return self.side.adjust(wanted, self._in(x))
