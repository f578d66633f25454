from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netparity.training.configuration import Configuration, as_values
from netparity.tuning.space import (
    CONSTANTS,
    LABELS,
    USUAL_RATES,
    Found,
    Names,
    Numbers,
    at,
    best,
    narrowed,
    wide,
)

COLOUR, GREY, SMALL = (3, 32, 32), (1, 28, 28), (1, 8, 8)


def test_images_have_dimensions_of_their_own():
    assert {"flip", "shift"} <= set(wide((), COLOUR))
    assert wide((), COLOUR)["shift"] == Numbers(0, 4, whole=True)
    # A digit that is mirrored is another one, or none.
    assert "flip" not in wide((), GREY)
    assert "shift" in wide((), GREY)
    assert not {"flip", "shift"} & set(wide((), SMALL))
    assert not {"flip", "shift"} & set(wide((), None))


def test_what_is_given_is_not_searched():
    everything = wide((), COLOUR)
    for field, gone in (
        ("hidden", {"width", "depth"}),
        ("learning_rate", {"rate"}),
        ("weight_decay", {"decay"}),
        ("l2", {"decay"}),
        ("optimizer", {"optimizer"}),
        ("loss", {"label_smoothing"}),
        ("epochs", set()),
    ):
        assert set(everything) - set(wide({field}, COLOUR)) == gone
    assert wide(set(as_values(Configuration())), COLOUR) == {}
    assert set(LABELS) <= set(everything)


def test_a_point_is_a_configuration():
    point = {
        "optimizer": "adam", "rate": 0.5, "decay": 1e-5, "width": 96, "depth": 3,
        "batch_norm": True, "dropout": 0.123456, "batch_size": 50, "flip": True, "shift": 2,
    }  # fmt: skip
    base = Configuration(data="cifar10", epochs=7, seed=4, activation="elu")
    found = at(point, base, {"activation"})
    assert found == Configuration(
        data="cifar10", epochs=7, seed=4, activation="elu", learning_rate=0.0005,
        weight_decay=0.02, hidden=(96, 96, 96), batch_norm=True, dropout=0.1235, batch_size=50,
        flip=True, shift=2,
    )  # fmt: skip
    assert at({}, base, ()) == base


def test_an_optimizer_has_its_usual_rate_and_constants():
    for name, rate in USUAL_RATES.items():
        found = at({"optimizer": name, "rate": 2.0}, Configuration(), ())
        assert found.learning_rate == pytest.approx(2 * rate)
        assert found.optimizer_constants == CONSTANTS.get(name, {})
    # Where the user gave constants, these hold.
    base = Configuration(optimizer="sgd", optimizer_constants={"momentum": 0.5})
    given_too = {"optimizer", "optimizer_constants"}
    assert at({"rate": 1.0}, base, given_too).optimizer_constants == {"momentum": 0.5}
    assert at({"rate": 1.0}, base, given_too).learning_rate == USUAL_RATES["sgd"]


@given(
    st.lists(st.floats(0.01, 10.0), min_size=1, max_size=5),
    st.booleans(),
)
def test_a_narrowed_range_holds_the_best_and_lies_within(values, log):
    whole = Numbers(0.01, 10.0, log=log)
    part = whole.narrowed(values)
    # The logarithm and its inverse round: two roundings of a number of this size.
    slack = 1 + 4 * 2.0**-52
    assert whole.low <= part.low <= min(values) * slack
    assert max(values) <= part.high * slack <= whole.high * slack
    assert part.log == log


def test_narrowing_by_hand():
    assert Numbers(0.0, 10.0).narrowed([3.0, 5.0]) == Numbers(2.0, 6.0)
    assert Numbers(1, 8, whole=True).narrowed([2, 3]) == Numbers(1, 4, whole=True)
    part = Numbers(1e-4, 1.0, log=True).narrowed([1e-2])
    assert (part.low, part.high) == pytest.approx((10**-2.4, 10**-1.6))
    assert Names(("a", "b", "c")).narrowed(["c", "a", "a"]) == Names(("a", "c"))


def test_the_fine_space_lies_around_the_best_fifth():
    space = {"rate": Numbers(0.0, 100.0), "optimizer": Names(("adam", "sgd"))}
    found = [
        Found({"rate": float(place), "optimizer": "adam" if place > 50 else "sgd"}, place / 100)
        for place in range(100)
    ]
    assert len(best(found)) == 20
    assert [one.value for one in best(found[:4])] == [0.03, 0.02, 0.01]
    part = narrowed(space, found)
    assert part == {"rate": Numbers(70.0, 100.0), "optimizer": Names(("adam",))}
    assert narrowed(space, []) == space


def test_what_the_search_draws_lies_in_the_space():
    optuna = pytest.importorskip("optuna")
    from netparity.tuning.space import suggested
    from netparity.tuning.storage import quiet

    space = wide((), COLOUR)
    with quiet():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        point = suggested(space, study.ask())
        assert point.keys() == space.keys()
        configuration = at(point, Configuration(data="cifar10"), ())
        assert 1 <= len(configuration.hidden) <= 4
        assert math.isclose(
            configuration.weight_decay * configuration.learning_rate, point["decay"], rel_tol=1e-3
        )
