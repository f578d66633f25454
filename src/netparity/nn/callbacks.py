"""What may look on while a network trains, and end it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Literal, Self, final

from netparity.errors import InputError
from netparity.nn.arrays import Array

if TYPE_CHECKING:
    from netparity.nn.solver import Solver


class Callback:
    """Is called while a solver trains; a method that returns a reason ends the training.

    Example:
        >>> class Enough(Callback):
        ...     def on_epoch(self, solver, epoch, values):
        ...         return "good enough" if values["epoch_loss"] < 0.1 else None

    **Parity**: Keras's callbacks set ``model.stop_training``; here the reason is returned, and
    kept in ``solver.stopped``.
    """

    def on_step(self, solver: Solver, step: int, loss: float) -> str | None:
        """After each update.

        Args:
            solver: the solver, updated.
            step: how many updates it has made.
            loss: the loss with penalties, before the update.

        Returns:
            ``None`` to go on, or why to stop.
        """

    def on_epoch(self, solver: Solver, epoch: int, values: Mapping[str, float]) -> str | None:
        """After each epoch.

        Args:
            solver: the solver.
            epoch: how many epochs of this ``fit`` are done.
            values: what the history has got for this epoch, by name.

        Returns:
            ``None`` to go on, or why to stop.
        """


@final
@dataclass(frozen=True, slots=True)
class Best:
    """The best epoch of a ``fit``.

    Attributes:
        epoch: which, counted from 1.
        value: of what was monitored.
        parameters: copies of the parameters after it.
        buffers: copies of the buffers.
    """

    epoch: int
    value: float
    parameters: dict[str, Array]
    buffers: dict[str, Array]


@final
@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Which epoch is the best one, and when to stop looking for a better one.

    An epoch is better if its value is by more than ``minimum_delta`` below (or, for ``"max"``,
    above) that of the best so far. Training stops after ``patience`` epochs without one.

    Args:
        patience: at least 1; ``None`` never stops, and only keeps the best.
        monitor: the name of a value of the history.
        mode: whether the least or the greatest value is the best; ``"auto"``: the greatest of
            names that end in ``accuracy``, the least of others.
        minimum_delta: at least 0.
        restore_best: whether ``fit`` hands the solver back with the best parameters and buffers
            in place of the last ones.

    Raises:
        InputError: a value is out of range.

    Example:
        >>> rule = EarlyStopping(patience=2, minimum_delta=0.25)
        >>> rule.better(0.5, 1.0), rule.better(0.75, 1.0), rule.better(0.5, None)
        (True, False, True)

    Source: L. Prechelt, "Early stopping – but when?", 1998.

    **Parity** (`early-stopping-restore`): Keras does not restore the best weights unless told
    to, and its patience of 0 acts as 1; scikit-learn restores them, by a patience of 10 and
    ``tol`` 1e-4; cs231n's solver swaps in those of the best validation accuracy at the end. A
    value that is NaN is no better than any, in all of them.
    """

    patience: int | None = 10
    monitor: str = "validation_loss"
    mode: Literal["auto", "min", "max"] = "auto"
    minimum_delta: float = 0.0
    restore_best: bool = False

    def __post_init__(self) -> None:
        """Checks the values."""
        if self.patience is not None and self.patience < 1:
            raise InputError(
                f"patience out of range. Expected at least 1, or None. Received: {self.patience}"
            )
        if not self.minimum_delta >= 0.0:
            raise InputError(
                f"minimum delta out of range. Expected at least 0. Received: {self.minimum_delta}"
            )
        if self.mode not in ("auto", "min", "max"):
            raise InputError(f"mode: expected auto, min or max. Received: {self.mode!r}")

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far.

        Args:
            value: of this epoch.
            best: the best so far, or ``None``.
        """
        if best is None:
            return value == value
        if self.mode == "max" or (self.mode == "auto" and self.monitor.endswith("accuracy")):
            return value > best + self.minimum_delta
        return value < best - self.minimum_delta

    def verdict(self, epochs_since: int) -> str | None:
        """Why to stop, or ``None``.

        Args:
            epochs_since: how many epochs the best one lies back.
        """
        if self.patience is None or epochs_since < self.patience:
            return None
        return f"{self.monitor} is no better than {epochs_since} epochs ago"


@final
class Interrupts:
    """Holds back an interrupt (Ctrl-C) until the work of the moment is whole.

    A second one ends at once. Nothing is changed where the program has a handler of its own,
    or outside the main thread, where none can be set.

    Example:
        >>> with Interrupts() as interrupts:
        ...     interrupts.check()
    """

    def __init__(self) -> None:
        self._pending = False
        self._installed = False

    def __enter__(self) -> Self:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self.check()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._pending:
            raise KeyboardInterrupt
        self._pending = True

    def check(self) -> None:
        """Raises the interrupt that was held back, if there was one.

        Raises:
            KeyboardInterrupt: there was.
        """
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt
