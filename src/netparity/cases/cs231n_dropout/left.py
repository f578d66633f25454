"""Fully-connected net with dropout: {affine - relu - dropout} x (L - 1) - affine - softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

if TYPE_CHECKING:
    import netparity

Array = np.ndarray[Any, np.dtype[Any]]

REG = 0.05
KEEP = 0.75


class DropoutParam(TypedDict):
    """p is the probability to KEEP a unit; the same seed gives the same mask every time."""

    p: float
    mode: str
    seed: int


def affine_forward(x: Array, w: Array, b: Array) -> Array:
    """x (N, D), w (D, M), b (M,) -> out (N, M)."""
    return x.dot(w) + b


def affine_backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """dx, dw, db."""
    return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=0)


def relu_backward(dout: Array, x: Array) -> Array:
    """The gradient where x was positive."""
    return dout * (x > 0)


def dropout_forward(x: Array, dropout_param: DropoutParam) -> tuple[Array, Array | None]:
    """Inverted dropout; the mask is the cache."""
    if dropout_param["mode"] == "test":
        return x, None
    p = dropout_param["p"]
    np.random.seed(dropout_param["seed"])
    mask = (np.random.rand(*x.shape) < p) / p
    return x * mask, mask


def dropout_backward(dout: Array, cache: Array | None) -> Array:
    """The gradient goes where the values went."""
    return dout if cache is None else dout * cache


def softmax_loss(x: Array, y: Array) -> tuple[float, Array]:
    """Mean cross-entropy of the scores x, and dx."""
    shifted = x - x.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = x.shape[0]
    dx = np.exp(log_probs)
    dx[np.arange(n), y] -= 1
    return float(-log_probs[np.arange(n), y].mean()), dx / n


class FullyConnectedNet:
    """Any number of hidden layers, each with dropout."""

    def __init__(
        self,
        hidden_dims: tuple[int, ...] = (50, 40),
        input_dim: int = 64,
        num_classes: int = 10,
        dropout: float = KEEP,
        reg: float = REG,
        lr: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.reg = reg
        self.lr = lr
        self.num_layers = 1 + len(hidden_dims)
        self.dropout_param: DropoutParam = {"p": dropout, "mode": "train", "seed": seed}
        rng = np.random.RandomState(seed)
        dims = (input_dim, *hidden_dims, num_classes)
        self.params: dict[str, Array] = {}
        for i, (fan_in, fan_out) in enumerate(zip(dims[:-1], dims[1:], strict=True), 1):
            self.params[f"W{i}"] = rng.randn(fan_in, fan_out) * np.sqrt(2.0 / fan_in)
            self.params[f"b{i}"] = rng.randn(fan_out) * 0.1

    def forward(self, X: Array, training: bool) -> dict[str, Array]:
        """The output of every layer; ``self.masks`` keeps what dropout left."""
        self.dropout_param["mode"] = "train" if training else "test"
        self.masks: dict[int, Array | None] = {}
        outs: dict[str, Array] = {}
        h = X
        for i in range(1, self.num_layers):
            a = affine_forward(h, self.params[f"W{i}"], self.params[f"b{i}"])
            r = np.maximum(0, a)
            h, self.masks[i] = dropout_forward(r, self.dropout_param)
            outs |= {f"affine{i}": a, f"relu{i}": r, f"dropout{i}": h}
        last = self.num_layers
        outs["scores"] = affine_forward(h, self.params[f"W{last}"], self.params[f"b{last}"])
        return outs

    def penalty(self) -> float:
        """L2 regularization of the weights."""
        squares = (np.sum(w**2) for name, w in self.params.items() if name.startswith("W"))
        return float(0.5 * self.reg * sum(squares))

    def loss(self, X: Array, y: Array) -> tuple[float, dict[str, Array]]:
        """Loss and gradients."""
        outs = self.forward(X, training=True)
        loss, dscores = softmax_loss(outs["scores"], y)
        loss += self.penalty()

        grads: dict[str, Array] = {}

        def affine(i: int, dout: Array) -> Array:
            x, w = (outs[f"dropout{i - 1}"] if i > 1 else X), self.params[f"W{i}"]
            dx, dw, grads[f"b{i}"] = affine_backward(dout, x, w)
            grads[f"W{i}"] = dw + self.reg * w
            return dx

        dhout = affine(self.num_layers, dscores)
        for i in range(self.num_layers - 1, 0, -1):
            dhout = affine(i, self.hidden_backward(dhout, outs[f"affine{i}"], self.masks[i]))
        return loss, grads

    def hidden_backward(self, dhout: Array, a: Array, mask: Array | None) -> Array:
        """Back through dropout and relu of one hidden layer."""
        dout = dropout_backward(dhout, mask)
        dout = relu_backward(dhout, a)
        return dout

    def update(self, grads: dict[str, Array]) -> None:
        """SGD."""
        for name, grad in grads.items():
            self.params[name] -= self.lr * grad


def train(net: FullyConnectedNet, X: Array, y: Array, epochs: int = 5, batch: int = 32) -> None:
    """Goes through the data in order."""
    for epoch in range(epochs):
        for start in range(0, len(X), batch):
            loss, grads = net.loss(X[start : start + batch], y[start : start + batch])
            net.update(grads)
        scores = net.forward(X, training=False)["scores"]
        accuracy = np.mean(scores.argmax(axis=1) == y)
        print(f"epoch {epoch + 1}: last loss {loss:.4f}, training accuracy {accuracy:.3f}")


class Mended(FullyConnectedNet):
    """The net with the mask applied on the way back."""

    def hidden_backward(self, dhout: Array, a: Array, mask: Array | None) -> Array:
        """Back through dropout, and what comes out of it through relu."""
        return relu_backward(dropout_backward(dhout, mask), a)


def build(
    seed: int = 0,
    input_dim: int = 64,
    lr: float = 0.1,
    kind: type[FullyConnectedNet] = FullyConnectedNet,
) -> netparity.Scratch:
    """The net, for netparity."""
    import netparity

    net = kind(input_dim=input_dim, lr=lr, seed=seed)
    return netparity.Scratch(
        parameters=net.params,
        predict=lambda x, training=False: net.forward(x, training)["scores"],
        loss=lambda x, y: net.loss(x, y)[0],
        gradients=lambda x, y: net.loss(x, y)[1],
        update=net.update,
        activations=net.forward,
        penalty=net.penalty,
    )


def build_mnist(seed: int = 0) -> netparity.Scratch:
    """The same for images of 28 by 28."""
    return build(seed, input_dim=28 * 28)


def build_cifar10(seed: int = 0) -> netparity.Scratch:
    """The same for colour images of 32 by 32, whose rows are longer: smaller steps."""
    return build(seed, input_dim=3 * 32 * 32, lr=0.005)


def build_mended(seed: int = 0) -> netparity.Scratch:
    """With the mask applied backward."""
    return build(seed, kind=Mended)


def main() -> None:
    """Trains on a few digits."""
    from netparity.cases.cs231n_dropout.data import data
    from netparity.datasets import load

    train(FullyConnectedNet(), *data(load("digits")))


if __name__ == "__main__":
    main()
