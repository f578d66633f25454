"""A solver of ``netparity.nn`` as an implementation."""

from dataclasses import replace

import numpy as np

from netparity import nn
from netparity.conventions import Place
from netparity.implementations.solver import SolverSide

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
