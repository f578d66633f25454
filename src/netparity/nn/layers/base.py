"""What every layer of the reference network is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from netparity.nn.arrays import FRESH, Array, Memory

#: From the gradient at a layer's output to the gradient at its input and, by name, the
#: gradients of its parameters (and, for a layer with sources, at each of them).
Backward = Callable[[Array], tuple[Array, dict[str, Array]]]


@final
@dataclass(frozen=True, slots=True)
class Context:
    """What a layer is told of the pass it takes part in.

    Attributes:
        training: whether the network trains (only some layers care).
        draw: uniform numbers in [0, 1), for layers that take a draw, in training.
        others: the outputs of the layer's ``sources``, in their order.
        memory: where arrays for outputs and intermediate values come from.
        disturb: what is done in place to values that a layer keeps for its way back, to see
            what their rounding does there; nothing in use.
        updates: where a layer with buffers puts their new values in training, by the
            buffer's own name: new arrays, the old ones are left as they are.
    """

    training: bool = False
    draw: Array | None = None
    others: tuple[Array, ...] = ()
    memory: Memory = FRESH
    updates: dict[str, Array] | None = None
    disturb: Callable[[Array], None] | None = None


#: A pass in inference mode.
INFERENCE = Context()


class Layer(ABC):
    """One layer: its parameters' shapes, its forward pass and, with it, its backward pass.

    A layer is a small frozen dataclass whose fields are its sizes and its conventions. It
    holds no values: parameters come in as arrays, and it knows neither optimizer nor loss.

    Attributes:
        takes_draw: whether the layer needs uniform random numbers in training.
        takes_tokens: whether its input is whole numbers, which have no noise and no gradient.
    """

    __slots__ = ()
    takes_draw: ClassVar[bool] = False
    takes_tokens: ClassVar[bool] = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by name; none by default."""
        return {}

    def fans(self, parameter: str = "weight") -> tuple[int, int]:
        """Inputs and outputs that a weight connects, for laws of initial values.

        By default the first and the last axis of the weight, the axes before the last taken
        together; for what is no weight (a bias, a scale) those of ``"weight"``.

        Args:
            parameter: the parameter's own name.
        """
        shapes = self.shapes()
        name = parameter if parameter.endswith("weight") else "weight"
        shape = shapes.get(name, (1, 1))
        return math.prod(shape[:-1]), shape[-1]

    def buffers(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """Shape and first value of what is kept but not trained, by name; none by default."""
        return {}

    def draw_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the draw for an input of a shape; that of the input by default."""
        return shape

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of earlier layers whose outputs the layer takes too; none by default."""
        return ()

    @abstractmethod
    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Runs the layer forward.

        Args:
            parameters: the layer's own parameters and buffers by name, in the dtype of ``x``.
            x: a batch ``(N, …)``, float32 or float64; not changed.
            context: the pass it takes part in.

        Returns:
            The output, in the dtype of ``x``, and the backward pass: a function from the
            gradient at the output to the gradient at ``x`` and those of the parameters. It
            changes neither ``x`` nor the gradient it is given.

        Raises:
            InputError: ``x`` has not the shape that the layer takes.
        """
