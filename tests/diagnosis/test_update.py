"""The update rule, weight decay and clip behind updates, by their numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netparity.diagnosis import update
from netparity.diagnosis.update.calls import at, wide
from netparity.diagnosis.update.rates import at_schedule
from netparity.nn import (
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    Adamax,
    ClipByNorm,
    ClipByValue,
    Clipping,
    ExponentialDecay,
    Ftrl,
    InverseTimeDecay,
    Lion,
    NAdam,
    Optimizer,
    PiecewiseConstant,
    PolynomialDecay,
    RAdam,
    RMSProp,
    Schedule,
)

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]
Rule = Callable[[Array, Array, dict[str, Any]], Array]

F64, F32 = np.dtype(np.float64), np.dtype(np.float32)
SHAPES = {"a.weight": (6, 9), "a.bias": (9,), "b.weight": (9, 4), "b.bias": (4,)}

RULES: tuple[Optimizer, ...] = (
    SGD(0.1),
    SGD(0.05, 0.9),
    SGD(0.05, 0.9, nesterov=True),
    SGD(0.05, 0.9, dampening=0.3),
    Adam(0.001),
    Adam(0.001, epsilon=1e-7, epsilon_placement="hat"),
    Adam(0.002, 0.8, 0.99, 1e-6, "inside"),
    Adam(0.01, bias_correction=False),
    Adam(0.001, amsgrad=True),
    Adam(0.001, amsgrad=True, amsgrad_form="corrected"),
    AdaGrad(0.01),
    AdaGrad(0.01, 0.0, initial_accumulator=0.1),
    AdaGrad(0.01, rate_decay=0.02),
    RMSProp(0.01, 0.99),
    RMSProp(0.001, 0.9, 0.9, 1e-7, "inside"),
    RMSProp(0.01, 0.99, 0.5, centered=True),
    RMSProp(0.001, 0.9, epsilon=1e-10, epsilon_placement="inside", initial_accumulator=1.0),
    RMSProp(0.01, 0.9, bias_correction=True),
    Adadelta(1.0),
    Adamax(0.002),
    Adamax(0.001, epsilon=1e-7, epsilon_placement="outside"),
    NAdam(0.002),
    NAdam(0.001, epsilon=1e-7, momentum_decay=1.0),
    NAdam(0.002, momentum_decay=None),
    RAdam(0.001),
    RAdam(0.001, epsilon_placement="outside"),
    Lion(0.001),
    Ftrl(0.01),
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def weights() -> Values:
    draw = rng(1)
    return {
        n: (draw.standard_normal(s) / 2).astype(np.float32).astype(float) for n, s in SHAPES.items()
    }


def updates(
    rule: Optimizer, dtype: np.dtype[Any] = F64, clipping: Clipping | None = None
) -> update.Updates:
    calls = update.calls_to_make(weights(), rng(2))
    after = update.repeat(rule, at(dtype, calls), clipping)
    return update.Updates(calls, tuple(wide(v) for v in after))


def identified(seen: update.Updates, dtype: np.dtype[Any] = F64) -> update.FoundUpdate | None:
    return update.identify(seen, dtype, rng(3))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_rule_and_its_constants(rule: Optimizer) -> None:
    found = identified(updates(rule))
    assert found is not None
    assert found.optimizer == rule
    assert not found.declared


@pytest.mark.parametrize("rule", RULES[::3], ids=repr)
def test_the_rule_in_float32(rule: Optimizer) -> None:
    found = identified(updates(rule, F32), F32)
    assert found is not None
    assert update.as_written(found.optimizer) == update.as_written(rule)


@pytest.mark.parametrize(
    ("rule", "dtype"),
    [
        (SGD(0.1, weight_decay=1e-3), F64),
        (SGD(0.05, 0.9, weight_decay=1e-2, decay_scope="weights"), F32),
        (SGD(0.05, 0.9, weight_decay=1e-2, decay="decoupled"), F64),
        (Adam(0.001, weight_decay=1e-2, decay="decoupled"), F32),
        (Adam(0.001, weight_decay=1e-4), F64),
        (Adam(0.001, weight_decay=5e-4, decay_scope=("a.weight",)), F32),
        (RMSProp(0.01, 0.99, weight_decay=1e-3), F64),
        (Lion(0.001, weight_decay=0.01), F64),
    ],
    ids=repr,
)
def test_weight_decay(rule: Optimizer, dtype: np.dtype[Any]) -> None:
    found = identified(updates(rule, dtype), dtype)
    assert found is not None
    assert found.optimizer == rule


@pytest.mark.parametrize(
    ("rule", "clipping"),
    [
        (SGD(0.1), ClipByNorm(1.0)),
        (SGD(0.1), ClipByNorm(1.0, epsilon=1e-6)),
        (SGD(0.05, 0.9), ClipByNorm(0.5, "parameter")),
        (SGD(0.05, 0.9), ClipByValue(0.25)),
        (Adam(0.001), ClipByNorm(5.0, "parameter")),
        (Adam(0.001, epsilon=1e-7, epsilon_placement="hat"), ClipByValue(0.5)),
        (RMSProp(0.01, 0.99, weight_decay=1e-3), ClipByNorm(1.0)),
    ],
    ids=repr,
)
def test_clips(rule: Optimizer, clipping: Clipping) -> None:
    found = identified(updates(rule, clipping=clipping))
    assert found is not None
    assert (found.optimizer, found.clipping) == (rule, clipping)


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (SGD(0.1), SGD(0.1 * (1 + 1e-9))),
        (SGD(0.1, momentum=0.9), SGD(0.1, momentum=0.9, nesterov=True)),
        (Adam(0.001), Adam(0.001, epsilon=1e-7)),
        (Adam(0.001), Adam(0.001, epsilon_placement="hat")),
        (Adam(0.001), Adam(0.001, epsilon_placement="inside")),
        (Adam(0.001), Adam(0.001, bias_correction=False)),
        (RMSProp(0.01), RMSProp(0.01, epsilon_placement="inside")),
        (NAdam(0.002), NAdam(0.002, momentum_decay=1.0)),
    ],
    ids=repr,
)
def test_a_wrong_declaration_is_refuted(rule: Optimizer, wrong: Optimizer) -> None:
    seen = updates(rule)
    assert any(m.different for m in update.confirm(wrong, seen, F64, rng(4)))
    found = update.identify(seen, F64, rng(5), (wrong, None))
    assert found is not None
    assert not found.declared
    assert found.optimizer == rule


def test_constants_kept_in_float32_stay_in_the_form_that_was_declared() -> None:
    # √(v₀ + ε) is one number: without the declared form, all of it could be v₀.
    kept = AdaGrad(0.005, 1e-7, "inside", initial_accumulator=float(np.float32(0.1)))
    declared = replace(kept, initial_accumulator=0.1)
    found = update.identify(updates(kept), F64, rng(3), (declared, None))
    assert found is not None
    rule = found.optimizer
    assert isinstance(rule, AdaGrad)
    assert np.isclose(rule.initial_accumulator, kept.initial_accumulator, rtol=1e-12)
    assert replace(rule, initial_accumulator=kept.initial_accumulator) == kept


def test_a_hint_with_another_decay_and_clip() -> None:
    rule = Adam(0.001, weight_decay=1e-2, decay="decoupled", decay_scope="weights")
    hint = (Adam(0.001, weight_decay=1e-2), ClipByValue(0.5))
    found = update.identify(updates(rule, F32, ClipByNorm(2.0)), F32, rng(3), hints=[hint])
    assert found is not None
    assert (found.optimizer, found.clipping) == (rule, ClipByNorm(2.0))


def test_a_constant_that_no_update_shows_is_the_hint_s() -> None:
    # ε beside an accumulator that starts at 1 is below float32's last digit.
    rule = RMSProp(0.01, 0.9, 0.0, 1e-7, "inside", initial_accumulator=1.0)
    hint = RMSProp(0.01, 0.9, 0.0, 1e-7, "inside")
    found = update.identify(updates(rule, F32), F32, rng(3), hints=[(hint, None)])
    assert found is not None
    assert update.as_written(found.optimizer) == rule


def test_a_clip_that_whole_steps_do_not_reach_stays() -> None:
    rule, clip = SGD(0.1), ClipByNorm(1e6)
    found = update.identify_steps(updates(rule), F64, rng(3), (rule, None), own=(rule, clip))
    assert found is not None
    assert found.clipping == clip


def test_no_rule_is_named_for_what_is_none() -> None:
    seen = updates(SGD(0.1))
    odd = tuple({n: v + 0.01 * np.sin(37 * v) for n, v in values.items()} for values in seen.after)
    assert identified(replace(seen, after=odd)) is None


@pytest.mark.parametrize(
    ("rule", "schedule", "dtype"),
    [
        (SGD(0.1, 0.9), ExponentialDecay(0.1, 0.95), F64),
        (Adam(0.01), InverseTimeDecay(0.01, 1, 0.1), F32),
        (SGD(0.1, 0.9), PiecewiseConstant((4.0,), (0.1, 0.01)), F32),
        (RMSProp(0.01, 0.99), PolynomialDecay(0.01, 100.0), F64),
    ],
    ids=repr,
)
def test_the_rate_of_each_update(rule: Optimizer, schedule: Schedule, dtype: np.dtype[Any]) -> None:
    calls = update.calls_to_make(weights(), rng(2))
    after = update.repeat(rule, at(dtype, at_schedule(calls, schedule)))
    found = identified(update.Updates(calls, tuple(wide(v) for v in after)), dtype)
    assert found is not None
    assert update.as_written(found.optimizer) == update.as_written(rule)
    assert found.schedule == schedule


# ---- programs ------------------------------------------------------------------------------------
def adam_by_hand(w: Array, g: Array, kept: dict[str, Any]) -> Array:
    kept["t"] = kept.get("t", 0) + 1
    kept["m"] = 0.9 * kept.get("m", 0) + 0.1 * g
    kept["v"] = 0.999 * kept.get("v", 0) + 0.001 * g**2
    m, v = kept["m"] / (1 - 0.9 ** kept["t"]), kept["v"] / (1 - 0.999 ** kept["t"])
    return w - 0.01 * m / (np.sqrt(v) + 1e-8)


def rmsprop_by_hand(w: Array, g: Array, kept: dict[str, Any]) -> Array:
    kept["c"] = 0.99 * kept.get("c", 0) + (1 - 0.99) * g * g
    return w - 1e-3 * g / (np.sqrt(kept["c"]) + 1e-8)


def nesterov_by_hand(w: Array, g: Array, kept: dict[str, Any]) -> Array:
    before = kept.get("v", 0)
    kept["v"] = 0.9 * before - 0.05 * g
    return w - 0.9 * before + 1.9 * kept["v"]


def averaged_by_hand(w: Array, g: Array, kept: dict[str, Any]) -> Array:
    kept["v"] = 0.9 * kept.get("v", 0) + (1 - 0.9) * g
    return w - 0.5 * kept["v"]


def adagrad_by_hand(w: Array, g: Array, kept: dict[str, Any]) -> Array:
    kept["s"] = kept.get("s", 0) + g**2
    return w - 0.1 * g / np.sqrt(kept["s"] + 1e-8)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
@pytest.mark.parametrize(
    ("program", "rule"),
    [
        (adam_by_hand, Adam(0.01)),
        (rmsprop_by_hand, RMSProp(0.001, 0.99)),
        (nesterov_by_hand, SGD(0.05, 0.9, nesterov=True)),
        (averaged_by_hand, SGD(0.05, 0.9)),
        (adagrad_by_hand, AdaGrad(0.1, 1e-8, "inside")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_programs_by_hand(program: Rule, rule: Optimizer, dtype: np.dtype[Any]) -> None:
    calls = update.calls_to_make(weights(), rng(6))
    kept: dict[str, dict[str, Any]] = {n: {} for n in SHAPES}
    after = [
        {n: program(c.before[n], c.gradient[n], kept[n]).astype(float) for n in SHAPES}
        for c in at(dtype, calls)
    ]
    seen = update.Updates(calls, tuple(after))
    found = identified(seen, dtype)
    assert found is not None
    assert update.as_written(found.optimizer) == update.as_written(rule)
    for seed in range(3):
        assert not any(m.different for m in update.confirm(rule, seen, dtype, rng(seed)))
