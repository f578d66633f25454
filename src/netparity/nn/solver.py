"""A network in training: its values, one step of it, and what is kept of a run."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.batches import Batches, HeldOut, Partial, Sampling
from netparity.nn.callbacks import Best, Callback, EarlyStopping
from netparity.nn.checkpoints import Checkpoint
from netparity.nn.clipping import Clipping
from netparity.nn.constraints import Constraint
from netparity.nn.descent import Descent
from netparity.nn.engine import Engine
from netparity.nn.fitting import Fit, Position
from netparity.nn.initializers import Law
from netparity.nn.losses.base import Loss
from netparity.nn.metrics import Metric, named_metrics
from netparity.nn.network import Network
from netparity.nn.optimizers import (
    EqualAverage,
    ExponentialMovingAverage,
    Optimizer,
    State,
)
from netparity.nn.penalties import Penalty
from netparity.nn.saving import restore_solver, save_solver
from netparity.nn.schedules import Plateau, ReduceOnPlateau
from netparity.nn.values import first_values, write_state, write_values
from netparity.progress import Reporter

#: Rows a pass where only predictions are wanted.
_ROWS = 256
#: A batch, its targets, and the weights of its rows.
Piece = tuple[Array, Array, Array | None]


@final
class Solver:
    """Trains a network; the one thing here that changes.

    Each step is ``loss(network(x), y) + Σ penalties``, its gradients, and one update.

    Args:
        network: what is trained.
        loss: the data loss.
        optimizer: the update rule.
        parameters: initial values by full name, buffers among them if wanted; copied. Without
            them they are drawn.
        buffers: initial values of buffers (running statistics); the layers' own without.
        laws: laws to draw the parameters by (see ``Network.initialize``); without them glorot
            uniform weights, scales of 1, slopes of 0.25, and zero for the rest.
        rng: for initial values, shuffling and dropout; ``default_rng(0)`` without.
        penalties: terms added to the loss.
        constraints: applied to the parameters after each update.
        clipping: applied to the gradients before each update.
        schedule: ``schedule(step) → learning rate``, step 0 being the first update; the
            optimizer's own rate without.
        plateau: reduces these rates where an epoch's value gets no better.
        plateau_monitor: the name of that value in the history.
        averaging: an average of the parameters over the updates, beside them.
        batch_size: rows a batch.
        sampling: how rows are drawn: see ``Batches``.
        partial: what becomes of the last, smaller batch of an epoch: see ``Batches``.
        accumulate: batches an update; their gradients are taken together.
        accumulation: whether the mean or the sum of these gradients is taken.
        dtype: float32 or float64.
        engine: what the loops over elements of a step run on, ``"compiled"`` (numba),
            ``"plain"`` (NumPy) or ``"auto"``: compiled where numba is installed. Results are the
            same but for the rounding of sums.

    Attributes:
        parameters: the present values by full name, all in one buffer. Updates write into
            these arrays: ``snapshot`` copies, ``load`` writes.
        buffers: the present buffers, likewise.
        state: the optimizer's state, its arrays likewise; ``state["step"]`` counts updates.
        plateau_state: how far the rates are reduced.
        average_state: that of the averaging, likewise, or empty.
        history: ``"loss"``, the loss with penalties before each update; and for each epoch of
            ``fit`` ``"epoch_loss"``, its mean over the rows fed, and what else ``fit`` records.
        best: the best epoch of the last ``fit`` with its parameters, copied, or ``None``.
        stopped: why the last ``fit`` stopped before its last epoch, or ``None``.

    Raises:
        InputError: a value is out of range, or an initial value does not fit the network.

    Example:
        >>> from netparity.nn import SGD, Affine, MeanSquaredError
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> solver = Solver(
        ...     Network((("line", Affine(1, 1)),)), MeanSquaredError(), SGD(0.25), batch_size=3
        ... )
        >>> history = solver.fit(x, 2 * x + 1, epochs=300)
        >>> solver.parameters["line.weight"].round(6), solver.parameters["line.bias"].round(6)
        (array([[2.]]), array([1.]))

    Source: H. Robbins, S. Monro, "A stochastic approximation method", 1951.

    **Parity** (`shuffle-default`, `partial-batch-kept`, `sampling-with-replacement`,
    `penalty-in-reported-loss`, `last-batch-weighting`, `grad-accumulation-reduction`,
    `lr-schedule-first-step`, `reduce-lr-on-plateau`, `ema-default`): see ``Batches`` for the
    order of rows. The mean over an epoch weighs each row alike, as Keras and scikit-learn do;
    many torch programs take the mean of the batches' means. Accumulated gradients are summed by
    torch and averaged by Keras and ``optax.MultiSteps``; both carry a group that an epoch's end
    leaves unfinished into the next epoch, where here it is an update of its own.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        *,
        parameters: Mapping[str, Array] | None = None,
        buffers: Mapping[str, Array] | None = None,
        laws: Mapping[str, Law] | Law | None = None,
        rng: np.random.Generator | None = None,
        penalties: Sequence[Penalty] = (),
        constraints: Sequence[Constraint] = (),
        clipping: Clipping | None = None,
        schedule: Callable[[int], float] | None = None,
        plateau: ReduceOnPlateau | None = None,
        plateau_monitor: str = "validation_loss",
        averaging: ExponentialMovingAverage | EqualAverage | None = None,
        batch_size: int = 32,
        sampling: Sampling = "shuffled",
        partial: Partial = "kept",
        accumulate: int = 1,
        accumulation: Literal["mean", "sum"] = "mean",
        dtype: DTypeLike = np.float64,
        engine: Engine = "auto",
    ) -> None:
        if accumulate < 1 or accumulation not in ("mean", "sum"):
            raise InputError(
                "accumulation: expected at least 1 batch an update, and 'mean' or 'sum'. "
                f"Received: {accumulate}, {accumulation!r}"
            )
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.laws = laws
        self.rng = np.random.default_rng(0) if rng is None else rng
        self.penalties = tuple(penalties)
        self.constraints = tuple(constraints)
        self.clipping = clipping
        self.schedule = schedule
        self.plateau = plateau
        self.plateau_monitor = plateau_monitor
        self.plateau_state = Plateau() if plateau is None else plateau.initialize()
        self.averaging = averaging
        self.batches = Batches(batch_size, sampling, partial)
        self.accumulate = accumulate
        self.accumulation = accumulation
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise InputError(f"dtype: expected float32 or float64. Received: {self.dtype}")
        self._parameters, self._buffers = first_values(
            network, parameters, buffers, laws, self.rng, self.dtype
        )
        self._values = {**self._parameters, **self._buffers}
        self.state: State = {}
        self.load_state(optimizer.initialize(self._parameters))
        self.average_state: State = {}
        if averaging is not None:
            write_state(self.average_state, averaging.initialize(self._parameters), self.dtype)
        self._engine = engine
        self._descent = Descent(self, engine)
        self.history: dict[str, list[float]] = {"loss": [], "epoch_loss": []}
        self.best: Best | None = None
        self.position = Position()

    def __deepcopy__(self, memo: dict[int, Any]) -> Solver:
        """A solver that goes on by itself: values of its own, each kind in one buffer again."""
        other = Solver.__new__(Solver)
        memo[id(self)] = other
        laid = {"_parameters", "_buffers", "_values", "state", "average_state", "_descent"}
        for name, value in vars(self).items():
            if name not in laid:
                setattr(other, name, copy.deepcopy(value, memo))
        other._parameters, other._buffers = first_values(
            other.network, self.parameters, self.buffers, None, other.rng, other.dtype
        )
        other._values = {**other._parameters, **other._buffers}
        other.state, other.average_state = {}, {}
        write_state(other.state, self.state, other.dtype)
        write_state(other.average_state, self.average_state, other.dtype)
        other._descent = Descent(other, self._engine)
        return other

    # ---- values -------------------------------------------------------------------------
    @property
    def parameters(self) -> dict[str, Array]:
        """The live parameters by full name."""
        return self._parameters

    @property
    def buffers(self) -> dict[str, Array]:
        """The live buffers by full name."""
        return self._buffers

    @property
    def values(self) -> dict[str, Array]:
        """The live parameters and buffers by full name, as ``Network.forward`` takes them."""
        return self._values

    @property
    def batch_size(self) -> int:
        """Rows a batch."""
        return self.batches.batch_size

    @property
    def stopped(self) -> str | None:
        """Why the last ``fit`` stopped before its last epoch, or ``None``."""
        return self.position.stopped

    @property
    def best_parameters(self) -> dict[str, Array] | None:
        """Copies of the parameters after the best epoch, or ``None``."""
        return None if self.best is None else self.best.parameters

    @property
    def averaged_parameters(self) -> dict[str, Array] | None:
        """Copies of the averaged parameters by full name, or ``None`` without averaging."""
        if self.averaging is None:
            return None
        return {k: a.copy() for k, a in self.averaging.average(self.average_state).items()}

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        return self.rate_of(self.state["step"])

    def rate_of(self, step: int) -> float:
        """The learning rate of a step, as the plateau is now.

        Args:
            step: how many updates come before it.
        """
        rate = self.optimizer.learning_rate if self.schedule is None else self.schedule(step)
        return float(rate) * self.plateau_state.factor

    def snapshot(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by full name."""
        return {name: array.copy() for name, array in self.values.items()}

    def load(self, values: Mapping[str, Array]) -> None:
        """Writes parameters and buffers.

        Args:
            values: some or all of them by full name; copied.

        Raises:
            InputError: a name or shape is not the network's; nothing is written then.
        """
        write_values(self.values, values)

    def load_state(self, state: State) -> None:
        """Writes the optimizer's state.

        Args:
            state: in the form that the optimizer's ``initialize`` gives it; copied.
        """
        write_state(self.state, state, self.dtype)

    # ---- looking ------------------------------------------------------------------------
    def predict(self, x: Array, *, rows: int | None = None) -> Array:
        """Predictions in inference mode.

        Args:
            x: inputs (N, …).
            rows: how many are run at a time; at least 256, or the batch size, without.

        Returns:
            The output of the last layer (N, …).

        Raises:
            InputError: the inputs do not fit the network.

        **Parity** (`predict-vs-call-bitwise`): how many rows are run at a time shows in the
        last bits, as it does in every framework.
        """
        x, values = np.asarray(x), self.values
        rows = max(self.batch_size, _ROWS) if rows is None else rows
        first = self.network.forward(values, x[:rows]).prediction
        if len(x) <= rows:
            return first
        predictions = np.empty((len(x), *first.shape[1:]), first.dtype)
        predictions[:rows] = first
        for start in range(rows, len(x), rows):
            part = slice(start, start + rows)
            predictions[part] = self.network.forward(values, x[part]).prediction
        return predictions

    def evaluate(
        self, x: Array, y: Array, metrics: Sequence[str] | Mapping[str, Metric] = ()
    ) -> dict[str, float]:
        """The data loss and metrics, in inference mode, of all rows together.

        Args:
            x: inputs (N, …).
            y: targets, as the loss takes them.
            metrics: names of ``METRICS``, or functions by name.

        Returns:
            ``"loss"``, without penalties, and each metric by name.

        Raises:
            InputError: the shapes do not fit, or there is no row.
        """
        wanted = named_metrics(metrics)
        prediction, y = self.predict(x), np.asarray(y)
        values = {"loss": self.loss.value(prediction, y)}
        return {**values, **{name: float(f(prediction, y)) for name, f in wanted.items()}}

    def loss_and_gradients(
        self,
        x: Array,
        y: Array,
        *,
        training: bool = True,
        draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> tuple[float, float, dict[str, Array]]:
        """The loss and its gradients at the present parameters; changes none of them.

        Args:
            x: a batch (N, …).
            y: targets, as the loss takes them.
            training: whether dropout drops.
            draws: the draws of the dropouts, in order; from the solver's ``rng`` without.
            weights: of the rows (N,), as the loss takes them.

        Returns:
            The data loss, the penalty, and the gradients of their sum by parameter name, in
            arrays of their own.

        Raises:
            InputError: the shapes do not fit, or the loss is not finite.
        """
        return self._descent.fresh(x, np.asarray(y), weights, training=training, draws=draws)

    # ---- training -----------------------------------------------------------------------
    def step(
        self,
        x: Array,
        y: Array,
        weights: Array | None = None,
        *,
        draws: Sequence[Array] | None = None,
    ) -> float:
        """One update.

        Args:
            x: a batch (N, …); where gradients are accumulated, it is worked off in pieces of
                the batch size.
            y: its targets.
            weights: of its rows (N,), as the loss takes them.
            draws: the draws of the dropouts, in order; from the solver's ``rng`` without. Not
                where gradients are accumulated.

        Returns:
            The loss with penalties, before the update.

        Raises:
            InputError: the shapes do not fit, or the loss is not finite; the parameters and the
                optimizer's state are as before then.
        """
        x, y = np.asarray(x), np.asarray(y)
        if draws is not None and self.accumulate > 1:
            raise InputError("draws cannot be given where gradients are accumulated")
        if self.accumulate == 1:
            return self.advance(((x, y, weights),), draws)[0][0]
        size = self.batch_size
        losses = self.advance(
            (x[i : i + size], y[i : i + size], None if weights is None else weights[i : i + size])
            for i in range(0, len(x), size)
        )
        return sum(loss for loss, _ in losses) / len(losses)

    def advance(
        self, pieces: Iterable[Piece], draws: Sequence[Array] | None = None
    ) -> list[tuple[float, int]]:
        """One update by the gradients of several batches, worked off one after the other.

        Args:
            pieces: inputs, targets and weights (or ``None``) of each batch.
            draws: as for ``step``.

        Returns:
            The loss with penalties and the rows of each batch.

        Raises:
            InputError: as ``step``.
        """
        losses: list[tuple[float, int]] = []
        descent = self._descent
        for x, y, weights in pieces:
            data_loss, penalty = descent.compute(x, y, weights, draws)
            if self.accumulate > 1:
                descent.accumulate(first=not losses)
            losses.append((data_loss + penalty, len(x)))
        if len(losses) > 1:
            descent.reduce(1.0 / len(losses) if self.accumulation == "mean" else 1.0)
        descent.apply(descent.gradients)
        self.history["loss"].append(sum(loss for loss, _ in losses) / len(losses))
        return losses

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update by gradients of your own.

        Args:
            gradients: by parameter name; a parameter that has none stays as it is. Not changed.

        Raises:
            InputError: a name or shape is not the network's.
        """
        own = {}
        for name, gradient in gradients.items():
            if name not in self._parameters or self._parameters[name].shape != np.shape(gradient):
                raise InputError(
                    f"gradient {name!r} does not fit the network. Expected one of "
                    f"{self.network.parameter_shapes()}. Received: shape {np.shape(gradient)}"
                )
            own[name] = np.array(gradient, self.dtype, order="C")
        self._descent.apply(own)

    def fit(
        self,
        x: Array,
        y: Array,
        epochs: int,
        *,
        validation: tuple[Array, Array] | float | None = None,
        held_out: HeldOut = "tail",
        metrics: Sequence[str] | Mapping[str, Metric] = (),
        early_stopping: EarlyStopping | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: Checkpoint | None = None,
        resume: bool = False,
        sample_weights: Array | None = None,
        augment: Callable[[Array, np.random.Generator], Array] | None = None,
        progress: bool | Reporter = False,
    ) -> dict[str, list[float]]:
        """Trains.

        Args:
            x: all rows (N, …).
            y: their targets (N, …).
            epochs: how often each row is seen.
            validation: rows to validate on, ``(x, y)``, or the fraction of the rows that is
                held out.
            held_out: which rows these are: see ``split_rows``.
            metrics: names of ``METRICS``, or functions by name.
            early_stopping: what the best epoch is, and when to stop.
            callbacks: called after each step and epoch.
            checkpoint: where and when checkpoints are written.
            resume: whether to go on with a ``fit`` that was cut short, by the newest checkpoint
                if the solver has made no step yet and there is one. ``epochs`` counts from that
                one's start.
            sample_weights: of the rows (N,), as the loss takes them.
            augment: ``augment(x, rng) → x``, applied to each batch trained on.
            progress: whether to show a bar on stderr, or what else takes note of it.

        Returns:
            The history. For each epoch it has, beside ``"epoch_loss"``, each metric of the
            rows trained on and, with validation, ``"validation_loss"`` (without penalties) and
            ``"validation_…"`` for each metric; all after the epoch, in inference mode.

        Raises:
            InputError: no rows, unequal numbers of rows, the loss is not finite, or a
                checkpoint cannot be read or written. The last checkpoint stays as it is.
            KeyboardInterrupt: after the step during which it came. The solver can be used on,
                and ``fit(…, resume=True)`` goes on as if there had been none.

        **Parity** (`train-loss-running-average`, `train-metrics-dropout-on`,
        `penalty-in-reported-loss`, `validation-split-tail`, `early-stopping-restore`): Keras's
        metrics of the rows trained on are means over the epoch's batches, dropout active, and
        its validation loss holds the penalties; scikit-learn reports the loss alone.
        """
        fit = Fit(
            self, x, y, epochs,
            validation=validation, held_out=held_out, metrics=named_metrics(metrics),
            early_stopping=early_stopping, callbacks=tuple(callbacks), checkpoint=checkpoint,
            resume=resume, sample_weights=sample_weights, augment=augment,
        )  # fmt: skip
        fit.run(progress)
        return self.history

    # ---- checkpoints --------------------------------------------------------------------
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes everything that training changes into one file.

        Args:
            path: the file, replaced as a whole; its folder must be there.

        Raises:
            InputError: it cannot be written, or a parameter is not finite. A file that was
                there stays.
        """
        save_solver(self, Path(path))

    def restore(self, path: str | os.PathLike[str], *, strict: bool = True) -> None:
        """Puts back what ``save`` wrote.

        Args:
            path: the file.
            strict: whether all settings (loss, constants of the optimizer, schedule, batch
                size, …) must be those it was written with, as they must for the same bits; so
                must the engine, which is not looked at.

        Raises:
            InputError: it cannot be read, or is of another network, optimizer or setting; the
                solver is as before then.
        """
        restore_solver(self, Path(path), strict=strict)
