"""Feeds the draws of dropout in a JAX program."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from netparity.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


class Draws:
    """Takes the place of ``jax.random.bernoulli`` while a network is traced.

    A unit is kept, with probability p, where its draw is at least 1 − p.

    Args:
        given: one array for each dropout, in order; ``None`` keeps every second unit.

    Attributes:
        shapes: of the draws that the last pass took.
    """

    def __init__(self, given: Sequence[Array] | None) -> None:
        self.given = given
        self.shapes: list[tuple[int, ...]] = []

    @contextlib.contextmanager
    def fed(self) -> Iterator[None]:
        """While it lasts, dropout takes the draws; each pass takes them from the start."""
        own = jax.random.bernoulli
        jax.random.bernoulli = self._mask
        try:
            yield
        finally:
            jax.random.bernoulli = own

    def restart(self) -> None:
        """A pass begins."""
        self.shapes.clear()

    def finish(self) -> None:
        """A pass has ended.

        Raises:
            InputError: it took fewer draws than there are.
        """
        if self.given is not None and len(self.shapes) != len(self.given):
            raise InputError(
                f"draws for another number of dropouts: expected {len(self.shapes)}; received "
                f"{len(self.given)}"
            )

    def _mask(self, key: Any, p: Any = 0.5, shape: Any = None, **others: Any) -> Any:
        shape = tuple(np.shape(p) if shape is None else shape)
        self.shapes.append(shape)
        return jnp.asarray(self._draw(shape) >= 1 - np.asarray(p))

    def _draw(self, shape: tuple[int, ...]) -> Array:
        index = len(self.shapes) - 1
        if self.given is None:
            return (np.arange(int(np.prod(shape))) % 2).astype(float).reshape(shape)
        if index >= len(self.given) or np.shape(self.given[index]) != shape:
            few = index >= len(self.given)
            received = f"{len(self.given)} draws" if few else np.shape(self.given[index])
            raise InputError(
                f"draw {index + 1} of a dropout: expected shape {shape}; received {received}"
            )
        return np.asarray(self.given[index])
