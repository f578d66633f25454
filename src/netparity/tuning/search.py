"""The search: coarse, then fine around the best, then the best few and the winner with seeds."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, final

import msgspec
import numpy as np

from netparity.errors import InputError
from netparity.progress import Reporter
from netparity.training.configuration import Configuration, as_values
from netparity.training.data import Data
from netparity.training.statistics import Mean, mean
from netparity.tuning import space as spaces
from netparity.tuning.lives import RETRY_OF, position
from netparity.tuning.orders import FAILURE, RESULT, Orders, Stage, found, join
from netparity.tuning.processes import Workers
from netparity.tuning.space import Found, Point
from netparity.tuning.storage import open_storage, optuna, problems

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

#: The coarse stage has this share of the trials, and each of its trials this share of the epochs.
_COARSE_TRIALS: Final = 2 / 3
_COARSE_EPOCHS: Final = 1 / 3
#: So many of the best points of the coarse stage are tried first in the fine one.
_QUEUED: Final = 3
#: Of the time, where there is a limit, the coarse stage may take this share.
_COARSE_TIME: Final = 1 / 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long a search may go on.

    Attributes:
        study: a name for it.
        trials: of the coarse and the fine stage together.
        finalists: how many of the best are compared with several seeds.
        seeds: with how many.
        timeout: seconds after which no more trials of these are begun; ``None``: any.
    """

    study: str
    trials: int
    finalists: int
    seeds: int
    timeout: float | None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What a search found.

    Attributes:
        coarse: the study of the coarse stage.
        fine: that of the fine stage.
        point: the point that validates best.
        chosen: the configuration there.
        validation: its validation accuracy, the mean over the seeds it was confirmed with.
        results: what each training of it gave, in the order of the seeds.
    """

    coarse: Study
    fine: Study
    point: Point
    chosen: Configuration
    validation: Mean
    results: tuple[dict[str, Any], ...]


def search(
    plan: Plan,
    orders: Orders,
    base: Configuration,
    given: Sequence[str],
    data: Data,
    progress: Reporter,
) -> Searched:
    """Searches, chooses by validation, and tests what was chosen.

    All of it is kept in the study as it goes: the same call goes on where the last one
    stopped, here or on another machine.

    Args:
        plan: how long.
        orders: where and with how many processes.
        base: the configuration but for what is searched; its epochs are those of the fine stage.
        given: the fields of it that were set and are not searched.
        data: all rows.
        progress: told how far it has come.

    Raises:
        InputError: no row is held out to choose by, nothing is left to search, the study is
            about something else, or every trial failed.
    """
    wide = spaces.wide(given, data.image)
    if not wide:
        raise InputError("nothing is left to search: the options say everything")
    if int(len(data.training) * base.validation) < 1:
        raise InputError(
            f"no row is held out to choose by: {base.validation:g} of {len(data.training)} rows",
            hint="give a larger share with `--validation`",
        )
    began = time.time()
    coarse_trials = max(1, round(plan.trials * _COARSE_TRIALS))
    coarse_stage = Stage(
        kind="coarse",
        study=f"{plan.study}/coarse",
        trials=coarse_trials,
        base=as_values(replace(base, epochs=max(1, round(base.epochs * _COARSE_EPOCHS)))),
        given=tuple(given),
        data=digest(data),
        space=wide,
    )
    with problems(orders.storage), Workers(orders) as workers:
        storage = open_storage(orders.storage)

        def run(
            stage: Stage,
            span: tuple[float, float],
            queue: Sequence[Point] = (),
            deadline: float | None = None,
        ) -> Study:
            study, stage = join(storage, stage, [dict(point) for point in queue])
            workers.run(study, stage, progress, span, deadline)
            return study

        coarse = run(coarse_stage, (0.0, 0.3), deadline=_deadline(plan, began, _COARSE_TIME))
        tried = _some(coarse)
        fine_stage = msgspec.structs.replace(
            coarse_stage,
            kind="fine",
            study=f"{plan.study}/fine",
            trials=max(1, plan.trials - coarse_trials),
            base=as_values(base),
            space=spaces.narrowed(wide, tried),
        )
        top = [one.point for one in spaces.best(tried)]
        fine = run(
            fine_stage,
            (0.3, 0.6),
            top[: min(_QUEUED, fine_stage.trials)],
            _deadline(plan, began, 1.0),
        )
        points = _finalists(_some(fine, coarse), plan.finalists)
        confirm_stage = _repeating(fine_stage, "confirm", plan, points)
        means = _means(run(confirm_stage, (0.6, 0.85)), len(points))
        point, validation = max(zip(points, means, strict=True), key=lambda pair: pair[1].value)
        final_stage = _repeating(fine_stage, "final", plan, [point])
        final = run(final_stage, (0.85, 1.0))
        return Searched(
            coarse=coarse,
            fine=fine,
            point=point,
            chosen=final_stage.configuration(point),
            validation=validation,
            results=tuple(dict(one.user_attrs[RESULT]) for one in _by_place(final)),
        )


def _deadline(plan: Plan, began: float, share: float) -> float | None:
    return None if plan.timeout is None else began + share * plan.timeout


def _some(study: Study, fallback: Study | None = None) -> list[Found]:
    """What was tried to its end; there must be something."""
    tried = found(study)
    if fallback is not None and not tried:
        tried = found(fallback)
    if any(one.value > 0.0 for one in tried):
        return tried
    reasons = [
        one.user_attrs[FAILURE]
        for one in study.get_trials(deepcopy=False)
        if FAILURE in one.user_attrs
    ]
    if not reasons:
        raise InputError(
            f"no trial of `{study.study_name}` has been run to its end",
            hint="give more time with `--timeout`, or run the same command again to go on",
        )
    raise InputError(f"every trial of `{study.study_name}` failed, the last with: {reasons[-1]}")


def _finalists(tried: Sequence[Found], count: int) -> list[Point]:
    """The best points, each once."""
    points: list[Point] = []
    for one in sorted(tried, key=lambda one: -one.value):
        if one.point not in points:
            points.append(one.point)
    return points[:count]


def _repeating(
    fine: Stage, kind: Literal["confirm", "final"], plan: Plan, points: Sequence[Point]
) -> Stage:
    """A stage that trains some points with several seeds."""
    written = tuple(dict(point) for point in points)
    mark = hashlib.sha256(msgspec.json.encode(written)).hexdigest()[:8]
    return msgspec.structs.replace(
        fine,
        kind=kind,
        study=f"{plan.study}/{kind}/{mark}",
        trials=len(points) * plan.seeds,
        space={},
        points=written,
    )


def _by_place(study: Study) -> list[FrozenTrial]:
    """The trials that were run to their end, in the order in which their places were given."""
    trials = study.get_trials(deepcopy=False)

    def place(trial: FrozenTrial) -> int:
        return position(trials, trial.user_attrs.get(RETRY_OF, trial.number))

    complete = optuna().trial.TrialState.COMPLETE
    return sorted((one for one in trials if one.state == complete), key=place)


def _means(study: Study, points: int) -> list[Mean]:
    """The mean validation accuracy of each of several points."""
    trials = study.get_trials(deepcopy=False)
    values: list[list[float]] = [[] for _ in range(points)]
    for one in _by_place(study):
        place = position(trials, one.user_attrs.get(RETRY_OF, one.number))
        values[place % points].append(one.values[0])
    # A point of which every training was the end of its worker is no choice.
    return [mean(of) if of else Mean(-math.inf, None) for of in values]


def digest(data: Data) -> str:
    """A digest of all rows, equal where the data are.

    Args:
        data: the rows.
    """
    state = hashlib.sha256()
    for rows in (data.training, data.test):
        if rows is not None:
            state.update(f"{rows.x.shape} {rows.y.shape}".encode())
            state.update(np.ascontiguousarray(rows.x).data)
            state.update(np.ascontiguousarray(rows.y).data)
    return state.hexdigest()[:16]
