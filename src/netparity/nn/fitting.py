"""The loop over epochs and batches, and the place in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.batches import HeldOut, gathered, split_rows
from netparity.nn.callbacks import Best, Callback, EarlyStopping, Interrupts
from netparity.nn.checkpoints import Checkpoint
from netparity.nn.metrics import Metric
from netparity.progress import NullProgress, Progress, Reporter

if TYPE_CHECKING:
    from netparity.nn.solver import Piece, Solver

#: Seconds between two signs of life.
_PAUSE: Final = 0.1


@final
@dataclass(slots=True)
class Position:
    """How far a ``fit`` has come, with all that it takes to go on from there.

    Attributes:
        epoch: how many epochs are done.
        batch: how many batches of the present epoch are done.
        fed: how many rows these held.
        total: the sum of their losses, each times its rows.
        rows: how many rows are trained on; 0 before the first ``fit``.
        start: the generator's state at the start of the ``fit``.
        epoch_start: its state at the start of the present epoch.
        stopped: why it stopped, or ``None``.
    """

    epoch: int = 0
    batch: int = 0
    fed: int = 0
    total: float = 0.0
    rows: int = 0
    start: Mapping[str, Any] = field(default_factory=dict)
    epoch_start: Mapping[str, Any] = field(default_factory=dict)
    stopped: str | None = None


@final
class Fit:
    """One call of ``Solver.fit``, whose arguments it takes.

    Args:
        solver: what is trained.
        x: all rows.
        y: their targets.
        epochs: how many.
        validation: see ``Solver.fit``, and so on.
        held_out: which rows are held out.
        metrics: functions by name.
        early_stopping: the rule.
        callbacks: called in their order.
        checkpoint: where and when.
        resume: whether to go on with the ``fit`` before.
        sample_weights: of the rows.
        augment: applied to each batch.

    Raises:
        InputError: the data cannot be trained on, or nothing can be gone on with.

    Example:
        >>> from netparity.nn import SGD, Affine, MeanSquaredError, Network, Solver
        >>> solver = Solver(Network((("line", Affine(1, 1)),)), MeanSquaredError(), SGD(0.25))
        >>> Fit(solver, np.ones((3, 1)), np.ones(3), 2).run()
        >>> solver.position.epoch
        2
    """

    def __init__(
        self,
        solver: Solver,
        x: Array,
        y: Array,
        epochs: int,
        *,
        validation: tuple[Array, Array] | float | None = None,
        held_out: HeldOut = "tail",
        metrics: Mapping[str, Metric] | None = None,
        early_stopping: EarlyStopping | None = None,
        callbacks: tuple[Callback, ...] = (),
        checkpoint: Checkpoint | None = None,
        resume: bool = False,
        sample_weights: Array | None = None,
        augment: Callable[[Array, np.random.Generator], Array] | None = None,
    ) -> None:
        if epochs < 0:
            raise InputError(f"epochs out of range. Expected at least 0. Received: {epochs}")
        self._solver, self._epochs = solver, epochs
        self._x, self._y = np.asarray(x), np.asarray(y)
        self._weights = None if sample_weights is None else np.asarray(sample_weights)
        _check_rows(self._x, self._y, self._weights)
        self._metrics = metrics or {}
        self._rule = early_stopping
        self._callbacks, self._checkpoint, self._augment = callbacks, checkpoint, augment
        memory = Memory(reuse=True)
        self._x_memory, self._y_memory = memory.within("x"), memory.within("y")
        self._weights_memory = memory.within("weights")
        if checkpoint is not None:
            checkpoint.prepare()
            self._look_at(checkpoint, resume=resume)
        resume = resume and bool(solver.position.start)
        self._rows, self._validation = self._split(validation, held_out, resume=resume)
        if self._rule is None and self._validation is not None:
            self._rule = EarlyStopping(patience=None)
        if self._rule is not None:
            self._check_recorded("early stopping", self._rule.monitor)
        if solver.plateau is not None:
            self._check_recorded("plateau", solver.plateau_monitor)
        if not resume:
            solver.best = None
        elif solver.position.rows != len(self._rows):
            raise InputError(
                f"training cannot go on with other data. Expected {solver.position.rows} rows "
                f"to train on. Received: {len(self._rows)}"
            )

    def _look_at(self, checkpoint: Checkpoint, *, resume: bool) -> None:
        """Goes on from the newest checkpoint, or makes sure that none is lost."""
        latest, untrained = checkpoint.latest(), self._solver.state["step"] == 0
        if latest is None or not untrained:
            return
        if not resume:
            raise InputError(
                f"`{latest}` is there already, of a run before this one",
                hint="go on with it by resume=True, remove it, or write to another place",
            )
        self._solver.restore(latest)

    def _split(
        self, validation: tuple[Array, Array] | float | None, held_out: HeldOut, *, resume: bool
    ) -> tuple[Array, tuple[Array, Array] | None]:
        """The rows trained on, and what is validated on."""
        solver, rng = self._solver, self._solver.rng
        now = rng.bit_generator.state
        if resume:
            rng.bit_generator.state = solver.position.start
        else:
            solver.position = Position(start=now)
        rows, held = np.arange(len(self._x)), None
        if isinstance(validation, tuple | list):
            held = (np.asarray(validation[0]), np.asarray(validation[1]))
            _check_rows(*held, None)
            if held[0].shape[1:] != self._x.shape[1:]:
                raise InputError(
                    f"validation rows of another shape. Expected (N, "
                    f"{', '.join(map(str, self._x.shape[1:]))}). Received: {held[0].shape}"
                )
        elif validation is not None:
            rows, rest = split_rows(len(self._x), float(validation), held_out, rng)
            held = (self._x[rest], self._y[rest])
        if resume:
            rng.bit_generator.state = now
        else:
            solver.position.rows = len(rows)
        return rows, held

    def _check_recorded(self, what: str, name: str) -> None:
        """Refuses to watch what is not recorded of each epoch."""
        names = ["epoch_loss", *self._metrics]
        if self._validation is not None:
            names += [f"validation_{name}" for name in ("loss", *self._metrics)]
        if name not in names:
            raise InputError(
                f"{what}: {name!r} is not recorded. Expected one of {', '.join(names)}",
                hint="give validation rows, or the metric's name to fit",
            )

    def run(self, progress: bool | Reporter = False) -> None:
        """Trains.

        Args:
            progress: whether to show a bar on stderr, or what else takes note.

        Raises:
            InputError: see ``Solver.fit``.
            KeyboardInterrupt: likewise.
        """
        shown: AbstractContextManager[Reporter] = (
            Progress(title="training")
            if progress is True
            else nullcontext(progress or NullProgress())
        )
        solver = self._solver
        with shown as reporter, Interrupts() as interrupts:
            sign = _Sign(reporter, self._epochs)
            while solver.position.epoch < self._epochs and solver.position.stopped is None:
                self._epoch(interrupts, sign)
            if self._checkpoint is not None and (
                self._checkpoint.every != "epoch" or solver.position.batch > 0
            ):
                self._save(self._checkpoint)
        if self._rule is not None and self._rule.restore_best and solver.best is not None:
            solver.load({**solver.best.parameters, **solver.best.buffers})

    def _epoch(self, interrupts: Interrupts, sign: _Sign) -> None:
        """What is left of the present epoch."""
        solver, position = self._solver, self._solver.position
        batches = solver.batches.cut(self._order())
        while position.batch < len(batches) and position.stopped is None:
            group = batches[position.batch : position.batch + solver.accumulate]
            losses = solver.advance(self._pieces(group))
            position.batch += len(group)
            position.fed += sum(rows for _, rows in losses)
            position.total += sum(loss * rows for loss, rows in losses)
            step, loss = solver.state["step"], solver.history["loss"][-1]
            self._ask([one.on_step(solver, step, loss) for one in self._callbacks])
            if self._checkpoint is not None and self._checkpoint.due(step):
                self._save(self._checkpoint)
            sign.show(position.epoch, position.batch / len(batches), loss)
            interrupts.check()
        if position.batch == len(batches):
            self._end_of_epoch()
            interrupts.check()

    def _order(self) -> Array:
        """The rows of the present epoch in order, drawn anew where it was begun before."""
        position, rng = self._solver.position, self._solver.rng
        now = rng.bit_generator.state
        if position.batch > 0:
            rng.bit_generator.state = position.epoch_start
        else:
            position.epoch_start = now
        order = self._rows[self._solver.batches.order(len(self._rows), rng)]
        if position.batch > 0:
            rng.bit_generator.state = now
        return order

    def _pieces(self, group: list[Array]) -> Iterator[Piece]:
        """The batches of one update, each in the memory of the one before it."""
        dtype = self._solver.dtype
        for rows in group:
            x = gathered(self._x, rows, self._x_memory, dtype)
            if self._augment is not None:
                x = np.asarray(self._augment(x, self._solver.rng), dtype)
            real = dtype if self._y.dtype.kind == "f" else None
            y = gathered(self._y, rows, self._y_memory, real)
            weights = None
            if self._weights is not None:
                weights = gathered(self._weights, rows, self._weights_memory, dtype)
            yield x, y, weights

    def _end_of_epoch(self) -> None:
        """Measures, keeps the best, asks the callbacks, writes a checkpoint."""
        solver, position = self._solver, self._solver.position
        values = {"epoch_loss": position.total / position.fed, **self._measured()}
        for name, value in values.items():
            solver.history.setdefault(name, []).append(value)
        position.epoch += 1
        position.batch, position.fed, position.total = 0, 0, 0.0
        if solver.plateau is not None:
            value = values[solver.plateau_monitor]
            solver.plateau_state = solver.plateau.observe(solver.plateau_state, value)
        if self._rule is not None:
            position.stopped = self._judge(self._rule, values)
        self._ask([one.on_epoch(solver, position.epoch, values) for one in self._callbacks])
        if self._checkpoint is not None and self._checkpoint.every == "epoch":
            self._save(self._checkpoint)

    def _measured(self) -> dict[str, float]:
        """Metrics of the rows trained on, and loss and metrics of those validated on."""
        solver, values = self._solver, dict[str, float]()
        if solver.schedule is not None or solver.plateau is not None:
            values["learning_rate"] = solver.rate_of(solver.state["step"] - 1)
        if self._metrics:
            rows: slice | Array = self._rows
            if self._rows[-1] == len(self._rows) - 1:
                rows = slice(len(self._rows))
            found = solver.evaluate(self._x[rows], self._y[rows], self._metrics)
            values.update({name: found[name] for name in self._metrics})
        if self._validation is not None:
            found = solver.evaluate(*self._validation, self._metrics)
            values.update({f"validation_{name}": value for name, value in found.items()})
        return values

    def _judge(self, rule: EarlyStopping, values: Mapping[str, float]) -> str | None:
        """Keeps the best epoch; says why to stop."""
        solver, epoch = self._solver, self._solver.position.epoch
        value = values[rule.monitor]
        if rule.better(value, solver.best and solver.best.value):
            solver.best = Best(
                epoch,
                value,
                {name: array.copy() for name, array in solver.parameters.items()},
                {name: array.copy() for name, array in solver.buffers.items()},
            )
        return rule.verdict(epoch - (solver.best.epoch if solver.best else 0))

    def _ask(self, answers: list[str | None]) -> None:
        """Takes note of the first callback's reason to stop, if there is one."""
        reasons = [answer for answer in answers if answer is not None]
        if reasons and self._solver.position.stopped is None:
            self._solver.position.stopped = str(reasons[0])

    def _save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint; only then are older ones removed."""
        self._solver.save(checkpoint.file(self._solver.state["step"]))
        checkpoint.prune()


@final
class _Sign:
    """A sign of life now and then."""

    def __init__(self, reporter: Reporter, epochs: int) -> None:
        self._reporter, self._epochs = reporter, epochs
        self._last = 0.0

    def show(self, epoch: int, part: float, loss: float) -> None:
        """Says how many epochs and which part of the next are done, and the last loss."""
        now = time.monotonic()
        if now - self._last >= _PAUSE:
            self._last = now
            text = f"epoch {epoch + 1} of {self._epochs}, loss {loss:.4g}"
            self._reporter.stage(text, (epoch + part) / self._epochs)


def _check_rows(x: Array, y: Array, weights: Array | None) -> None:
    """Refuses data of no or of unequal rows."""
    rows = x.shape[0] if x.ndim else 0
    targets = y.shape[0] if y.ndim else 0
    if rows == 0 or targets != rows:
        raise InputError(
            f"data cannot be trained on. Expected as many targets as rows, at least one. "
            f"Received: {rows} rows, {targets} targets"
        )
    if weights is not None and weights.shape != (rows,):
        raise InputError(
            f"sample weights of another shape. Expected ({rows},). Received: {weights.shape}"
        )
