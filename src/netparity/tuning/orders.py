"""What the workers of a search are told, and the studies they share."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, final

import msgspec

from netparity.errors import InputError
from netparity.training.configuration import Configuration, configured
from netparity.tuning import space as spaces
from netparity.tuning.space import Found, Value
from netparity.tuning.storage import optuna, quiet

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

#: Attribute of a study: what it is about.
SETTINGS: Final = "settings"
#: Attributes of a trial: why it came to nothing, its best epoch, and what a test gave.
FAILURE: Final = "failure"
BEST_EPOCH: Final = "best epoch"
RESULT: Final = "result"
#: Attribute of a trial that was begun when there were enough, and was not run.
SURPLUS: Final = "surplus"


@final
class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a search, with a study of its own.

    Attributes:
        kind: ``coarse``: wide ranges and few epochs; ``fine``: narrow ranges and all epochs;
            ``confirm``: the best few with several seeds; ``final``: the chosen one with several
            seeds, tested.
        study: the name of its study.
        trials: how many trials it has.
        base: the configuration's values but for what is searched.
        given: the fields of it that the user set.
        data: a digest of the data, so that all workers have the same.
        space: what is searched, in the coarse and the fine stage.
        points: what is tried in turn, in the others.
    """

    kind: Literal["coarse", "fine", "confirm", "final"]
    study: str
    trials: int
    base: dict[str, Any]
    given: tuple[str, ...]
    data: str
    space: dict[str, spaces.Dimension] = {}
    points: tuple[dict[str, Value], ...] = ()

    @property
    def searches(self) -> bool:
        """Whether its points are searched for."""
        return not self.points

    def configuration(self, point: spaces.Point) -> Configuration:
        """The configuration at a point.

        Args:
            point: a value for each dimension of the space.
        """
        return spaces.at(point, configured(self.base), self.given)

    def repeated(self, place: int) -> Configuration:
        """What is trained as the so manyeth trial of a stage that searches nothing.

        The final stage counts seeds from the user's; the one before it from the next, since
        the points were found with that one.

        Args:
            place: from 0.
        """
        configuration = self.configuration(self.points[place % len(self.points)])
        further = place // len(self.points) + (1 if self.kind == "confirm" else 0)
        return replace(configuration, seed=configuration.seed + further)


@final
class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change from stage to stage.

    Attributes:
        storage: URL of the study.
        folder: where files go.
        data_dir: the folder of MNIST or CIFAR-10.
        workers: processes on this machine.
        interval: seconds between two signs of life.
        grace: seconds without one until a trial counts as dead.
    """

    storage: str
    folder: Path
    data_dir: Path | None
    workers: int
    interval: float
    grace: float


def pruner(stage: Stage) -> Any:
    """What ends trials early.

    In the coarse stage the worse half after a quarter of the epochs and again after half of
    them; in the fine stage, where all are good, those below the median from a third on.

    Args:
        stage: the stage.

    Source: L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020.
    """
    pruners = optuna().pruners
    epochs = int(stage.base["epochs"])
    if stage.kind == "coarse":
        return pruners.SuccessiveHalvingPruner(
            min_resource=math.ceil(epochs / 4), reduction_factor=2
        )
    if stage.kind == "fine":
        return pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, epochs // 3))
    return pruners.NopPruner()


def sampler(stage: Stage, number: int) -> Any:
    """A sampler for one trial: tree-structured Parzen estimators over all dimensions together.

    Args:
        stage: the stage.
        number: the trial's; it goes into the seed, or workers on several machines would all
            draw the same.

    Source: J. Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011.
    """
    import numpy as np

    words = [int(stage.base["seed"]), number]
    seed = int(np.random.SeedSequence(words).generate_state(1)[0])
    with quiet():
        return optuna().samplers.TPESampler(
            n_startup_trials=max(5, stage.trials // 4 if stage.kind == "coarse" else 5),
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=seed,
        )


def join(
    storage: BaseStorage, stage: Stage, queue: list[dict[str, Value]] | None = None
) -> tuple[Study, Stage]:
    """The study of a stage, made by whoever comes first.

    Args:
        storage: where it is kept.
        stage: the stage; all who join must have the same.
        queue: points that are tried first.

    Returns:
        The study, and the stage: in the fine stage with the ranges of whoever came first.

    Raises:
        InputError: there is a study of that name about something else.
    """
    module = optuna()
    keywords = {"study_name": stage.study, "storage": storage, "pruner": pruner(stage)}
    settings = msgspec.json.decode(msgspec.json.encode(stage))
    # How many trials there are to be may grow from run to run.
    del settings["trials"]
    try:
        study: Study = module.create_study(direction="maximize", **keywords)
    except module.exceptions.DuplicatedStudyError:
        study = module.load_study(**keywords)
    else:
        study.set_user_attr(SETTINGS, settings)
        for point in queue or ():
            study.enqueue_trial(point)
        return study, stage
    there = study.user_attrs.get(SETTINGS, settings)
    if stage.kind == "fine":
        settings["space"] = there["space"]
        stage = msgspec.convert({**settings, "trials": stage.trials}, Stage)
    differing = [name for name in settings if there.get(name) != settings[name]]
    if differing:
        raise InputError(
            f"the study `{stage.study}` is about something else: {_differences(there, settings)}",
            hint="run the command it was begun with, or name another study with `--study`",
        )
    return study, stage


def _differences(there: dict[str, Any], here: dict[str, Any]) -> str:
    texts = []
    for name in here:
        old, new = there.get(name), here[name]
        if old == new:
            continue
        if name == "data":
            texts.append("its data are others")
        elif isinstance(old, dict) and isinstance(new, dict):
            texts += [
                f"{key} is {old.get(key)!r} there and {new.get(key)!r} here"
                for key in {**old, **new}
                if old.get(key) != new.get(key)
            ]
        else:
            texts.append(f"{name} is {old!r} there and {new!r} here")
    return "; ".join(texts)


def found(study: Study) -> list[Found]:
    """The points that were tried to their end, in the order of their trials.

    Args:
        study: the study.
    """
    state = optuna().trial.TrialState.COMPLETE
    return [
        Found(one.params, float(one.values[0]))
        for one in study.get_trials(deepcopy=False, states=(state,))
    ]
