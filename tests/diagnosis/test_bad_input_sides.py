"""Sides that do not repeat themselves, and sides that raise in one of their stages."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Net, Program, in_numpy, in_torch

import netparity
from netparity.report.model import Report

PROGRAM = Program(sizes=(4, 5, 3))


def compare(left: Any, right: Any) -> Report:
    return netparity.compare(left, right, data=PROGRAM.data(), steps=3)


def status(report: Report) -> dict[str, str]:
    return {stage.stage: stage.status for stage in report.stages}


def times(share: float) -> Callable[[Any], Any]:
    """Multiplies by a number that is another each time, from a generator nobody can reset."""
    generator = np.random.default_rng()
    return lambda value: value * (1 + share * generator.standard_normal())


# ---- sides that do not repeat themselves -------------------------------------------------------
def varying_gradients(net: Net) -> None:
    true, vary = net.gradients, times(0.01)
    net.gradients = lambda x, y: {n: vary(g) for n, g in true(x, y).items()}  # type: ignore[method-assign]


def varying_loss(net: Net) -> None:
    true, vary = net.loss, times(0.01)
    net.loss = lambda x, y: vary(true(x, y))  # type: ignore[method-assign]


def varying_update(net: Net) -> None:
    true, vary = net.update, times(0.5)
    net.update = lambda g: true({n: vary(v) for n, v in g.items()})  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("change", "stage", "where"),
    [
        (varying_loss, "loss", "right: loss"),
        (varying_gradients, "gradient", "right: W2"),
        (varying_update, "update", "right: W1"),
    ],
)
def test_a_stage_that_varies(change: Callable[[Net], None], stage: str, where: str) -> None:
    report = compare(in_torch(PROGRAM), in_numpy(PROGRAM, change=change))
    assert [(c.id, c.where) for c in report.causes] == [("nondeterministic", (where,))]
    assert report.unexplained == ()
    assert report.verdict == "divergent"
    found = status(report)
    assert found[stage] == "not-checked"
    assert found["forward"] == "equal"
    assert found["rng"] == "different"


def test_the_layer_where_it_starts() -> None:
    vary = times(0.01)

    def change(module: Any) -> None:
        module[1].register_forward_hook(lambda _module, _inputs, output: vary(output))

    report = compare(in_torch(PROGRAM, change=change), in_numpy(PROGRAM))
    (cause,) = report.causes
    assert (cause.id, cause.where) == ("nondeterministic", ("left: 1",))
    assert "0 before it does not" in cause.statement
    assert cause.fix.left
    assert cause.fix.right is None
    assert status(report)["init"] == "equal"
    assert report.unexplained == ()


@pytest.mark.parametrize("shares", [(0.0, 1e-15), (1e-15, 0.0, 0.0), (0.0, 1e-15, 0.0)])
def test_rounding_that_varies_is_a_note(shares: tuple[float, ...]) -> None:
    """Whether two looks in a row happen to be alike, and a third is not, or the other way round."""
    varying = itertools.cycle(shares)

    def change(net: Net) -> None:
        true = net.predict
        net.predict = lambda x: true(x) * (1 + next(varying))  # type: ignore[method-assign]

    report = compare(in_torch(PROGRAM), in_numpy(PROGRAM, change=change))
    assert report.verdict == "parity"
    assert any("order of summation" in note for note in report.notes)


def test_rounding_that_goes_with_random_numbers_is_no_dropout() -> None:
    def change(net: Net) -> None:
        true = net.predict
        net.predict = lambda x: true(x) * (1 + 1e-15 * np.random.random())  # type: ignore[method-assign]  # noqa: NPY002

    report = compare(in_torch(PROGRAM), in_numpy(PROGRAM, change=change))
    assert report.causes == ()
    assert any("order of summation" in note for note in report.notes)


def test_random_numbers_that_can_be_put_back_are_repeated() -> None:
    """Noise from a global generator is the same again from the same state: no such cause."""
    import torch

    def change(module: Any) -> None:
        module[1].register_forward_hook(
            lambda _module, _inputs, output: output + 0.01 * torch.randn_like(output)
        )

    report = compare(in_torch(PROGRAM, change=change), in_numpy(PROGRAM))
    assert "nondeterministic" not in [c.id for c in report.causes]


def test_state_that_is_not_handed_over_is_not_chance() -> None:
    def change(net: Net) -> None:
        last: deque[dict[str, Any]] = deque([{}], maxlen=1)

        def update(gradients: Any) -> None:
            last.append({n: 0.9 * last[0].get(n, 0) + g for n, g in gradients.items()})
            for name, velocity in last[0].items():
                net.values[name] -= 0.05 * velocity

        net.update = update  # type: ignore[method-assign]

    report = compare(in_torch(PROGRAM), in_numpy(PROGRAM, change=change))
    assert "nondeterministic" not in [c.id for c in report.causes]
    assert any("keeps state that it does not hand over" in note for note in report.notes)


# ---- sides that raise --------------------------------------------------------------------------
def boom(*_: Any, **__: Any) -> Any:
    msg = "out of paper"
    raise RuntimeError(msg)


def raising(name: str) -> Callable[[Net], None]:
    return lambda net: setattr(net, name, boom)


RAISING: list[tuple[str, dict[str, Any], str]] = [
    ("predict", {"change": raising("predict")}, "forward"),
    ("loss", {"change": raising("loss")}, "loss"),
    ("gradients", {"change": raising("gradients")}, "gradient"),
    ("update", {"change": raising("update")}, "update"),
    ("step", {"step": boom}, "update"),
    ("batches", {"batches": boom}, "data"),
    ("report", {"report": boom}, "reporting"),
    ("result", {"result": boom}, "reporting"),
    ("validation", {"validation": boom, "result": dict}, "reporting"),
]


@pytest.mark.parametrize(("what", "others", "stage"), RAISING, ids=[r[0] for r in RAISING])
def test_a_stage_that_raises_is_that_sides_failure(
    what: str, others: dict[str, Any], stage: str
) -> None:
    report = compare(in_torch(PROGRAM), in_numpy(PROGRAM, **others))
    result = next(s for s in report.stages if s.stage == stage)
    assert result.status == "not-checked"
    assert "right raised RuntimeError: out of paper" in (result.reason or "")
    assert any(u.stage == stage and "out of paper" in u.where for u in report.unexplained)
    assert report.verdict == "divergent"
    assert report.causes == ()
    equal = {s for s, found in status(report).items() if found == "equal"}
    assert {"structure", "init"} <= equal
    if what != "predict":
        assert "forward" in equal


def test_activations_that_raise_are_done_without() -> None:
    report = compare(in_torch(PROGRAM), in_numpy(PROGRAM, activations=boom))
    assert report.verdict == "parity"
    assert any("out of paper" in note for note in report.notes)


def test_a_module_that_cannot_take_the_data_is_said_to_raise() -> None:
    torch = pytest.importorskip("torch")

    def change(module: Any) -> None:
        module.insert(0, torch.nn.Unflatten(1, (5, 7)))

    report = compare(in_numpy(PROGRAM), in_torch(PROGRAM, change=change))
    (forward,) = (stage for stage in report.stages if stage.stage == "forward")
    assert forward.status == "not-checked"
    assert "right raised" in str(forward.reason)
