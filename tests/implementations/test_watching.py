"""A side run as its author runs it."""

import copy

import numpy as np
import pytest

from netparity.errors import InputError
from netparity.implementations.scratch import Scratch

X = np.arange(14.0).reshape(7, 2)
Y = np.arange(7.0)


def program(**options):
    """Counts rows into its one parameter; ``keep`` says how a best copy is kept."""
    w = np.zeros(2)

    def step(x, y):
        w[:] += len(x)

    return w, Scratch(parameters={"w": w}, predict=lambda x: x @ w, step=step, **options)


def test_default_feeding_is_rows_in_order_with_the_partial_batch():
    _, side = program()
    watched = side.watch(X, Y, epochs=2, batch_size=3, limit=100)
    assert [len(x) for x, _ in watched.fed] == [3, 3, 1, 3, 3, 1]
    assert watched.epochs == (0, 0, 0, 1, 1, 1)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in watched.fed[:3]]), X)
    assert [state.parameters["w"][0] for state in watched.states] == [0, 3, 6, 7, 10, 13, 14]
    assert watched.aliased is None


def test_reports_each_step_with_its_batch_or_each_epoch_with_all():
    w, side = program(report=lambda x, y: {"rows": len(x), "w": w[0]})
    watched = side.watch(X, Y, epochs=1, batch_size=4, limit=100)
    assert [(r.step, r.epoch, r.name, r.value) for r in watched.reported] == [
        (1, 0, "rows", 4.0), (1, 0, "w", 4.0), (2, 0, "rows", 3.0), (2, 0, "w", 7.0),
    ]  # fmt: skip
    _, side = program(report=lambda x, y: {"rows": len(x)}, report_every="epoch")
    watched = side.watch(X, Y, epochs=2, batch_size=4, limit=100)
    assert [(r.step, r.epoch, r.value) for r in watched.reported] == [(2, 0, 7.0), (4, 1, 7.0)]
    assert watched.report_every == "epoch"


def test_an_epoch_cut_short_has_no_end():
    w, side = program(result=lambda: {"w": w.copy()})
    watched = side.watch(X, Y, epochs=3, batch_size=4, limit=3)
    assert len(watched.fed) == 3
    assert [step for step, _ in watched.results] == [2]
    assert watched.notes == ("stopped within epoch 2, after 3 updates",)


def test_the_authors_own_batches_are_fed():
    _, side = program(batches=lambda x, y, epoch: [(x[epoch:], y[epoch:])])
    watched = side.watch(X, Y, epochs=2, batch_size=3, limit=100)
    assert [len(x) for x, _ in watched.fed] == [7, 6]


@pytest.mark.parametrize("rebinds", [False, True])
@pytest.mark.parametrize("copies", [False, True])
def test_a_best_that_is_the_live_array_is_seen(copies, rebinds):
    params = {"w": np.zeros(2)}
    best = {}
    epochs = []

    def step(x, y):
        if rebinds:
            params["w"] = params["w"] + 1
        else:
            params["w"] += 1

    def result():
        epochs.append(1)
        if len(epochs) == 1:
            best.update(copy.deepcopy(params) if copies else params)
        return best

    side = Scratch(parameters=params, predict=lambda x: x @ params["w"], step=step, result=result)
    watched = side.watch(X, Y, epochs=3, batch_size=7, limit=100)
    # A reference to an array that the program never writes again is as good as a copy.
    assert watched.aliased is (not copies and not rebinds)


def test_a_best_copy_refreshed_in_place_every_epoch_is_no_alias():
    w, best = np.zeros(2), np.zeros(2)

    def result():
        best[:] = w
        return {"w": best}

    def step(x, y):
        w[:] += 1

    side = Scratch(parameters={"w": w}, predict=lambda x: x @ w, step=step, result=result)
    assert side.watch(X, Y, epochs=3, batch_size=4, limit=100).aliased is False


def test_the_live_dictionary_handed_over_is_an_alias():
    params = {"w": np.zeros(2)}

    def step(x, y):
        params["w"] = params["w"] + 1

    side = Scratch(
        parameters=params, predict=lambda x: x @ params["w"], step=step, result=lambda: params
    )
    assert side.watch(X, Y, epochs=2, batch_size=7, limit=100).aliased is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": lambda x, y, epoch: [x]}, "batches: expected pairs"),
        (
            {"batches": lambda x, y, epoch: [(x, y, 2.0)]},
            "batches: expected one finite number of at least 0 for each row",
        ),
        ({"report": lambda x, y: 3.0}, "report: expected {name: value}"),
        ({"report": lambda x, y: {"loss": x}}, "report, 'loss': expected one number"),
        ({"result": lambda: [1]}, "result: expected a mapping"),
    ],
)
def test_what_cannot_be_read_is_said(options, message):
    _, side = program(**options)
    with pytest.raises(InputError, match=message):
        side.watch(X, Y, epochs=1, batch_size=4, limit=10)
