"""Several causes at once: each in its stage, the smallest set, and what they do to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Net, Program, in_numpy

import netparity
from netparity.diagnosis import shares
from netparity.diagnosis.minimal import smallest
from netparity.report.html import render_html
from netparity.report.model import Report
from netparity.report.text import render_text

PROGRAM = Program(sizes=(4, 6, 3))
X, Y = PROGRAM.data()
ROWS = len(X)


# ---- what can be set apart ---------------------------------------------------------------------
def program(net: Net, **changes: Any) -> None:
    net.program = replace(net.program, **changes)


def summed(net: Net) -> None:
    """The loss as a sum over the rows."""
    gradients, loss = net.gradients, net.loss
    net.gradients = lambda x, y: {n: len(x) * g for n, g in gradients(x, y).items()}  # type: ignore[method-assign]
    net.loss = lambda x, y: len(x) * loss(x, y)  # type: ignore[method-assign]


def penalized(net: Net) -> None:
    gradients, loss = net.gradients, net.loss
    net.gradients = lambda x, y: {  # type: ignore[method-assign]
        n: g + 0.125 * net.values[n] for n, g in gradients(x, y).items()
    }
    net.loss = lambda x, y: (  # type: ignore[method-assign]
        loss(x, y) + 0.0625 * sum(float(np.sum(v**2)) for v in net.values.values())
    )


def other_draw(net: Net) -> None:
    shape = net.values["W1"].shape
    net.values["W1"][...] = np.random.default_rng(5).standard_normal(shape) / 2


def twice(net: Net) -> None:
    """Gradients of twice the loss that is reported."""
    gradients = net.gradients
    net.gradients = lambda x, y: {n: 2 * g for n, g in gradients(x, y).items()}  # type: ignore[method-assign]


def in_portions(x: Any, y: Any, _: int) -> Any:
    return [(x[s : s + 16], y[s : s + 16]) for s in range(0, len(x), 16)]


CHANGES: dict[str, Callable[[Net], None]] = {
    "init-value": other_draw,
    "activation-kind": lambda net: program(net, activation="tanh"),
    "ce-reduction": summed,
    "penalty-absent": penalized,
    "learning-rate-value": lambda net: program(net, learning_rate=0.02),
    "momentum-value": lambda net: program(net, rule="momentum"),
    "batch-size-value": lambda net: None,
}


def changed(*ids: str) -> Callable[[], netparity.Scratch]:
    def change(net: Net) -> None:
        for id in ids:
            CHANGES[id](net)

    others = {"batches": in_portions} if "batch-size-value" in ids else {}
    return in_numpy(PROGRAM, change=change, **others)


def compare(left: Any, right: Any, **options: Any) -> Report:
    return netparity.compare(left, right, data=(X, Y), steps=6, **options)


def sets() -> list[tuple[str, ...]]:
    """Two to five at once; a sum of losses and a penalty by its author's own formula exclude."""
    rng = np.random.default_rng(0)
    names = sorted(CHANGES)
    every = [
        c
        for size in (2, 3, 4, 5)
        for c in combinations(names, size)
        if not {"ce-reduction", "penalty-absent"} <= set(c)
    ]
    return [every[i] for i in sorted(rng.choice(len(every), 10, replace=False))]


@pytest.mark.parametrize("ids", sets(), ids="+".join)
def test_exactly_these(ids: tuple[str, ...]) -> None:
    report = compare(in_numpy(PROGRAM), changed(*ids))
    assert {c.id for c in report.causes} == set(ids)
    assert report.unexplained == ()
    assert report.explained
    gap = report.gap
    assert gap.before > gap.noise_floor >= gap.after  # type: ignore[operator]
    # Those of one stage only together, those alone in theirs by themselves.
    for cause in report.causes:
        alone = sum(c.stage == cause.stage for c in report.causes) == 1
        assert cause.verdict == ("root-cause" if alone else "contributes")


def test_the_same_program_twice() -> None:
    report = compare(in_numpy(PROGRAM), changed())
    assert (report.verdict, report.causes, report.latent) == ("parity", (), ())


# ---- what they do to each other ----------------------------------------------------------------
def test_causes_that_cancel_are_said_to() -> None:
    def change(net: Net) -> None:
        twice(net)
        program(net, learning_rate=0.025)

    report = compare(in_numpy(PROGRAM), in_numpy(PROGRAM, change=change))
    assert report.gap.before == 0.0
    assert report.verdict == "divergent"
    found = {c.id: c for c in report.causes}
    assert set(found) == {"gradient-factor", "learning-rate-value"}
    for id, other in (
        ("gradient-factor", "learning-rate-value"),
        ("learning-rate-value", "gradient-factor"),
    ):
        assert (found[id].relation, found[id].related_to) == ("compensates", (other,))
        assert "changing one alone opens a gap of" in found[id].statement
    text = render_text(report)
    assert "cancels exactly with learning-rate-value" in text
    assert "cancels exactly with learning-rate-value" in render_html(report)


def test_causes_that_cancel_beside_one_that_does_not() -> None:
    def change(net: Net) -> None:
        twice(net)
        other_draw(net)
        program(net, learning_rate=0.025)

    report = compare(in_numpy(PROGRAM), in_numpy(PROGRAM, change=change))
    relations = {c.id: (c.relation, c.related_to) for c in report.causes}
    assert relations == {
        "init-value": (None, ()),
        "gradient-factor": ("compensates", ("learning-rate-value",)),
        "learning-rate-value": ("compensates", ("gradient-factor",)),
    }
    assert report.gap.before > report.gap.noise_floor  # type: ignore[operator]


def test_what_a_missing_layer_hides_is_looked_for_behind_it() -> None:
    other = Program(sizes=(4, 6, 5, 3), activation="tanh", learning_rate=0.02)
    report = compare(in_numpy(PROGRAM), in_numpy(other))
    found = {c.id: c for c in report.causes}
    assert set(found) == {"layer-missing", "activation-kind", "learning-rate-value"}
    assert found["layer-missing"].relation == "masks"
    assert found["layer-missing"].related_to == ("activation-kind",)
    stages = {s.stage: s for s in report.stages}
    assert stages["init"].reason == "masked by layer-missing"
    assert "masks activation-kind" in render_text(report)


def test_a_missing_layer_that_hides_nothing() -> None:
    report = compare(in_numpy(PROGRAM), in_numpy(Program(sizes=(4, 6, 5, 3))))
    (cause,) = report.causes
    assert (cause.id, cause.relation) == ("layer-missing", None)
    forward = next(s for s in report.stages if s.stage == "forward")
    assert forward.status == "not-checked"
    assert (forward.reason or "").startswith("masked by layer-missing")


def test_shapley_values_are_given_where_they_are_asked_for() -> None:
    sides = in_numpy(PROGRAM), changed("init-value", "learning-rate-value", "batch-size-value")
    plain = compare(*sides)
    assert all("shapley" not in c for c in plain.to_dict()["causes"])
    report = compare(*sides, shapley=True)
    values = [c["shapley"] for c in report.to_dict()["causes"]]
    assert len(values) == 3
    # They divide what all of them make together: here the whole gap.
    assert sum(values) == pytest.approx(1.0, abs=1e-9)
    assert "shapley" in render_text(report)


# ---- the smallest set, and shares, by themselves -----------------------------------------------
def test_the_smallest_set() -> None:
    for size in range(1, 9):
        for wanted in combinations(range(size), min(3, size)):
            tried = []

            def enough(some: Any, wanted: Any = wanted, tried: Any = tried) -> bool:
                tried.append(tuple(some))
                return set(wanted) <= set(some)

            assert smallest(range(size), enough) == list(wanted)
            assert len(tried) <= size**2 + 3 * size  # the bound of its authors


def test_of_two_that_are_each_enough_one_is_kept() -> None:
    assert smallest("ab", lambda some: len(some) > 0) == ["a"]
    # c is needed; a and b stand for each other.
    assert smallest("abc", lambda some: "c" in some and len(some) > 1) == ["b", "c"]


def test_shapley_of_a_game_worked_by_hand() -> None:
    # v(∅) = 0, v(0) = 1, v(1) = 2, v(01) = 5: 0 brings (1 + 3)/2, 1 brings (2 + 4)/2.
    gaps = {frozenset(): 0.0, frozenset({0}): 1.0, frozenset({1}): 2.0, frozenset({0, 1}): 5.0}
    assert shares.shapley([0, 1], gaps.__getitem__, np.random.default_rng(0)) == {0: 2.0, 1: 3.0}


def test_shapley_of_many_is_sampled_and_adds_up() -> None:
    sizes = np.arange(1.0, 10.0)
    values = shares.shapley(
        range(9), lambda present: float(sum(sizes[i] for i in present)), np.random.default_rng(0)
    )
    assert values == pytest.approx(dict(enumerate(sizes)))


def test_three_that_cancel_only_together() -> None:
    weights = {0: 1.0, 1: 1.0, 2: -2.0, 3: 0.5}

    def gap(present: frozenset[int]) -> float:
        return abs(sum(weights[i] for i in present))

    assert shares.cancelling(range(4), gap, 1e-9) == {0: (1, 2), 1: (0, 2), 2: (0, 1)}
