"""The worker processes on this machine: begun, watched, and replaced where they die."""

from __future__ import annotations

import multiprocessing
import uuid
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Final, final

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
#: So many workers may die in one stage; more is no accident.
_MOST_DEATHS: Final = 10


@final
class _Worker:
    """One process."""

    def __init__(self, orders: Orders, stage: Stage, deadline: float | None) -> None:
        # A forked process would inherit BLAS's threads in whatever state they are.
        context = multiprocessing.get_context("spawn")
        self.name = uuid.uuid4().hex
        self.reports: Connection
        self.reports, theirs = context.Pipe(duplex=False)
        self.process: SpawnProcess = context.Process(
            target=work.main, args=(orders, stage, self.name, deadline, theirs), daemon=True
        )
        self.process.start()
        theirs.close()

    def report(self) -> tuple[str, ...] | None:
        """What went wrong, as far as the process could say it."""
        try:
            return self.reports.recv() if self.reports.poll() else None
        except EOFError:
            return None


def run_stage(
    study: Study,
    stage: Stage,
    orders: Orders,
    progress: Reporter,
    span: tuple[float, float],
    deadline: float | None,
) -> None:
    """Runs a stage to its end with this machine's workers.

    A worker that dies is replaced, and its trial tried again.

    Args:
        study: the stage's.
        stage: the stage.
        orders: those of the search.
        progress: told how far it has come.
        span: the fractions of the whole between which this stage lies.
        deadline: by ``time.time``, when no more trials are begun.

    Raises:
        InputError: a worker could not go on, or too many died.
    """
    if _through(study, stage):
        return
    workers = [_Worker(orders, stage, deadline) for _ in range(orders.workers)]
    deaths = 0
    try:
        while workers:
            _say(study, stage, progress, span)
            wait([one.process.sentinel for one in workers], timeout=_LOOK)
            for one in [one for one in workers if not one.process.is_alive()]:
                workers.remove(one)
                _release(study, one)
                _complain(one)
                if one.process.exitcode != 0:
                    deaths += 1
                    if deaths > _MOST_DEATHS:
                        raise InputError(
                            f"{deaths} workers have died, the last with exit status "
                            f"{one.process.exitcode}",
                            hint="is there enough memory for so many workers? The study stays: "
                            "run the same command again",
                        )
                    if not _through(study, stage):
                        workers.append(_Worker(orders, stage, deadline))
    finally:
        for one in workers:
            one.process.kill()
            one.process.join()
            _release(study, one)


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


def _complain(worker: _Worker) -> None:
    """Raises what a worker has reported."""
    report = worker.report()
    if report is None:
        return
    if report[0] == "input":
        raise InputError(report[1], hint=report[2])
    raise RuntimeError(f"a worker failed:\n{report[1]}")


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
