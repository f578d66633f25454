"""Loops over elements, compiled by numba: one pass where NumPy needs several.

Each does in one loop what the plain version does in several NumPy calls, with the same
operations in the same order on each element, so that results are the same to the bit; where
they sum (losses, bias gradients), to the rounding of the sum. Shapes are the callers' concern.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from netparity.nn.arrays import Array

#: A compiled loop over arrays.
Kernel = Callable[..., Any]
_Function = TypeVar("_Function", bound=Kernel)


def _compiled(function: _Function) -> _Function:
    """Compiles at the first call for each dtype, and keeps the result on disk."""
    return cast("_Function", njit(cache=True, nogil=True, error_model="numpy")(function))


#: Activations that are computed within a kernel, by the number that kernels know them by.
IDENTITY, RELU, SIGMOID, TANH = range(4)
SQUARED_ERROR, CROSS_ENTROPY = range(2)


@_compiled
def add_bias(y: Array, bias: Array) -> None:
    """``y += bias``."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[n, j] += bias[j]


@_compiled
def add_bias_relu(y: Array, bias: Array) -> None:
    """``y = max(y + bias, 0)``."""
    zero = y.dtype.type(0)
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            value = y[n, j] + bias[j]
            y[n, j] = zero if value < zero else value


@_compiled
def finish_sigmoid(y: Array, decay: Array) -> None:
    """``1/(1 + exp(−y))`` for ``decay = exp(−|y|)``."""
    one = y.dtype.type(1)
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            d = decay[n, j]
            y[n, j] = (one if y[n, j] >= 0 else d) / (one + d)


@_compiled
def relu_backward(dy: Array, y: Array, dz: Array, dbias: Array) -> None:
    """``dz = dy`` where ``y > 0``, else 0; ``dbias = Σₙ dz``."""
    zero = dz.dtype.type(0)
    dbias[:] = zero
    for n in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            value = dy[n, j] if y[n, j] > 0 else zero
            dz[n, j] = value
            dbias[j] += value


@_compiled
def sigmoid_backward(dy: Array, y: Array, dz: Array, dbias: Array) -> None:
    """``dz = dy (1 − y) y``; ``dbias = Σₙ dz``."""
    one = dz.dtype.type(1)
    dbias[:] = dz.dtype.type(0)
    for n in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            value = dy[n, j] * (one - y[n, j]) * y[n, j]
            dz[n, j] = value
            dbias[j] += value


@_compiled
def tanh_backward(dy: Array, y: Array, dz: Array, dbias: Array) -> None:
    """``dz = dy (1 − y²)``; ``dbias = Σₙ dz``."""
    one = dz.dtype.type(1)
    dbias[:] = dz.dtype.type(0)
    for n in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            value = dy[n, j] * (one - y[n, j] * y[n, j])
            dz[n, j] = value
            dbias[j] += value


@_compiled
def sum_rows(dy: Array, dbias: Array) -> None:
    """``dbias = Σₙ dy``."""
    dbias[:] = dy.dtype.type(0)
    for n in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            dbias[j] += dy[n, j]


@_compiled
def dropout(x: Array, draw: Array, rate: float, factor: float, y: Array) -> None:
    """``y = factor · x`` where ``draw ≥ rate``, else 0; the backward pass is the same."""
    zero = y.dtype.type(0)
    x, draw, y = x.ravel(), draw.ravel(), y.ravel()
    for i in range(x.size):
        y[i] = x[i] * factor if draw[i] >= rate else x[i] * zero


@_compiled
def cross_entropy(logits: Array, labels: Array, constant: float, gradient: Array) -> float:
    """``−Σₙ log p`` of softmax, and ``constant`` times its gradient; −1 where a label is no class.

    The loss is summed in float64.
    """
    total = 0.0
    classes = logits.shape[1]
    for n in range(logits.shape[0]):
        label = labels[n]
        if label < 0 or label >= classes:
            return -1.0
        largest = logits[n, 0]
        for c in range(1, classes):
            largest = max(largest, logits[n, c])
        exponentials = logits.dtype.type(0)
        for c in range(classes):
            gradient[n, c] = math.exp(logits[n, c] - largest)
            exponentials += gradient[n, c]
        total += math.log(exponentials) - (logits[n, label] - largest)
        for c in range(classes):
            p = gradient[n, c] / exponentials
            gradient[n, c] = (p - (1 if c == label else 0)) * constant
    return total


@_compiled
def squared_error(prediction: Array, target: Array, constant: float, gradient: Array) -> float:
    """``Σ (prediction − target)²``, and ``constant`` times its gradient; summed in float64."""
    total = 0.0
    twice = constant + constant
    prediction, target, gradient = prediction.ravel(), target.ravel(), gradient.ravel()
    for i in range(prediction.size):
        difference = prediction[i] - target[i]
        total += difference * difference
        gradient[i] = difference * twice
    return total


@_compiled
def small_step(
    x: Array,
    target: Array,
    labels: Array,
    parameters: Array,
    gradients: Array,
    values: Array,
    sizes: Array,
    activations: Array,
    biases: Array,
    loss: int,
    constant: float,
) -> float:
    """Loss and gradients of a small row of affine layers: everything in one call.

    ``parameters`` and ``gradients`` are flat, layer by layer the weight (D, M) and then the
    bias; ``values`` has two halves, outputs and gradients at them, of N · Σ M elements each.
    """
    rows, layers = x.shape[0], sizes.size - 1
    zero, one = parameters.dtype.type(0), parameters.dtype.type(1)
    half = values.size // 2
    start, before, after = 0, 0, 0
    for layer in range(layers):
        inputs, outputs = sizes[layer], sizes[layer + 1]
        bias = start + inputs * outputs
        for n in range(rows):
            here = after + n * outputs
            for j in range(outputs):
                values[here + j] = zero
            for i in range(inputs):
                entry = x[n, i] if layer == 0 else values[before + n * inputs + i]
                row = start + i * outputs
                for j in range(outputs):
                    values[here + j] += entry * parameters[row + j]
            for j in range(outputs):
                z = values[here + j]
                if biases[layer]:
                    z += parameters[bias + j]
                if activations[layer] == RELU:
                    z = zero if z < zero else z
                elif activations[layer] == SIGMOID:
                    decay = math.exp(-abs(z))
                    z = (one if z >= zero else decay) / (one + decay)
                elif activations[layer] == TANH:
                    z = math.tanh(z)
                values[here + j] = z
        start = bias + (outputs if biases[layer] else 0)
        before = after
        after += rows * outputs
    last = sizes[layers]
    prediction = values[before : before + rows * last].reshape(rows, last)
    gradient = values[half + before : half + before + rows * last].reshape(rows, last)
    if loss == SQUARED_ERROR:
        value = squared_error(prediction, target, constant, gradient)
    else:
        value = cross_entropy(prediction, labels, constant, gradient)
    for step in range(layers):
        layer = layers - 1 - step
        inputs, outputs = sizes[layer], sizes[layer + 1]
        after = before
        before = after - rows * inputs
        bias = start - (outputs if biases[layer] else 0)
        start = bias - inputs * outputs
        gradients[start : bias + (outputs if biases[layer] else 0)] = zero
        for n in range(rows):
            here = after + n * outputs
            for j in range(outputs):
                y, delta = values[here + j], values[half + here + j]
                if activations[layer] == RELU:
                    delta = delta if y > zero else zero
                elif activations[layer] == SIGMOID:
                    delta = delta * (one - y) * y
                elif activations[layer] == TANH:
                    delta = delta * (one - y * y)
                values[half + here + j] = delta
                if biases[layer]:
                    gradients[bias + j] += delta
            for i in range(inputs):
                entry = x[n, i] if layer == 0 else values[before + n * inputs + i]
                row = start + i * outputs
                back = zero
                for j in range(outputs):
                    delta = values[half + here + j]
                    gradients[row + j] += entry * delta
                    back += delta * parameters[row + j]
                if layer > 0:
                    values[half + before + n * inputs + i] = back
    return value


@cache
def sgd(coupled: bool, decoupled: bool) -> Kernel:
    """Plain gradient descent, compiled for its switches."""

    @_compiled
    def update(w: Array, g: Array, rate: float, decay: float) -> None:
        for i in range(w.size):
            value, gradient = w[i], g[i]
            if coupled:
                gradient = gradient + value * decay
            if decoupled:
                value = value - value * decay * rate
            w[i] = value - gradient * rate

    return update


@cache
def momentum(
    inside: bool, nesterov: bool, dampened: bool, coupled: bool, decoupled: bool
) -> Kernel:
    """Gradient descent with momentum, compiled for its switches: see ``SGD`` for the forms.

    ``damped`` is the factor on the gradient in the velocity, ``weight`` 1 or 1 − μ.
    """

    @_compiled
    def update(
        w: Array,
        g: Array,
        v: Array,
        rate: float,
        mu: float,
        damped: float,
        weight: float,
        decay: float,
    ) -> None:
        for i in range(w.size):
            value, gradient = w[i], g[i]
            if coupled:
                gradient = gradient + value * decay
            if decoupled:
                value = value - value * decay * rate
            entering = gradient * damped if dampened else gradient
            if inside:
                velocity = v[i] * mu - entering * rate
                step = velocity * mu - gradient * rate if nesterov else velocity
                w[i] = value + step
            else:
                velocity = v[i] * mu + entering * weight
                step = gradient * weight + velocity * mu if nesterov else velocity
                w[i] = value - step * rate
            v[i] = velocity

    return update


@cache
def adam(
    near: bool, hat: bool, inside: bool, amsgrad: bool, coupled: bool, decoupled: bool
) -> Kernel:
    """Adam, compiled for its switches: see ``Adam`` for the forms.

    ``near`` says that β₁ is over ½, ``rest`` is 1 − β, ``step`` the factor on m, ``root``
    √(1 − β₂ᵗ), ``correction2`` 1 − β₂ᵗ.
    """

    @_compiled
    def update(
        w: Array,
        g: Array,
        m: Array,
        v: Array,
        largest: Array,
        rate: float,
        beta1: float,
        rest1: float,
        beta2: float,
        rest2: float,
        step: float,
        root: float,
        correction2: float,
        epsilon: float,
        decay: float,
    ) -> None:
        for i in range(w.size):
            value, gradient = w[i], g[i]
            if coupled:
                gradient = gradient + value * decay
            if decoupled:
                value = value - value * decay * rate
            if near:
                first = m[i] + (gradient - m[i]) * rest1
            else:
                first = gradient - (gradient - m[i]) * beta1
            square = gradient * gradient
            second = v[i] + (square - v[i]) * rest2 if hat else v[i] * beta2 + square * rest2
            m[i], v[i] = first, second
            if amsgrad:
                second = max(largest[i], second)
                largest[i] = second
            if hat:
                w[i] = value - first * step / (np.sqrt(second) + epsilon)
            elif inside:
                w[i] = value - first * step / np.sqrt(second / correction2 + epsilon)
            else:
                w[i] = value - first * step / (np.sqrt(second) / root + epsilon)

    return update
