"""The training loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import Array, packed
from netparity.nn.initializers import NAMED, Law
from netparity.nn.losses.base import Loss
from netparity.nn.network import Network, Tape
from netparity.nn.optimizers import Optimizer, State
from netparity.nn.penalties import Penalty


def _non_finite(tape: Tape) -> str:
    """Where a forward pass first went wrong, in words."""
    for name, output in tape.outputs.items():
        if not np.isfinite(output).all():
            return f"the first layer whose output is not finite is {name!r}"
    return "all layers' outputs are finite: the loss itself is not"


@final
class Solver:
    """Trains a network; the one thing here that changes.

    Each step is ``loss(network(x), y) + Σ penalties``, its gradients, and one update.

    Args:
        network: what is trained.
        loss: the data loss.
        optimizer: the update rule.
        parameters: initial values by full name; copied. Without them they are drawn.
        laws: laws to draw them by (see ``Network.initialize``); without them glorot uniform
            weights and zero for the rest.
        rng: for initial values, shuffling and dropout; ``default_rng(0)`` without.
        penalties: terms added to the loss.
        batch_size: rows a step.
        dtype: float32 or float64.

    Attributes:
        parameters: the present values. An update replaces the arrays and leaves the old ones
            alone, so a snapshot ``dict(solver.parameters)`` stays what it was.
        state: the optimizer's state.
        history: ``"loss"``, the loss with penalties before each update, and ``"epoch_loss"``,
            its mean over the rows of each epoch of ``fit``.

    Example:
        >>> from netparity.nn import SGD, Affine, MeanSquaredError
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> solver = Solver(
        ...     Network((("line", Affine(1, 1)),)), MeanSquaredError(), SGD(0.25), batch_size=3
        ... )
        >>> solver.fit(x, 2 * x + 1, epochs=300)
        >>> solver.parameters["line.weight"].round(6), solver.parameters["line.bias"].round(6)
        (array([[2.]]), array([1.]))

    Source: H. Robbins, S. Monro, "A stochastic approximation method", 1951.

    **Parity** (`shuffle-default`, `partial-batch-kept`, `sampling-with-replacement`,
    `penalty-in-reported-loss`): Keras and scikit-learn shuffle by default, a torch loader does
    not; all keep the last partial batch, cs231n's solver drops it and samples with
    replacement. Here each row comes once an epoch, and the last batch is kept.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        *,
        parameters: Mapping[str, Array] | None = None,
        laws: Mapping[str, Law] | Law | None = None,
        rng: np.random.Generator | None = None,
        penalties: Sequence[Penalty] = (),
        batch_size: int = 32,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if batch_size < 1:
            raise InputError(
                f"batch size out of range. Expected at least 1. Received: {batch_size}"
            )
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.laws = laws
        self.rng = np.random.default_rng(0) if rng is None else rng
        self.penalties = tuple(penalties)
        self.batch_size = batch_size
        self.dtype = np.dtype(dtype)
        self.parameters: dict[str, Array] = (
            network.initialize(self._laws(), self.rng, self.dtype)
            if parameters is None
            else packed(parameters, self.dtype)
        )
        self.state: State = optimizer.initialize(self.parameters)
        self.history: dict[str, list[float]] = {"loss": [], "epoch_loss": []}

    def _laws(self) -> Mapping[str, Law] | Law:
        """The laws given, or the default ones."""
        if self.laws is not None:
            return self.laws
        return {
            name: NAMED["glorot_uniform" if name.endswith(".weight") else "zeros"]
            for name in self.network.parameter_shapes()
        }

    def predict(self, x: Array) -> Array:
        """Predictions in inference mode.

        Args:
            x: a batch (N, …).

        Returns:
            The output of the last layer (N, …).
        """
        return self.network.forward(self.parameters, x).prediction

    def loss_and_gradients(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None
    ) -> tuple[float, float, dict[str, Array]]:
        """The loss and its gradients at the present parameters; changes none of them.

        Args:
            x: a batch (N, …).
            y: targets, as the loss takes them.
            training: whether dropout drops.
            draws: the draws of the dropouts, in order; from the solver's ``rng`` without.

        Returns:
            The data loss, the penalty, and the gradients of their sum by parameter name.

        Raises:
            InputError: the shapes do not fit, or the loss is not finite.
        """
        tape = self.network.forward(
            self.parameters, x, training=training, draws=draws, rng=self.rng
        )
        data_loss, dprediction = self.loss.value_and_gradient(tape.prediction, np.asarray(y))
        penalty = sum((term.value(self.parameters) for term in self.penalties), 0.0)
        if not np.isfinite(data_loss + penalty):
            raise InputError(
                f"the loss is not finite at step {self.state['step'] + 1}: loss {data_loss}, "
                f"penalty {penalty}; {_non_finite(tape)}",
                hint="lower the learning rate, or check the data for NaN and its scale",
            )
        gradients = tape.backward(dprediction).parameters
        for term in self.penalties:
            for name, gradient in term.gradients(self.parameters).items():
                gradients[name] = gradients[name] + gradient
        return data_loss, penalty, gradients

    def step(self, x: Array, y: Array) -> float:
        """One update.

        Args:
            x: a batch (N, …).
            y: its targets.

        Returns:
            The loss with penalties, before the update.

        Raises:
            InputError: the shapes do not fit, or the loss is not finite.
        """
        data_loss, penalty, gradients = self.loss_and_gradients(x, y)
        self.parameters, self.state = self.optimizer.update(self.parameters, gradients, self.state)
        self.history["loss"].append(data_loss + penalty)
        return data_loss + penalty

    def fit(
        self, x: Array, y: Array, epochs: int, shuffle: bool = True, progress: bool = False
    ) -> None:
        """Trains.

        Args:
            x: all rows (N, …).
            y: their targets (N, …).
            epochs: how often each row is seen.
            shuffle: whether rows come in another order each epoch.
            progress: whether to show a bar on stderr.

        Raises:
            InputError: no rows, unequal numbers of rows, or the loss is not finite.
        """
        x, y = np.asarray(x), np.asarray(y)
        rows = len(x)
        if rows == 0 or len(y) != rows:
            raise InputError(
                f"data cannot be trained on. Expected as many targets as rows, at least one. "
                f"Received: {rows} rows, {len(y)} targets"
            )
        for _ in _tracked(range(epochs), progress):
            order = self.rng.permutation(rows) if shuffle else np.arange(rows)
            total = 0.0
            for start in range(0, rows, self.batch_size):
                chosen = order[start : start + self.batch_size]
                total += self.step(x[chosen], y[chosen]) * len(chosen)
            self.history["epoch_loss"].append(total / rows)


def _tracked(epochs: range, progress: bool) -> Iterable[int]:
    """The epochs, with a bar on stderr if wanted."""
    if not progress:
        return epochs
    from rich.console import Console
    from rich.progress import track

    return track(epochs, description="training", console=Console(stderr=True))
