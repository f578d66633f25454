"""A process that takes trials from a study and runs them."""

from __future__ import annotations

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from netparity.errors import InputError
from netparity.training.configuration import configured
from netparity.training.data import Data, load
from netparity.training.history import Epoch
from netparity.training.run import train, validate
from netparity.tuning.folder import seed_folder
from netparity.tuning.lives import RETRY_OF, Signs, Watch, claimed, position, try_again
from netparity.tuning.orders import (
    BEST_EPOCH,
    FAILURE,
    RESULT,
    SURPLUS,
    Orders,
    Stage,
    join,
    sampler,
)
from netparity.tuning.space import suggested
from netparity.tuning.storage import open_storage, optuna, problems

if TYPE_CHECKING:
    from optuna import Study, Trial

#: Seconds between two looks at a study in which there is nothing to do but wait.
_LOOK: Final = 0.5


class _TakenAway(Exception):
    """The trial was declared failed by somebody else."""


class _Orphaned(Exception):
    """The process that started this one has ended."""


def main(orders: Orders, worker: str, line: Connection) -> None:
    """Runs the trials of each stage it is handed.

    Args:
        orders: those of the search.
        worker: a name for this process, like no other.
        line: to the process that started it. A stage comes in with its deadline by
            ``time.time`` (or ``None``), when no more trials are begun; ``("done",)``,
            ``("input", message, hint)`` or ``("fault", traceback)`` goes out.
    """
    # Interrupting is the parent's affair: it puts the trials of its workers back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from threadpoolctl import threadpool_limits

    try:
        # A run that diverges is a bad point of the space, and no reason for warnings.
        with (
            threadpool_limits(_threads(orders)),
            np.errstate(all="ignore"),
            problems(orders.storage),
        ):
            storage = open_storage(orders.storage)
            data: Data | None = None
            while True:
                try:
                    stage, deadline = line.recv()
                except EOFError:
                    return
                data = load(configured(stage.base), orders.data_dir) if data is None else data
                study, _ = join(storage, stage)
                _work(orders, stage, data, study, worker, deadline)
                line.send(("done",))
    except InputError as error:
        line.send(("input", error.message, error.hint or ""))
    except _Orphaned:
        pass
    except BaseException:
        line.send(("fault", traceback.format_exc()))
        raise


def _threads(orders: Orders) -> int:
    """Threads of BLAS for each worker: the machine's, shared out."""
    return max(1, multiprocessing.cpu_count() // orders.workers)


def _work(
    orders: Orders, stage: Stage, data: Data, study: Study, worker: str, deadline: float | None
) -> None:
    """Runs trials until the stage is through."""
    watch = Watch(orders.grace)
    states = optuna().trial.TrialState
    while True:
        _check_parent()
        trials = study.get_trials(deepcopy=False)
        running = [one for one in trials if one.state == states.RUNNING]
        for one in watch.dead(running):
            try_again(study, one)
        waiting = any(one.state == states.WAITING for one in trials)
        begun = sum(1 for one in trials if RETRY_OF not in one.user_attrs)
        late = deadline is not None and time.time() >= deadline
        if late or (begun >= stage.trials and not waiting and not running):
            return
        if begun >= stage.trials and not waiting:
            time.sleep(_LOOK)
            continue
        trial = study.ask()
        with Signs(trial, worker, orders.interval) as signs:
            if not claimed(study, trial, worker):
                continue
            # Two workers may have seen the last free place at once.
            first = int(trial.user_attrs.get(RETRY_OF, trial.number))
            place = position(study.get_trials(deepcopy=False), first)
            if place >= stage.trials:
                trial.set_user_attr(SURPLUS, True)
                _tell(study, trial, None, states.FAIL)
            else:
                _attempt(orders, stage, data, study, trial, signs, place)


def _attempt(
    orders: Orders, stage: Stage, data: Data, study: Study, trial: Trial, signs: Signs, place: int
) -> None:
    """Runs one trial and writes down what came of it."""
    states = optuna().trial.TrialState

    def watch(epoch: Epoch) -> None:
        if signs.lost:
            raise _TakenAway
        _check_parent()
        if not stage.searches or epoch.validation_accuracy is None:
            return
        trial.report(epoch.validation_accuracy, epoch.epoch)
        # After the last epoch there is nothing left to save.
        if epoch.epoch < int(stage.base["epochs"]) and trial.should_prune():
            raise optuna().TrialPruned

    try:
        if stage.searches:
            value = _tried(stage, data, study, trial, watch)
        else:
            value = _repeated(orders, stage, data, trial, place, watch)
    except optuna().TrialPruned:
        _tell(study, trial, None, states.PRUNED)
    except (_TakenAway, optuna().exceptions.UpdateFinishedTrialError):
        pass
    except _Orphaned:
        try_again(study, study.get_trials(deepcopy=False)[trial.number])
        raise
    except BaseException:
        _tell(study, trial, None, states.FAIL)
        raise
    else:
        _tell(study, trial, value, states.COMPLETE)


def _tried(
    stage: Stage, data: Data, study: Study, trial: Trial, watch: Callable[[Epoch], None]
) -> float:
    """The validation accuracy at the point that a trial is given."""
    study.sampler = sampler(stage, trial.number)
    configuration = stage.configuration(suggested(stage.space, trial))
    try:
        best = validate(configuration, data, watch)
    except InputError as error:
        # It diverged: as bad as a point can be, which the search should learn.
        trial.set_user_attr(FAILURE, error.message)
        return 0.0
    trial.set_user_attr(BEST_EPOCH, best.epoch)
    return best.validation_accuracy or 0.0


def _repeated(
    orders: Orders, stage: Stage, data: Data, trial: Trial, place: int,
    watch: Callable[[Epoch], None],
) -> float:  # fmt: skip
    """The validation accuracy of a point with another seed; in the end, that on the test."""
    configuration = stage.repeated(place)
    if stage.kind == "confirm":
        return validate(configuration, data, watch).validation_accuracy or 0.0
    result = train(configuration, data, seed_folder(orders.folder, configuration), on_epoch=watch)
    trial.set_user_attr(RESULT, result)
    return float((result["test"] or result["validation"])["accuracy"])


def _tell(study: Study, trial: Trial, value: float | None, state: Any) -> None:
    """Ends a trial, unless somebody else has ended it meanwhile."""
    with suppress(ValueError, optuna().exceptions.UpdateFinishedTrialError):
        study.tell(trial, value, state=state)


def _check_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise _Orphaned
