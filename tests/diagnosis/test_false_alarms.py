"""Programs that differ in nothing but floating point are at parity, whatever the rounding."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import (
    Activation,
    LossName,
    Net,
    Product,
    Program,
    Rule,
    backwards,
    in_chunks,
    in_numpy,
    in_torch,
    plain,
)

import netparity

pytest.importorskip("torch")

STEPS = 12
#: Each activation with each loss and each rule, not all of each with all.
PROGRAMS: tuple[tuple[Activation, LossName, Rule], ...] = (
    ("relu", "cross-entropy", "sgd"),
    ("relu", "mse", "momentum"),
    ("relu", "binary-cross-entropy", "adam"),
    ("sigmoid", "mse", "sgd"),
    ("sigmoid", "binary-cross-entropy", "momentum"),
    ("sigmoid", "cross-entropy", "adam"),
    ("tanh", "binary-cross-entropy", "sgd"),
    ("tanh", "cross-entropy", "momentum"),
    ("tanh", "mse", "adam"),
)


def compared(left: Any, right: Any, program: Program, **others: Any) -> netparity.Report:
    return netparity.compare(left, right, data=program.data(), steps=STEPS, **others)


def check_parity(report: netparity.Report, *, latent: frozenset[str] = frozenset()) -> None:
    """Parity, shown: every stage up to the update was looked at and the runs stayed together."""
    told = "\n".join(
        [f"{c.id} in {c.stage}: {c.statement}" for c in report.causes]
        + [f"unexplained {u}" for u in report.unexplained]
    )
    assert report.verdict == "parity", told
    assert report.exit_status == 0
    assert report.causes == ()
    assert report.unexplained == ()
    assert {item.id for item in report.latent} <= latent
    statuses = {stage.stage: stage.status for stage in report.stages}
    looked_at = {"structure", "init", "data", "forward", "loss", "gradient", "update"}
    assert {stage for stage in looked_at if statuses[stage] != "equal"} == set()
    assert report.explained
    assert report.gap.before is not None
    assert report.gap.noise_floor is not None
    assert report.gap.before <= report.gap.noise_floor


@pytest.mark.parametrize(("activation", "loss", "rule"), PROGRAMS)
def test_numpy_and_torch(activation: Activation, loss: LossName, rule: Rule) -> None:
    program = Program(activation, loss, rule)
    report = compared(in_numpy(program), in_torch(program), program)
    check_parity(report)
    assert report.gap.steps == STEPS


@pytest.mark.parametrize("product", [backwards, in_chunks])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("activation", "loss", "rule"), PROGRAMS[::4])
def test_other_orders_of_summation(
    activation: Activation, loss: LossName, rule: Rule, dtype: Any, product: Product
) -> None:
    program = Program(activation, loss, rule)
    # The products do differ in the last place: else this would show nothing.
    net, other = Net(program, dtype), Net(program, dtype, product)
    x, y = program.data()
    assert not np.array_equal(net.gradients(x, y)["W1"], other.gradients(x, y)["W1"])
    check_parity(compared(in_numpy(program, dtype), in_numpy(program, dtype, product), program))


@pytest.mark.parametrize("scale", [0.01, 100.0])
@pytest.mark.parametrize(("activation", "loss", "rule"), PROGRAMS)
def test_inputs_small_and_large(
    activation: Activation, loss: LossName, rule: Rule, scale: float
) -> None:
    program = Program(activation, loss, rule, scale=scale, learning_rate=0.05 / max(1, scale**2))
    check_parity(compared(in_numpy(program, product=backwards), in_torch(program), program))


WIDTHS = list(itertools.product((np.float32, np.float64), repeat=2))[:3]


@pytest.mark.parametrize(("left", "right"), WIDTHS)
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize(("activation", "loss", "rule"), PROGRAMS[::4])
def test_float_widths(
    activation: Activation, loss: LossName, rule: Rule, scale: float, left: Any, right: Any
) -> None:
    program = Program(activation, loss, rule, scale=scale, learning_rate=0.05 / max(1, scale**2))
    check_parity(
        compared(in_numpy(program, left, in_chunks), in_torch(program, right), program),
        latent=frozenset({"float32-constants", "dtype-default"}),
    )


def test_a_seed_of_ours_changes_nothing() -> None:
    program = Program("tanh", "mse", "momentum")
    for seed in range(3):
        check_parity(compared(in_numpy(program), in_torch(program), program, seed=seed))


def test_what_is_no_rounding_is_found_by_the_same_programs() -> None:
    program = Program("relu", "mse", "momentum")

    def larger(net: Net) -> None:
        true = net.gradients

        def gradients(x: Any, y: Any) -> Any:
            found = true(x, y)
            return found | {"W1": found["W1"] * (1 + 1e-9)}

        net.gradients = gradients  # type: ignore[method-assign]

    report = compared(in_numpy(program, product=plain, change=larger), in_torch(program), program)
    assert report.verdict == "divergent"
    assert {s.stage for s in report.stages if s.status == "different"} >= {"gradient"}
