"""The loops of ``kernels`` in NumPy: several passes each, over pieces that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, final

import numpy as np

from netparity.nn.arrays import Array, Memory
from netparity.nn.functions import log_softmax

Kernel = Callable[..., Any]

#: Elements taken at a time by the updates: few enough for the cache, many enough that the
#: calls themselves cost little (256 KiB in float32).
BLOCK = 65_536


@final
class PlainKernels:
    """The same functions as the compiled module ``kernels``, under the same names.

    What they need for intermediate values is allocated once and kept.
    """

    def __init__(self) -> None:
        self._memory = Memory(reuse=True)

    # ---- forward and backward -----------------------------------------------------------
    def add_bias(self, y: Array, bias: Array) -> None:
        """``y += bias``."""
        np.add(y, bias, out=y)

    def add_bias_relu(self, y: Array, bias: Array) -> None:
        """``y = max(y + bias, 0)``."""
        np.add(y, bias, out=y)
        # NumPy is three times as fast with a row of zeros as with the number.
        zeros = self._memory.empty("zeros", bias.shape, bias.dtype)
        zeros[...] = 0.0
        np.maximum(y, zeros, out=y)

    def finish_sigmoid(self, y: Array, decay: Array) -> None:
        """``1/(1 + exp(−y))`` for ``decay = exp(−|y|)``."""
        negative = np.less(y, 0, out=self._memory.empty("mask", y.shape, bool))
        np.add(decay, 1.0, out=y)
        np.copyto(decay, 1.0, where=np.logical_not(negative, out=negative))
        np.divide(decay, y, out=y)

    def relu_backward(self, dy: Array, y: Array, dz: Array, dbias: Array) -> None:
        """``dz = dy`` where ``y > 0``, else 0; ``dbias = Σₙ dz``."""
        positive = np.greater(y, 0, out=self._memory.empty("mask", y.shape, bool))
        np.multiply(dy, positive, out=dz)
        self.sum_rows(dz, dbias)

    def sigmoid_backward(self, dy: Array, y: Array, dz: Array, dbias: Array) -> None:
        """``dz = dy (1 − y) y``; ``dbias = Σₙ dz``."""
        np.subtract(1.0, y, out=dz)
        np.multiply(dz, dy, out=dz)
        np.multiply(dz, y, out=dz)
        self.sum_rows(dz, dbias)

    def tanh_backward(self, dy: Array, y: Array, dz: Array, dbias: Array) -> None:
        """``dz = dy (1 − y²)``; ``dbias = Σₙ dz``."""
        np.multiply(y, y, out=dz)
        np.subtract(1.0, dz, out=dz)
        np.multiply(dz, dy, out=dz)
        self.sum_rows(dz, dbias)

    def sum_rows(self, dy: Array, dbias: Array) -> None:
        """``dbias = Σₙ dy``."""
        np.add.reduce(dy, axis=0, out=dbias)

    def dropout(self, x: Array, draw: Array, rate: float, factor: float, y: Array) -> None:
        """``y = factor · x`` where ``draw ≥ rate``, else 0."""
        kept = np.greater_equal(draw, rate, out=self._memory.empty("mask", x.shape, bool))
        np.multiply(x, kept, out=y)
        np.multiply(y, factor, out=y)

    def cross_entropy(
        self, logits: Array, labels: Array, constant: float, gradient: Array
    ) -> float:
        """``−Σₙ log p`` of softmax, and ``constant`` times its gradient; −1 for no class."""
        if labels.min() < 0 or labels.max() >= logits.shape[1]:
            return -1.0
        gradient[...] = log_softmax(logits)
        at_label = (np.arange(len(labels)), labels)
        value = -float(gradient[at_label].sum())
        np.exp(gradient, out=gradient)
        gradient[at_label] -= 1.0
        np.multiply(gradient, constant, out=gradient)
        return value

    def squared_error(
        self, prediction: Array, target: Array, constant: float, gradient: Array
    ) -> float:
        """``Σ (prediction − target)²``, and ``constant`` times its gradient."""
        np.subtract(prediction, target, out=gradient)
        difference = gradient.reshape(-1)
        value = float(np.dot(difference, difference))
        np.multiply(gradient, constant + constant, out=gradient)
        return value

    # ---- updates ------------------------------------------------------------------------
    def sgd(self, coupled: bool, decoupled: bool) -> Kernel:
        """Plain gradient descent."""

        def update(w: Array, g: Array, rate: float, decay: float) -> None:
            for w_, g_ in _blocks(w, g):
                gradient = self._decayed(w_, g_, coupled, decoupled, rate, decay)
                np.subtract(w_, np.multiply(gradient, rate, out=self._scratch("a", w_)), out=w_)

        return update

    def momentum(
        self, inside: bool, nesterov: bool, dampened: bool, coupled: bool, decoupled: bool
    ) -> Kernel:
        """Gradient descent with momentum: see ``SGD`` for the forms."""

        def update(
            w: Array, g: Array, v: Array, rate: float, mu: float, damped: float, weight: float,
            decay: float,
        ) -> None:  # fmt: skip
            for w_, g_, v_ in _blocks(w, g, v):
                a, b = self._scratch("a", w_), self._scratch("b", w_)
                gradient = self._decayed(w_, g_, coupled, decoupled, rate, decay)
                entering = np.multiply(gradient, damped, out=a) if dampened else gradient
                np.multiply(entering, rate if inside else weight, out=a)
                np.multiply(v_, mu, out=v_)
                (np.subtract if inside else np.add)(v_, a, out=v_)
                step = v_
                if nesterov:
                    np.multiply(gradient, rate if inside else weight, out=a)
                    np.multiply(v_, mu, out=b)
                    step = np.subtract(b, a, out=b) if inside else np.add(a, b, out=b)
                if inside:
                    np.add(w_, step, out=w_)
                else:
                    np.subtract(w_, np.multiply(step, rate, out=a), out=w_)

        return update

    def adam(
        self, near: bool, hat: bool, inside: bool, amsgrad: bool, coupled: bool, decoupled: bool
    ) -> Kernel:
        """Adam: see ``Adam`` for the forms."""

        def update(
            w: Array, g: Array, m: Array, v: Array, largest: Array, rate: float, beta1: float,
            rest1: float, beta2: float, rest2: float, step: float, root: float,
            correction2: float, epsilon: float, decay: float,
        ) -> None:  # fmt: skip
            for w_, g_, m_, v_, largest_ in _blocks(w, g, m, v, largest):
                a, b = self._scratch("a", w_), self._scratch("b", w_)
                gradient = self._decayed(w_, g_, coupled, decoupled, rate, decay)
                np.subtract(gradient, m_, out=a)
                if near:
                    np.add(m_, np.multiply(a, rest1, out=a), out=m_)
                else:
                    np.subtract(gradient, np.multiply(a, beta1, out=a), out=m_)
                np.multiply(gradient, gradient, out=a)
                if hat:
                    np.multiply(np.subtract(a, v_, out=a), rest2, out=a)
                else:
                    np.multiply(a, rest2, out=a)
                    np.multiply(v_, beta2, out=v_)
                np.add(v_, a, out=v_)
                second = np.maximum(largest_, v_, out=largest_) if amsgrad else v_
                if hat:
                    np.add(np.sqrt(second, out=a), epsilon, out=a)
                elif inside:
                    np.sqrt(np.add(np.divide(second, correction2, out=a), epsilon, out=a), out=a)
                else:
                    np.add(np.divide(np.sqrt(second, out=a), root, out=a), epsilon, out=a)
                np.divide(np.multiply(m_, step, out=b), a, out=b)
                np.subtract(w_, b, out=w_)

        return update

    def _decayed(
        self, w: Array, g: Array, coupled: bool, decoupled: bool, rate: float, decay: float
    ) -> Array:
        """The gradient after weight decay; a decoupled one is taken off the parameter."""
        if coupled:
            c = self._scratch("c", w)
            return np.add(g, np.multiply(w, decay, out=c), out=c)
        if decoupled:
            c = self._scratch("c", w)
            np.subtract(w, np.multiply(np.multiply(w, decay, out=c), rate, out=c), out=w)
        return g

    def _scratch(self, key: str, like: Array) -> Array:
        """An array for intermediate values of a block."""
        return self._memory.empty(key, (BLOCK,), like.dtype)[: like.size]


def _blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Equal parts of flat arrays, from front to back."""
    for start in range(0, arrays[0].size, BLOCK):
        yield tuple(array[start : start + BLOCK] for array in arrays)
