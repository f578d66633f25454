"""What every layer of the reference network is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from netparity.nn.arrays import Array

#: From the gradient at a layer's output to the gradient at its input and, by name, the
#: gradients of its parameters.
Backward = Callable[[Array], tuple[Array, dict[str, Array]]]


class Layer(ABC):
    """One layer: its parameters' shapes, its forward pass and, with it, its backward pass.

    A layer is a small frozen dataclass whose fields are its sizes and its conventions. It
    holds no values: parameters come in as arrays, and it knows neither optimizer nor loss.

    Attributes:
        takes_draw: whether the layer needs uniform random numbers in training.
    """

    __slots__ = ()
    takes_draw: ClassVar[bool] = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by name; none by default."""
        return {}

    @abstractmethod
    def apply(
        self,
        parameters: Mapping[str, Array],
        x: Array,
        *,
        training: bool = False,
        draw: Array | None = None,
    ) -> tuple[Array, Backward]:
        """Runs the layer forward.

        Args:
            parameters: the layer's own parameters by name, in the dtype of ``x``.
            x: a batch ``(N, …)``, float32 or float64; not changed.
            training: whether the network trains (only some layers care).
            draw: uniform numbers in [0, 1) in the shape of ``x``, for layers that take one.

        Returns:
            The output, in the dtype of ``x``, and the backward pass: a function from the
            gradient at the output to the gradient at ``x`` and those of the parameters.

        Raises:
            InputError: ``x`` has not the shape that the layer takes.
        """
