"""Trials whose worker has died: how they are noticed and tried again.

A worker gives a sign of life every few seconds, as an attribute of its trial, in whatever
storage the study has. Whoever looks on and sees no new sign for long enough, by a clock of
its own, declares the trial failed and puts the same parameters in the queue again. The
worker, should it only have been asleep, sees that its trial was taken away and drops it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Self, final

from netparity.tuning.storage import optuna

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

#: Seconds without a sign of life until a trial counts as dead, and how many signs it would
#: have given in that time: some may be late, or lost on the way.
GRACE: Final = 45.0
SIGNS_PER_GRACE: Final = 9
#: Seconds until two workers that were handed one trial have both written their names.
_CLAIM: Final = 0.2
#: A trial that has been the end of this many workers is not tried again.
MOST_RETRIES: Final = 3

#: Attributes of a trial: its worker, where that runs (for people), its sign of life, the first
#: trial that it is a retry of, and how many there have been before it.
WORKER: Final = "worker"
PROCESS: Final = "process"
SIGN: Final = "sign"
RETRY_OF: Final = "retry of"
RETRIES: Final = "retries"


@final
class Signs:
    """Gives signs of life for a trial while it is run.

    Args:
        trial: the trial.
        worker: whose it is.
        interval: seconds between two signs.

    Attributes:
        lost: whether the trial was declared failed by somebody else.
    """

    def __init__(self, trial: Trial, worker: str, interval: float) -> None:
        self._trial = trial
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._give, daemon=True)
        self.lost = False
        trial.set_user_attr(WORKER, worker)
        trial.set_user_attr(PROCESS, f"{socket.gethostname()}:{os.getpid()}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _give(self) -> None:
        count = 0
        while not self._ended.wait(self._interval):
            count += 1
            try:
                self._trial.set_user_attr(SIGN, count)
            except optuna().exceptions.UpdateFinishedTrialError:
                self.lost = True
                return
            # A storage that cannot be reached for a moment: the next sign may get through.
            except Exception:
                continue


def claimed(study: Study, trial: Trial, worker: str) -> bool:
    """Whether a trial is this worker's alone.

    Optuna can hand one trial of the queue to two workers at once where the database is SQLite,
    which has no lock on a row. Each has written its name by the time this is asked, and the
    last one stands.

    Args:
        study: the study.
        trial: a trial that was asked for, with signs of life.
        worker: the name of this worker.
    """
    now = study.get_trials(deepcopy=False)[trial.number]
    if RETRY_OF not in now.user_attrs and "fixed_params" not in now.system_attrs:
        # It was drawn, not queued.
        return True
    time.sleep(_CLAIM)
    now = study.get_trials(deepcopy=False)[trial.number]
    return now.user_attrs.get(WORKER) == worker and not now.state.is_finished()


@final
class Watch:
    """Looks on for trials that give no more signs of life.

    Args:
        grace: seconds without a new sign until a trial counts as dead.
        clock: what tells the time, in seconds.
    """

    def __init__(self, grace: float = GRACE, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self._seen: dict[int, tuple[Any, float]] = {}

    def dead(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Those of the running trials that have given no new sign for too long.

        Args:
            trials: all that are running.
        """
        now = self._clock()
        seen: dict[int, tuple[Any, float]] = {}
        found = []
        for trial in trials:
            sign = (trial.user_attrs.get(SIGN), len(trial.intermediate_values))
            before = self._seen.get(trial.number)
            since = before[1] if before is not None and before[0] == sign else now
            seen[trial.number] = (sign, since)
            if now - since >= self._grace:
                found.append(trial)
        self._seen = seen
        return found


def try_again(study: Study, trial: FrozenTrial) -> bool:
    """Declares a running trial failed and queues its parameters once more.

    Args:
        study: its study.
        trial: a trial whose worker has died.

    Returns:
        Whether it was queued: not if it had ended meanwhile or has been tried too often.
    """
    state = optuna().trial.TrialState
    try:
        study.tell(trial.number, state=state.FAIL)
    except (ValueError, optuna().exceptions.UpdateFinishedTrialError):
        return False
    retries = int(trial.user_attrs.get(RETRIES, 0)) + 1
    if retries > MOST_RETRIES:
        return False
    study.add_trial(
        optuna().trial.create_trial(
            state=state.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={RETRY_OF: trial.user_attrs.get(RETRY_OF, trial.number), RETRIES: retries},
            system_attrs={
                name: value for name, value in trial.system_attrs.items() if name == "fixed_params"
            },
        )
    )
    return True


def position(trials: Iterable[FrozenTrial], number: int) -> int:
    """How many trials came before one, retries not counted.

    Args:
        trials: of the study.
        number: the trial's.
    """
    return sum(1 for one in trials if one.number < number and RETRY_OF not in one.user_attrs)
