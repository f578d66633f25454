"""The embedding: a learned vector for each token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer

#: Elements of a gradient that are summed at a time, so that their places stay in the cache.
_BLOCK = 32768


@final
@dataclass(frozen=True, slots=True)
class Embedding(Layer):
    """A row of the weight for each token.

    ``y[n, …] = W[x[n, …]]``; backward ``dW[k] = Σ dy`` over all places where the token is k,
    and the gradient at ``x``, which has no slope, is 0.

    Args:
        tokens: number V of tokens; they count from 0.
        dimensions: number E of dimensions of a vector.

    Shapes: ``x`` (N, …) of whole numbers from 0 to V − 1, in the dtype of the network;
    ``weight`` (V, E); ``y`` (N, …, E).

    Raises:
        InputError: a number in ``x`` is not whole or out of range, or the dtype of ``x`` does
            not tell so many tokens apart.

    Example:
        >>> weight = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> y, backward = Embedding(2, 2).apply({"weight": weight}, np.array([[1.0, 1.0]]))
        >>> y
        array([[[3., 4.],
                [3., 4.]]])
        >>> backward(np.ones((1, 2, 2)))[1]["weight"]
        array([[0., 0.],
               [2., 2.]])

    Source: Y. Bengio et al., "A neural probabilistic language model", JMLR 3 (2003).

    **Parity** (`embedding-init`, `embedding-duplicate-rows`): the weight is (V, E) everywhere.
    torch and JAX count E as its fan in, and so does ``fans`` here; Keras counts V. The gradient
    is the sum over all places, before anything else is done with it; Keras on TensorFlow hands
    it on in pieces, which some of its optimizers and its clipping take one by one. Keras cuts
    fractions off. A token past the last raises in torch and in TensorFlow on a CPU and gives NaN
    in Flax; Keras and Flax count negative ones from the end.
    """

    tokens: int
    dimensions: int
    takes_tokens: ClassVar[bool] = True

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight`` (V, E)."""
        return {"weight": (self.tokens, self.dimensions)}

    def fans(self, parameter: str = "weight") -> tuple[int, int]:
        """E and V, as torch and JAX count."""
        return self.dimensions, self.tokens

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Looks the tokens up (see ``Layer.apply``)."""
        weight, memory = parameters["weight"], context.memory
        places = self._places(x, memory)
        y = memory.empty("y", (*x.shape, self.dimensions), weight.dtype)
        # Anything but "raise" writes to the result directly; all are known to be in range.
        np.take(weight, places, axis=0, out=y, mode="clip")

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = memory.empty("dx", x.shape, weight.dtype)
            dx.fill(0.0)
            dweight = memory.empty("dweight", weight.shape, weight.dtype)
            dweight.fill(0.0)
            _add_rows(dweight, places.reshape(-1), dy, memory)
            return dx, {"weight": dweight}

        return y, backward

    def _places(self, x: Array, memory: Memory) -> Array:
        """The tokens as integers, checked."""
        # One more than the last whole number up to which the dtype lacks none.
        most = 2 ** (np.finfo(x.dtype).nmant + 1) + 1 if x.dtype.kind == "f" else self.tokens
        if self.tokens > most:
            raise InputError(
                f"more tokens than the dtype tells apart. Expected at most {most} in {x.dtype}. "
                f"Received: {self.tokens}",
                hint="use parameters in float64",
            )
        places = memory.empty("places", x.shape, np.intp)
        # What is no number has no integer; it fails the comparison below.
        with np.errstate(invalid="ignore"):
            np.copyto(places, x, casting="unsafe")
        whole = memory.empty("whole", x.shape, x.dtype)
        np.copyto(whole, places, casting="unsafe")
        differ = np.not_equal(whole, x, out=memory.empty("differ", x.shape, bool))
        if x.size and (differ.any() or places.min() < 0 or places.max() >= self.tokens):
            wrong = differ | (places < 0) | (places >= self.tokens)
            where = tuple(int(k) for k in np.argwhere(wrong)[0])
            raise InputError(
                f"input {list(where)} is no token. Expected whole numbers from 0 to "
                f"{self.tokens - 1}. Received: {x[where]!s}"
            )
        return places


def _add_rows(target: Array, places: Array, rows: Array, memory: Memory) -> None:
    """Adds each row to the row of the target at its place, in the order of the rows."""
    count, width = len(places), target.shape[1]
    # Of single elements, NumPy's unbuffered addition is ten times as fast as of rows.
    several = max(1, _BLOCK // max(1, width))
    elements = memory.empty("elements", (several, width), np.intp)
    columns, flat = np.arange(width), target.reshape(-1)
    rows = rows.reshape(count, width)
    for start in range(0, count, several):
        stop = min(count, start + several)
        chosen = elements[: stop - start]
        np.multiply(places[start:stop, np.newaxis], width, out=chosen)
        chosen += columns
        np.add.at(flat, chosen.reshape(-1), rows[start:stop].reshape(-1))
