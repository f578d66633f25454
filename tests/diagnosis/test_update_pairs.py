"""Pairs whose update rules differ, or not, from two programs to the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Net, Program, in_torch

import netparity

Array = np.ndarray[Any, np.dtype[Any]]
Rule = Callable[[Array, Array, dict[str, Any]], Array]
REGRESSION = Program("tanh", "mse", sizes=(5, 8, 3))
CLASSES = Program("tanh", "cross-entropy", sizes=(5, 8, 3))
ALL, STEPS, STEP = ("loss", "gradients", "update"), ("loss", "step"), ("step",)


def sgd(rate: float = 0.1, momentum: float = 0.0, decay: float = 0.0) -> Rule:
    def rule(w: Array, g: Array, kept: dict[str, Any]) -> Array:
        kept["v"] = momentum * kept.get("v", 0) + g + decay * w
        return w - rate * kept["v"]

    return rule


def adam(
    rate: float = 1e-3,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    decay: float = 0.0,
    beside: float = 0.0,
) -> Rule:
    def rule(w: Array, g: Array, kept: dict[str, Any]) -> Array:
        g = g + decay * w
        kept["t"] = kept.get("t", 0) + 1
        kept["m"] = 0.9 * kept.get("m", 0) + (1 - 0.9) * g
        kept["v"] = beta2 * kept.get("v", 0) + (1 - beta2) * g * g
        m, v = kept["m"] / (1 - 0.9 ** kept["t"]), kept["v"] / (1 - beta2 ** kept["t"])
        return w - rate * m / (np.sqrt(v) + epsilon) - rate * beside * w

    return rule


def falling(rate: float = 0.1, factor: float = 0.9) -> Rule:
    def rule(w: Array, g: Array, kept: dict[str, Any]) -> Array:
        kept["rate"] = kept.get("rate", rate / factor) * factor
        return w - kept["rate"] * g

    return rule


def rmsprop(rho: float = 0.99, *, inside: bool = False) -> Rule:
    def rule(w: Array, g: Array, kept: dict[str, Any]) -> Array:
        kept["c"] = rho * kept.get("c", 0) + (1 - rho) * g * g
        return w - 1e-3 * g / (np.sqrt(kept["c"] + 1e-8) if inside else np.sqrt(kept["c"]) + 1e-8)

    return rule


def by_hand(
    rule: Rule,
    shown: Sequence[str] = ALL,
    program: Program = REGRESSION,
    dtype: type[np.floating[Any]] = np.float64,
    limit: float = np.inf,
    size: float = np.inf,
    change: Callable[[Net], None] = lambda _: None,
    frozen: Sequence[str] = (),
) -> Callable[[], netparity.Scratch]:
    def build() -> netparity.Scratch:
        net = Net(program, dtype)
        change(net)
        kept: dict[str, dict[str, Any]] = {n: {} for n in net.values}

        def update(gradients: dict[str, Array]) -> None:
            norm = np.sqrt(sum(np.sum(g * g) for g in gradients.values()))
            factor = 1.0 if norm <= limit else limit / norm
            for n, g in gradients.items():
                if n in frozen:
                    continue
                clipped = np.clip(g * dtype(factor), -size, size)
                net.values[n][...] = rule(net.values[n], clipped, kept[n])

        functions: dict[str, Any] = {
            "loss": net.loss,
            "gradients": net.gradients,
            "update": update,
            "step": lambda x, y: update(net.gradients(x, y)),
        }
        given = {key: functions[key] for key in shown}
        return netparity.Scratch(parameters=net.values, state=kept, predict=net.predict, **given)

    return build


def compare(left: Any, right: Any, program: Program = REGRESSION) -> Any:
    return netparity.compare(left, right, data=program.data(), steps=6)


def causes(report: Any) -> list[str]:
    assert not report.unexplained
    return [cause.id for cause in report.causes]


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda torch, p: torch.optim.RMSprop(p, lr=1e-3), rmsprop()),
        (lambda torch, p: torch.optim.Adam(p, lr=1e-3), adam()),
    ],
    ids=["rmsprop", "adam"],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_torch_and_a_program_with_one_rule_are_parity(
    make: Any, rule: Rule, dtype: type[np.floating[Any]]
) -> None:
    report = compare(torch_side(make, dtype), by_hand(rule, dtype=dtype))
    assert report.verdict == "parity"


def torch_side(make: Any, dtype: type[np.floating[Any]] = np.float64) -> Any:
    import torch

    made: list[Any] = []

    def build() -> netparity.Torch:
        in_torch(REGRESSION, dtype, made.append)()
        module = made[-1]
        return netparity.Torch(module, torch.nn.MSELoss(), make(torch, module.parameters()))

    return build


def test_rules_of_two_kinds() -> None:
    report = compare(torch_side(lambda torch, p: torch.optim.Adamax(p, lr=1e-3)), by_hand(adam()))
    assert causes(report) == ["optimizer-kind"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("left", "right", "id"),
    [
        (rmsprop(), rmsprop(inside=True), "rmsprop-epsilon-placement"),
        (rmsprop(0.99), rmsprop(0.9), "beta-value"),
        (adam(), adam(epsilon=1e-7), "adam-defaults"),
    ],
    ids=["placement", "rho", "epsilon"],
)
def test_one_constant(left: Rule, right: Rule, id: str, dtype: type[np.floating[Any]]) -> None:
    report = compare(by_hand(left, dtype=dtype), by_hand(right, dtype=dtype))
    assert causes(report) == [id]


@pytest.mark.parametrize("shown", [STEPS, STEP], ids=["loss and step", "step alone"])
@pytest.mark.parametrize(
    ("left", "right", "ids", "program"),
    [
        (sgd(0.1, 0.9), sgd(0.1, 0.9), [], REGRESSION),
        (sgd(0.1, 0.9), sgd(0.1, 0.8), ["momentum-value"], REGRESSION),
        (sgd(0.1, 0.9, 1e-2), sgd(0.1, 0.9), ["penalty-absent"], CLASSES),
        (adam(), adam(beta2=0.99), ["beta-value"], CLASSES),
        (adam(), adam(), [], CLASSES),
    ],
    ids=["parity", "momentum", "decay", "beta", "adam parity"],
)
def test_sides_that_show_their_steps_alone(
    left: Rule, right: Rule, ids: list[str], program: Program, shown: Sequence[str]
) -> None:
    report = compare(by_hand(left, shown, program), by_hand(right, shown, program), program)
    assert causes(report) == ids


def smoothed(net: Net) -> None:
    """A fifth of each target is spread over all classes."""

    def judge(scores: Array, y: Array) -> tuple[float, Array]:
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        target = 0.8 * np.eye(p.shape[1])[y] + 0.2 / p.shape[1]
        loss = -np.sum(target * np.log(np.maximum(p, 1e-300))) / len(p)
        return float(loss), (p - target) / len(p)

    net.judge = judge  # type: ignore[method-assign]


def absolute(net: Net) -> None:
    """A penalty of absolute values on the weights, in the gradients."""
    true = net.gradients

    def gradients(x: Array, y: Array) -> dict[str, Array]:
        pulls = {n: 0.02 * np.sign(w) if n[0] == "W" else 0 for n, w in net.values.items()}
        return {n: g + pulls[n] for n, g in true(x, y).items()}

    net.gradients = gradients  # type: ignore[method-assign]


def test_a_loss_that_whole_steps_alone_show() -> None:
    rule = rmsprop()
    report = compare(
        by_hand(rule, ALL, CLASSES), by_hand(rule, STEP, CLASSES, change=smoothed), CLASSES
    )
    assert causes(report) == ["label-smoothing"]


def test_a_penalty_of_absolute_values_that_whole_steps_alone_show() -> None:
    rule = adam()
    left, right = (by_hand(rule, STEP, CLASSES, change=absolute) for _ in range(2))
    report = compare(left, right, CLASSES)
    assert report.verdict == "parity"
    assert {s.stage: s.status for s in report.stages}["update"] == "equal"
    without = compare(left, by_hand(rule, STEP, CLASSES), CLASSES)
    assert causes(without) == ["penalty-absent"]


def test_the_side_that_shows_more_is_the_first_guess_for_the_other() -> None:
    # By its steps alone nothing could be said of left, whose clip acts on most of them.
    left, right = by_hand(adam(1e-2), STEP, limit=0.1), by_hand(rmsprop(), ALL, limit=0.1)
    assert causes(compare(left, right)) == ["optimizer-kind"]


def test_another_rule_behind_a_clip_and_a_penalty_that_only_steps_show() -> None:
    left = by_hand(adam(1e-2, epsilon=1e-6), ALL, limit=0.1, change=absolute)
    right = by_hand(rmsprop(), STEP, limit=0.1, change=absolute)
    assert causes(compare(left, right)) == ["optimizer-kind"]


def test_the_learning_rate_is_known_up_to_the_loss_factor() -> None:
    report = compare(by_hand(sgd(0.1, 0.9), STEP), by_hand(sgd(0.05, 0.9), STEP))
    assert causes(report) == ["learning-rate-value"]
    assert "loss-factor" in report.causes[0].also
    assert "learning rate × loss factor is 0.1 on the left" in report.causes[0].statement
    shown = compare(by_hand(sgd(0.1, 0.9), STEPS), by_hand(sgd(0.05, 0.9), STEPS))
    assert shown.causes[0].also == ()


def test_a_clip_on_one_side() -> None:
    report = compare(by_hand(sgd()), by_hand(sgd(), limit=0.05))
    assert causes(report) == ["clip-value"]
    assert report.causes[0].verdict == "root-cause"


def test_what_never_moves_counts_for_the_clip() -> None:
    moving = by_hand(adam(), limit=0.05, dtype=np.float32)
    report = compare(moving, by_hand(adam(), limit=0.05, dtype=np.float32, frozen=("b1",)))
    assert causes(report) == ["parameter-frozen"]


def test_a_clip_beside_one_decay() -> None:
    both = sgd(0.1, 0.9, decay=0.03)
    assert causes(compare(by_hand(both), by_hand(both, limit=0.05))) == ["clip-value"]


def test_a_decay_inside_the_rule_and_one_beside_it_behind_a_clip() -> None:
    inside, beside = adam(decay=0.03), adam(beside=0.03)
    report = compare(by_hand(inside, limit=0.05), by_hand(beside, limit=0.05))
    assert causes(report) == ["adam-weight-decay-coupling"]


def test_a_clip_by_norm_and_one_by_value() -> None:
    report = compare(by_hand(sgd(), limit=0.05), by_hand(sgd(), size=0.05))
    assert causes(report) == ["grad-clip-value"]
    fix = report.causes[0].fix
    assert fix.left == "g = np.clip(g, -0.05, 0.05)"
    assert fix.right == "g = g * min(1.0, 0.05 / norm)"


def test_what_is_rounded_to_float32_hides_no_other_difference() -> None:
    # A momentum of 0.9 and its rounding differ in float64; so does the clip beside it.
    report = compare(by_hand(sgd(0.1, float(np.float32(0.9)))), by_hand(sgd(0.1, 0.9), limit=0.05))
    assert causes(report) == ["clip-value"]
    assert [one.id for one in report.latent] == ["float32-constants"]


def test_a_clip_that_no_gradient_reaches_is_latent() -> None:
    report = compare(by_hand(sgd()), by_hand(sgd(), limit=50.0))
    assert report.verdict == "parity"
    assert [one.id for one in report.latent] == ["clip-value"]


def test_a_rate_that_falls_on_one_side() -> None:
    report = compare(by_hand(sgd(0.1)), by_hand(falling()))
    assert causes(report) == ["schedule-kind"]
    same = compare(by_hand(falling()), by_hand(falling()))
    assert same.verdict == "parity"


def counted(net: Net) -> None:
    """Counts at the rate that the outputs are the logarithms of."""

    def judge(scores: Array, y: Array) -> tuple[float, Array]:
        rate = np.exp(scores)
        return float(np.mean(rate - y * scores)), (rate - y) / scores.size

    net.judge = judge  # type: ignore[method-assign]


def test_a_loss_that_cannot_take_the_steered_targets_is_no_guess() -> None:
    x, _ = REGRESSION.data()
    y = np.random.default_rng(0).poisson(2.0, (len(x), 3)).astype(float)
    left, right = (by_hand(sgd(0.05), shown, REGRESSION, change=counted) for shown in (ALL, STEP))
    report = netparity.compare(left, right, data=(x, y), steps=12)
    assert report.causes == ()
