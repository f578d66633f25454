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
from netparity import nn

torch = pytest.importorskip("torch")


class Last(torch.nn.Module):  # type: ignore[misc, name-defined]
    """A recurrent layer, and a dense one on its last output."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Any) -> Any:
        recurrent, dense = self.layers
        return dense(recurrent(x)[0][:, -1])


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


def test_a_gradient_that_is_zero_by_cancellation_alone() -> None:
    # Signs over 22 rows add up to 0 or to a rounding, by their order; a root mean square
    # of such gradients lifts that far above the last digit of what is trained.
    x = np.tile([[1.0], [-1.0]], (11, 1))
    y = 1.25 * x

    def side(order: Any) -> Any:
        def build() -> netparity.Scratch:
            values = {"W1": np.array([[0.25]]), "b1": np.zeros(1)}
            kept = {n: np.zeros_like(v) for n, v in values.items()}

            def gradients(x: Any, y: Any) -> Any:
                delta = np.sign(x @ values["W1"] + values["b1"] - y) / len(x)
                rows = order(len(x))
                return {"W1": x.T @ delta, "b1": np.add.reduce(delta[rows], axis=0)}

            def update(found: Any) -> None:
                for n, g in found.items():
                    kept[n] *= 0.9
                    kept[n] += 0.1 * g * g
                    values[n] -= 0.01 * g / (np.sqrt(kept[n]) + 1e-8)

            return netparity.Scratch(
                parameters=values, state=kept, predict=lambda x: x @ values["W1"] + values["b1"],
                loss=lambda x, y: np.abs(x @ values["W1"] + values["b1"] - y).mean(),
                gradients=gradients, update=update,
            )  # fmt: skip

        return build

    in_order, by_sign = side(np.arange), side(lambda n: np.r_[0:n:2, 1:n:2])
    report = netparity.compare(in_order, by_sign, data=(x, y), steps=6, batch_size=22)
    check_parity(report)


def test_two_programs_that_draw_their_masks_from_one_stream() -> None:
    def side() -> Any:
        program = Program("tanh", "mse", sizes=(4, 6, 2))
        net = Net(program)

        def masked(x: Any, training: bool) -> Any:
            a = net.bend(x @ net.values["W1"] + net.values["b1"])
            keep = np.random.random_sample(a.shape) >= 0.5 if training else np.full(a.shape, 0.5)  # noqa: NPY002
            return a, 2.0 * keep * a, 2.0 * keep

        def predict(x: Any, training: bool = False) -> Any:
            return masked(x, training)[1] @ net.values["W2"] + net.values["b2"]

        def activations(x: Any, training: bool = False) -> Any:
            a, dropped, _ = masked(x, training)
            return {"a": a, "drop": dropped, "out": dropped @ net.values["W2"] + net.values["b2"]}

        def gradients(x: Any, y: Any) -> Any:
            a, dropped, mask = masked(x, training=True)
            delta = net.judge(dropped @ net.values["W2"] + net.values["b2"], y)[1]
            back = (delta @ net.values["W2"].T) * mask * (1 - a * a)
            return {"W2": dropped.T @ delta, "b2": delta.sum(axis=0),
                    "W1": x.T @ back, "b1": back.sum(axis=0)}  # fmt: skip

        return netparity.Scratch(
            parameters=net.values, state=net.kept, predict=predict, activations=activations,
            loss=lambda x, y: net.judge(predict(x, training=True), y)[0],
            gradients=gradients, update=net.update,
        )  # fmt: skip

    program = Program("tanh", "mse", sizes=(4, 6, 2))
    report = compared(side, side, program)
    check_parity(report)
    assert report.gap.before == 0.0


@pytest.mark.parametrize("layer", [nn.SimpleRNN(2, 6, bias="two"), nn.LSTM(2, 5, bias="two")])
def test_saturated_recurrent_layers_round_their_slopes(layer: Any) -> None:
    """Next to 1, ``1 - h²`` keeps little more of ``h`` than its rounding."""
    rng = np.random.default_rng(3)
    layers = (("recurrent", layer), ("dense", nn.Affine(layer.units, 2)))
    values = {
        f"{name}.{key}": np.float32(rng.standard_normal(shape)).astype(float)
        for name, piece in layers
        for key, shape in piece.shapes().items()
    }

    def solver() -> nn.Solver:
        return nn.Solver(
            nn.Network(layers), nn.MeanSquaredError(), nn.SGD(1e-6), parameters=values,
            dtype="float64",
        )  # fmt: skip

    def in_torch() -> netparity.Torch:
        kind = torch.nn.RNN if isinstance(layer, nn.SimpleRNN) else torch.nn.LSTM
        module = torch.nn.ModuleList(
            [kind(2, layer.units, batch_first=True), torch.nn.Linear(layer.units, 2)]
        ).double()
        with torch.no_grad():
            for parameter, value in zip(module.parameters(), values.values(), strict=True):
                parameter.copy_(torch.from_numpy(value.T.copy()))
        network = Last(module)
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-6)
        return netparity.Torch(network, torch.nn.MSELoss(), optimizer)

    x = np.float32(30 * rng.standard_normal((24, 4, 2))).astype(float)
    y = np.float32(rng.standard_normal((24, 2))).astype(float)
    report = netparity.compare(solver, in_torch, data=(x, y), steps=3, batch_size=12)
    assert [c.id for c in report.causes] == []
    assert report.unexplained == ()
    assert report.verdict == "parity"


def test_what_is_printed_is_no_other_quantity_where_no_loss_is_shown() -> None:
    program = Program("tanh", "mse", sizes=(4, 5, 2))

    def side(*, shows: bool) -> Any:
        def build() -> netparity.Scratch:
            net = Net(program)
            loss = {"loss": net.loss} if shows else {}
            return netparity.Scratch(
                parameters=net.values, state=net.kept, predict=net.predict,
                gradients=net.gradients, update=net.update,
                report=lambda x, y: {"loss": net.loss(x, y)}, **loss,
            )  # fmt: skip

        return build

    report = compared(side(shows=True), side(shows=False), program)
    assert report.causes == ()
    assert report.unexplained == ()
    assert {s.stage: s.status for s in report.stages}["reporting"] == "not-checked"
