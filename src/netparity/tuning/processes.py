"""The worker processes on this machine: begun, watched, and replaced where they die."""

from __future__ import annotations

import multiprocessing
import uuid
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, final

from netparity.errors import InputError
from netparity.progress import Reporter
from netparity.tuning import worker as work
from netparity.tuning.lives import RETRY_OF, WORKER, try_again
from netparity.tuning.orders import Orders, Stage
from netparity.tuning.storage import optuna

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from optuna import Study

#: Seconds between two looks at the study, for the progress.
_LOOK: Final = 1.0
#: So many workers may die in one search; more is no accident.
_MOST_DEATHS: Final = 10


@final
class _Worker:
    """One process, and the line to it."""

    def __init__(self, orders: Orders) -> None:
        # A forked process would inherit BLAS's threads in whatever state they are.
        context = multiprocessing.get_context("spawn")
        self.name = uuid.uuid4().hex
        self.line: Connection
        self.line, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=work.main, args=(orders, self.name, theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.busy = False

    def begin(self, stage: Stage, deadline: float | None) -> None:
        """Hands it a stage."""
        self.busy = True
        try:
            self.line.send((stage, deadline))
        except OSError:
            # It has died; whoever waits for it sees that.
            return

    def message(self) -> tuple[str, ...] | None:
        """What it has to say, if anything."""
        try:
            return self.line.recv() if self.line.poll() else None
        except (EOFError, OSError):
            return None


@final
class Workers:
    """The workers of one search; begun when there is something to do, and ended with it.

    Args:
        orders: those of the search.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._workers: list[_Worker] = []
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in self._workers:
            one.process.kill()
            one.process.join()
            one.line.close()

    def run(
        self,
        study: Study,
        stage: Stage,
        progress: Reporter,
        span: tuple[float, float],
        deadline: float | None,
    ) -> None:
        """Runs a stage to its end.

        A worker that dies is replaced, and its trial tried again.

        Args:
            study: the stage's.
            stage: the stage.
            progress: told how far it has come.
            span: the fractions of the whole between which this stage lies.
            deadline: by ``time.time``, when no more trials are begun.

        Raises:
            InputError: a worker could not go on, or too many died.
        """
        if _through(study, stage):
            return
        while len(self._workers) < self._orders.workers:
            self._workers.append(_Worker(self._orders))
        for one in self._workers:
            one.begin(stage, deadline)
        try:
            while any(one.busy for one in self._workers):
                _say(study, stage, progress, span)
                wait([one.line for one in self._workers if one.busy], timeout=_LOOK)
                for one in list(self._workers):
                    self._look(one, study, stage, deadline)
        except BaseException:
            # Interrupted, or a worker could not go on: what the others have begun is put back.
            for one in self._workers:
                one.process.kill()
                one.process.join()
                _release(study, one)
            raise

    def _look(self, one: _Worker, study: Study, stage: Stage, deadline: float | None) -> None:
        """Hears what a worker has to say, and replaces it if it has died."""
        message = one.message()
        if message is not None:
            if message[0] == "input":
                raise InputError(message[1], hint=message[2] or None)
            if message[0] == "fault":
                raise RuntimeError(f"a worker failed:\n{message[1]}")
            one.busy = False
        if one.process.is_alive() or not one.busy:
            return
        self._workers.remove(one)
        one.line.close()
        _release(study, one)
        self._deaths += 1
        if self._deaths > _MOST_DEATHS:
            raise InputError(
                f"{self._deaths} workers have died, the last with exit status "
                f"{one.process.exitcode}",
                hint="is there enough memory for so many workers? The study stays: run the same "
                "command again",
            )
        self._workers.append(_Worker(self._orders))
        self._workers[-1].begin(stage, deadline)


def _through(study: Study, stage: Stage) -> bool:
    states = optuna().trial.TrialState
    trials = study.get_trials(deepcopy=False)
    begun = sum(1 for one in trials if RETRY_OF not in one.user_attrs)
    return begun >= stage.trials and not any(
        one.state in (states.RUNNING, states.WAITING) for one in trials
    )


def _release(study: Study, worker: _Worker) -> None:
    """Puts the trial that a worker did not end back into the queue."""
    running = (optuna().trial.TrialState.RUNNING,)
    for trial in study.get_trials(deepcopy=False, states=running):
        if trial.user_attrs.get(WORKER) == worker.name:
            try_again(study, trial)


def _say(study: Study, stage: Stage, progress: Reporter, span: tuple[float, float]) -> None:
    states = optuna().trial.TrialState
    trials = study.get_trials(deepcopy=False)
    values = [one.values[0] for one in trials if one.state == states.COMPLETE]
    ended = len(values) + sum(1 for one in trials if one.state == states.PRUNED)
    text = f"{stage.kind} {ended}/{stage.trials}"
    if values:
        text += f", best {100 * max(values):.1f} %"
    low, high = span
    progress.stage(text, low + (high - low) * min(ended / stage.trials, 1.0))
