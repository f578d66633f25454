"""Modular fully-connected nets, class-homework style: layers, a net, a Solver.

Every layer has a forward that returns (out, cache) and a backward that takes (dout, cache).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import netparity

Array = np.ndarray[Any, np.dtype[Any]]
Params = dict[str, Array]

REG = 0.05


# ---- layers ----


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """x (N, D), w (D, M), b (M,) -> out (N, M)."""
    return x.dot(w) + b, (x, w)


def affine_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """dx, dw, db."""
    x, w = cache
    return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=0)


def relu_forward(x: Array) -> tuple[Array, Any]:
    """max(0, x)."""
    return np.maximum(0, x), x


def relu_backward(dout: Array, cache: Any) -> Array:
    """Gradient passes where the input was positive."""
    return dout * (cache > 0)


def svm_loss(scores: Array, y: Array) -> tuple[float, Array]:
    """Hinge loss over all classes with margin 1, and dscores."""
    num_train = scores.shape[0]
    rows = np.arange(num_train)
    correct = scores[rows, y][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1.0)
    loss = margins.sum() / num_train

    dscores = (margins > 0).astype(scores.dtype)
    dscores[rows, y] -= dscores.sum(axis=1)
    return float(loss), dscores / num_train


# ---- the net ----


class FullyConnectedNet:
    """(affine - relu) x (L - 1) - affine - svm."""

    def __init__(
        self,
        input_dim: int = 64,
        hidden_dims: tuple[int, ...] = (40, 30),
        num_classes: int = 10,
        reg: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.reg = reg
        self.num_layers = len(hidden_dims) + 1
        self.params: Params = {}
        rng = np.random.RandomState(seed)
        dims = [input_dim, *hidden_dims, num_classes]
        for i in range(1, self.num_layers + 1):
            d, m = dims[i - 1], dims[i]
            self.params[f"W{i}"] = np.sqrt(2.0 / d) * rng.randn(d, m)
            self.params[f"b{i}"] = 0.1 * rng.randn(m)

    def forward(self, X: Array) -> tuple[Array, list[Any], Params]:
        """Scores, the caches for the way back, and what every layer gave."""
        caches, outs = [], {}
        out = X
        for i in range(1, self.num_layers + 1):
            out, cache = affine_forward(out, self.params[f"W{i}"], self.params[f"b{i}"])
            caches.append(cache)
            outs[f"affine{i}"] = out
            if i < self.num_layers:
                out, cache = relu_forward(out)
                caches.append(cache)
                outs[f"relu{i}"] = out
        return out, caches, outs

    def penalty(self) -> float:
        """Half of reg times the sum of the squared weights."""
        weights = (self.params[f"W{i}"] for i in range(1, self.num_layers + 1))
        return float(0.5 * self.reg * sum(np.sum(w * w) for w in weights))

    def loss(self, X: Array, y: Array) -> tuple[float, Params]:
        """Loss with the regularization, and the gradients."""
        scores, caches, _ = self.forward(X)
        loss, dout = svm_loss(scores, y)
        loss += self.penalty()

        grads = {}
        for i in range(self.num_layers, 0, -1):
            if i < self.num_layers:
                dout = relu_backward(dout, caches.pop())
            dout, dw, grads[f"b{i}"] = affine_backward(dout, caches.pop())
            grads[f"W{i}"] = dw + self.reg * self.params[f"W{i}"]
        return loss, grads


# ---- the solver ----


class Solver:
    """Trains a net with plain SGD and keeps the parameters that did best on the held-out rows."""

    def __init__(
        self, model: FullyConnectedNet, lr: float = 0.1, batch_size: int = 32, seed: int = 0
    ) -> None:
        self.model = model
        self.lr = lr
        self.batch_size = batch_size
        self.rng = np.random.RandomState(seed)
        self.best_val_acc = -1.0
        self.best_params: Params = model.params
        self.loss_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.num_steps = 0
        self.iterations_per_epoch = 0

    def take(self, X: Array, y: Array) -> None:
        """The data: the last quarter is for validation."""
        held_out = len(X) // 4
        self.X_train, self.y_train = X[:-held_out], y[:-held_out]
        self.X_val, self.y_val = X[-held_out:], y[-held_out:]
        self.iterations_per_epoch = max(len(self.X_train) // self.batch_size, 1)

    def sample(self) -> tuple[Array, Array]:
        """A minibatch of training data."""
        mask = self.rng.choice(len(self.X_train), self.batch_size)
        return self.X_train[mask], self.y_train[mask]

    def update(self, grads: Mapping[str, Array]) -> None:
        """Vanilla SGD."""
        for p, dw in grads.items():
            self.model.params[p] -= self.lr * dw

    def step(self, X_batch: Array, y_batch: Array) -> None:
        """One update, and a check at the end of an epoch."""
        loss, grads = self.model.loss(X_batch, y_batch)
        self.loss_history.append(loss)
        self.update(grads)
        self.num_steps += 1
        if self.iterations_per_epoch and self.num_steps % self.iterations_per_epoch == 0:
            self.check()

    def check(self) -> None:
        """Keeps track of the best model."""
        val_acc = self.check_accuracy(self.X_val, self.y_val)
        self.val_acc_history.append(val_acc)
        if val_acc > self.best_val_acc:
            self.best_val_acc = val_acc
            self.best_params = {k: v.copy() for k, v in self.model.params.items()}
        # use the best params
        self.model.params = self.best_params

    def check_accuracy(self, X: Array, y: Array) -> float:
        """The share of rows whose highest score is the right one."""
        scores, _, _ = self.model.forward(X)
        return float(np.mean(np.argmax(scores, axis=1) == y))

    def epoch(self) -> Iterator[tuple[Array, Array]]:
        """The minibatches of one epoch."""
        for _ in range(self.iterations_per_epoch):
            yield self.sample()

    def train(self, X: Array, y: Array, num_epochs: int = 8, verbose: bool = True) -> None:
        """Runs the optimization."""
        self.take(X, y)
        for e in range(num_epochs):
            for X_batch, y_batch in self.epoch():
                self.step(X_batch, y_batch)
            if verbose:
                print(
                    f"(Epoch {e + 1} / {num_epochs}) loss: {self.loss_history[-1]:f} "
                    f"val_acc: {self.val_acc_history[-1]:f}"
                )


# ---- for netparity ----


class LiveParams(Mapping[str, Array]):
    """The net's parameters as they are now: the solver replaces the dictionary."""

    def __init__(self, model: FullyConnectedNet) -> None:
        self.model = model

    def __getitem__(self, name: str) -> Array:
        return self.model.params[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.model.params)

    def __len__(self) -> int:
        return len(self.model.params)


def build(seed: int = 0, input_dim: int = 64, lr: float = 0.1) -> netparity.Scratch:
    """The net and its solver, for netparity."""
    import netparity

    model = FullyConnectedNet(input_dim, reg=REG, seed=seed)
    solver = Solver(model, lr=lr, seed=seed)

    def batches(X: Array, y: Array, epoch: int) -> Iterator[tuple[Array, Array]]:
        solver.take(X, y)
        return solver.epoch()

    def validation(X: Array, y: Array) -> tuple[Array, Array]:
        solver.take(X, y)
        return solver.X_val, solver.y_val

    return netparity.Scratch(
        parameters=LiveParams(model),
        predict=lambda X: model.forward(X)[0],
        loss=lambda X, y: model.loss(X, y)[0],
        gradients=lambda X, y: model.loss(X, y)[1],
        update=solver.update,
        step=solver.step,
        activations=lambda X: model.forward(X)[2],
        penalty=model.penalty,
        batches=batches,
        report=lambda X, y: {"loss": solver.loss_history[-1]},
        result=lambda: solver.best_params,
        validation=validation,
    )


def build_mnist(seed: int = 0) -> netparity.Scratch:
    """The same for images of 28 by 28."""
    return build(seed, input_dim=28 * 28)


def build_cifar10(seed: int = 0) -> netparity.Scratch:
    """The same for colour images of 32 by 32, whose rows are longer: smaller steps."""
    return build(seed, input_dim=3 * 32 * 32, lr=0.005)


def main() -> None:
    """Trains on a few digits."""
    from netparity.cases.cs231n_torch.data import data
    from netparity.datasets import load

    X, y = data(load("digits"))
    solver = Solver(FullyConnectedNet(reg=REG))
    solver.train(X, y)
    print(f"best val_acc: {solver.best_val_acc:f}")


if __name__ == "__main__":
    main()
