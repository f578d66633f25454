from __future__ import annotations

from typing import Any

import msgspec
import pytest

optuna = pytest.importorskip("optuna")

from netparity.errors import InputError  # noqa: E402 (only where Optuna is there)
from netparity.training.configuration import Configuration, as_values  # noqa: E402 (the same)
from netparity.tuning.orders import (  # noqa: E402 (the same)
    SETTINGS,
    Stage,
    found,
    join,
    pruner,
    sampler,
)
from netparity.tuning.space import Numbers, suggested, wide  # noqa: E402 (the same)


def stage(**changes: Any) -> Stage:
    values: dict[str, Any] = {
        "kind": "coarse", "study": "a/coarse", "trials": 20, "data": "abc", "given": ("data",),
        "base": as_values(Configuration(epochs=18)), "space": wide((), (3, 32, 32)),
    }  # fmt: skip
    return Stage(**{**values, **changes})


def test_a_stage_goes_through_json():
    one = stage(points=({"rate": 1.0, "optimizer": "adam", "batch_norm": True, "depth": 2},))
    assert msgspec.json.decode(msgspec.json.encode(one), type=Stage) == one


def test_the_first_makes_the_study_and_the_others_join():
    storage = optuna.storages.InMemoryStorage()
    study, _ = join(storage, stage(), [{"rate": 1.0}, {"rate": 2.0}])
    again, _ = join(storage, stage(trials=40), [{"rate": 3.0}])
    assert [one.system_attrs["fixed_params"]["rate"] for one in again.trials] == [1.0, 2.0]
    assert again.user_attrs[SETTINGS]["data"] == "abc"
    assert study.directions == [optuna.study.StudyDirection.MAXIMIZE]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": "xyz"}, "its data are others"),
        ({"base": as_values(Configuration(epochs=19))}, "epochs is 18 there and 19 here"),
        ({"given": ("data", "hidden")}, "given is ['data'] there and ['data', 'hidden'] here"),
    ],
)
def test_who_means_something_else_does_not_join(changes, said):
    storage = optuna.storages.InMemoryStorage()
    join(storage, stage())
    with pytest.raises(InputError) as caught:
        join(storage, stage(**changes))
    assert said in caught.value.message
    assert "--study" in (caught.value.hint or "")


def test_the_fine_stage_has_the_ranges_of_whoever_came_first():
    storage = optuna.storages.InMemoryStorage()
    first = stage(kind="fine", space={"rate": Numbers(1.0, 2.0)})
    join(storage, first)
    _, joined = join(storage, stage(kind="fine", space={"rate": Numbers(1.5, 2.0)}, trials=7))
    assert joined.space == first.space
    assert joined.trials == 7


def test_the_coarse_stage_keeps_the_better_half_and_the_fine_one_what_is_above_the_median():
    for kind, reports, pruned in (
        ("coarse", [0.5, 0.4, 0.45, 0.42, 0.6], [False, True, True, True, False]),
        ("fine", [0.5, 0.4, 0.3, 0.2, 0.1, 0.36], [False, False, False, False, True, False]),
        ("final", [0.5, 0.4], [False, False]),
    ):
        one = stage(kind=kind, base=as_values(Configuration(epochs=3)))
        study, _ = join(optuna.storages.InMemoryStorage(), one)
        seen = []
        for value in reports:
            trial = study.ask()
            for epoch in (1, 2):
                trial.report(value, epoch)
            seen.append(trial.should_prune())
            study.tell(trial, value)
        assert seen == pruned
        assert type(pruner(one)) is type(study.pruner)


def test_a_trial_draws_by_the_seed_and_its_number():
    one = stage()

    def drawn(number: int, seed: int) -> dict[str, Any]:
        own = msgspec.structs.replace(one, base={**one.base, "seed": seed})
        study, _ = join(optuna.storages.InMemoryStorage(), own)
        study.sampler = sampler(own, number)
        return suggested(own.space, study.ask())

    assert drawn(3, 0) == drawn(3, 0)
    assert drawn(3, 0) != drawn(4, 0)
    assert drawn(3, 0) != drawn(3, 1)


def test_seeds_of_the_stages_that_repeat():
    points = ({"rate": 1.0}, {"rate": 2.0})
    confirm = stage(kind="confirm", points=points, space={})
    tried = [confirm.repeated(place) for place in range(4)]
    assert [one.learning_rate for one in tried] == [0.001, 0.002, 0.001, 0.002]
    # The points were found with seed 0, so that one would flatter them.
    assert [one.seed for one in tried] == [1, 1, 2, 2]
    final = stage(kind="final", points=points[:1], space={})
    assert [final.repeated(place).seed for place in range(3)] == [0, 1, 2]
    assert not final.searches
    assert stage().searches


def test_only_what_was_run_to_its_end_is_found():
    study, _ = join(optuna.storages.InMemoryStorage(), stage())
    for value in (0.3, None, 0.2):
        trial = study.ask()
        trial.suggest_float("rate", 0, 1)
        if value is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)
    assert [one.value for one in found(study)] == [0.3, 0.2]
