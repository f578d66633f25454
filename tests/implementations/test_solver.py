"""A solver of ``netparity.nn`` as an implementation."""

from dataclasses import replace

import numpy as np
import pytest

from netparity import nn
from netparity.conventions import Place
from netparity.errors import InputError
from netparity.implementations.solver import SolverSide
from netparity.nn.optimizers import EqualAverage

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((8, 3)), RNG.integers(0, 2, 8)


def side(rate=0.5, **options):
    network = nn.Network((("a", nn.Affine(3, 4)), ("d", nn.Dropout(rate)), ("b", nn.Affine(4, 2))))
    return SolverSide(
        nn.Solver(network, nn.SoftmaxCrossEntropy(), nn.Adam(0.1), penalties=(nn.L2(0.5),),
                  laws=nn.NAMED["he_normal"], **options)
    )  # fmt: skip


def test_declares_itself_completely():
    live = side()
    said = live.declared(X[:3])
    solver = live.solver
    assert said.layers == solver.network.layers
    assert (said.loss, said.optimizer, said.penalties) == (
        nn.SoftmaxCrossEntropy(), nn.Adam(0.1), (nn.L2(0.5),),
    )  # fmt: skip
    assert said.places["a.weight"] == Place("a.weight")
    assert said.laws == dict.fromkeys(live.parameters(), nn.NAMED["he_normal"])


def test_declares_its_clip_and_takes_another():
    live = side(clipping=nn.ClipByNorm(0.5))
    said = live.declared(X[:3])
    assert said.clipping == nn.ClipByNorm(0.5)
    assert live.adjust(replace(said, clipping=None), X[:3])
    assert live.solver.clipping is None


def test_is_driven_stage_by_stage():
    live = side()
    draws = [RNG.random(shape) for shape in live.dropouts(X)]
    assert [d.shape for d in draws] == [(8, 4)]
    value = live.loss(X, Y, draws=draws)
    assert value.total == value.data + value.penalty
    assert value.data == live.loss_of(live.predict(X, training=True, draws=draws), Y)
    assert list(live.activations(X)) == ["a", "d", "b"]
    before, gradients = live.parameters(), live.gradients(X, Y, draws=draws)
    rule = live.solver.optimizer
    expected = rule.update(before, gradients, rule.initialize(before))[0]
    live.step(X, Y, draws=draws)
    for name, value in live.parameters().items():
        assert np.array_equal(value, expected[name])


def test_adjusts_every_switch_and_back():
    live = side()
    said = live.declared(X[:3])
    wanted = replace(
        said,
        loss=nn.SoftmaxCrossEntropy(batch="sum"),
        optimizer=nn.SGD(0.25, momentum=0.5),
        layers=tuple((n, nn.Dropout(0.25) if n == "d" else v) for n, v in said.layers),
        penalties=(),
    )
    before = live.state()
    assert live.adjust(wanted, X[:3])
    assert live.declared(X[:3]).layers == wanted.layers
    live.step(X, Y)
    assert not live.adjust(replace(wanted, layers=(("a", nn.Affine(3, 2)),)), X[:3])
    assert live.adjust(said, X[:3])
    live.restore(before)
    live.step(X, Y)
    fresh = side()
    fresh.step(X, Y)
    for name, value in fresh.parameters().items():
        assert np.array_equal(value, live.parameters()[name])


def test_another_rule_starts_from_a_state_of_its_own():
    # Handed over with the state of another rule, whose slots it has or has not.
    for given, wanted in (
        (nn.Adam(0.1), nn.RMSProp(0.1)),
        (nn.AdaGrad(0.1, initial_accumulator=0.5), nn.AdaGrad(0.1)),
    ):
        network = nn.Network((("a", nn.Affine(3, 4)), ("b", nn.Affine(4, 2))))
        live, expected = (
            SolverSide(nn.Solver(network, nn.SoftmaxCrossEntropy(), rule))
            for rule in (given, wanted)
        )
        before = live.state()
        assert live.adjust(expected.declared(X[:3]), X[:3])
        live.restore(before)
        for _ in range(2):
            live.step(X, Y)
            expected.step(X, Y)
        for name, value in expected.parameters().items():
            assert np.array_equal(value, live.parameters()[name])


def normalized():
    network = nn.fully_connected_net(3, (4,), 2, normalization="batch", dropout=0.5)
    # Without compiled loops, which sum in another order than the pure functions do.
    return SolverSide(
        nn.Solver(
            network,
            nn.SoftmaxCrossEntropy(),
            nn.Adam(0.1),
            engine="plain",
            averaging=EqualAverage(),
        )
    )


def everything(live):
    solver = live.solver
    slots = {
        f"{key}/{name}": array
        for key, slot in {**solver.state, **solver.average_state}.items()
        if isinstance(slot, dict)
        for name, array in slot.items()
    }
    steps = [solver.state["step"], solver.average_state.get("step", 0)]
    found = {**solver.values, **slots, "steps": np.array(steps)}
    found |= {f"history/{name}": np.array(v) for name, v in solver.history.items()}
    return {name: np.array(array) for name, array in found.items()}


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


def test_restoring_is_exact_also_for_running_statistics_and_into_the_live_arrays():
    live = normalized()
    live.step(X, Y)
    arrays, saved = dict(live.solver.values), live.state()
    before, generator = everything(live), live.solver.rng.bit_generator.state
    for _ in range(3):
        live.step(X, Y)
    live.solver.fit(X, Y, 1, validation=0.25)
    assert not same(everything(live), before)
    for name, value in saved.values.items():
        assert not np.shares_memory(value, live.solver.values[name])
    live.restore(saved)
    restored = everything(live)
    # A name that the history got since is there, and empty.
    assert restored.pop("history/validation_loss").size == 0
    assert same(restored, before)
    assert live.solver.rng.bit_generator.state == generator
    assert all(array is live.solver.values[name] for name, array in arrays.items())
    # The saved state is no view either: it can be put back again.
    live.step(X, Y)
    once = everything(live)
    live.restore(saved)
    live.step(X, Y)
    assert same(everything(live), once)


def test_a_step_with_given_draws_is_the_solvers_own():
    live, own = normalized(), normalized()
    rng = np.random.default_rng(1)
    live.solver.rng, own.solver.rng = np.random.default_rng(1), np.random.default_rng(1)
    draws = [rng.random(shape) for shape in live.dropouts(X)]
    live.step(X, Y, draws=draws)
    own.solver.step(X, Y)
    assert same(everything(live), everything(own))
    assert np.abs(live.solver.buffers["affine1_norm.running_mean"]).max() > 0


def test_looking_leaves_running_statistics_alone():
    live = normalized()
    live.step(X, Y)
    before = everything(live)
    live.predict(X, training=True)
    live.activations(X, training=True)
    live.gradients(X, Y)
    live.loss(X, Y)
    live.declared(X[:3])
    assert same(everything(live), before)


def test_parameters_are_written_into_the_live_arrays():
    live = normalized()
    arrays = dict(live.solver.parameters)
    values = {name: np.full_like(value, 0.5) for name, value in live.parameters().items()}
    live.set_parameters(values)
    values["affine1.bias"][...] = 9.0
    for name, array in live.solver.parameters.items():
        assert array is arrays[name]
        assert (array == 0.5).all()
    with pytest.raises(InputError, match=r"solver, parameters, 'affine1.bias': expected \(4,\)"):
        live.set_parameters({"affine1.bias": np.zeros(3)})


def test_other_buffers_cannot_be_adjusted_to():
    live = normalized()
    said = live.declared(X[:3])
    frozen = tuple(
        (n, replace(v, frozen=True) if isinstance(v, nn.BatchNorm) else v) for n, v in said.layers
    )
    assert live.adjust(replace(said, layers=frozen), X[:3])
    without = tuple((n, v) for n, v in said.layers if n != "affine1_norm")
    assert not live.adjust(replace(said, layers=without), X[:3])
    plain = nn.BatchNorm(4, scale=False, shift=False)
    bare = SolverSide(
        nn.Solver(
            nn.Network((("a", nn.Affine(3, 4)), ("b", nn.Affine(4, 2)))),
            nn.SoftmaxCrossEntropy(), nn.SGD(0.1),
        )
    )  # fmt: skip
    said = bare.declared(X[:3])
    more = (said.layers[0], ("norm", plain), said.layers[1])
    assert not bare.adjust(replace(said, layers=more), X[:3])
