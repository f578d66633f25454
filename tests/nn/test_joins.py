"""Residual connections and branches."""

import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    NAMED,
    Add,
    Affine,
    Concatenate,
    MeanSquaredError,
    Memory,
    Network,
    Take,
    Tanh,
    check_gradients,
)

#: A residual block, a branch from the input, and a source that is used twice.
BRANCHED = Network(
    (
        ("first", Affine(3, 4)),
        ("tanh", Tanh()),
        ("second", Affine(4, 4)),
        ("residual", Add(("tanh",))),
        ("again", Take("input")),
        ("side", Affine(3, 2)),
        ("joined", Concatenate(("residual", "tanh", "input"))),
        ("last", Affine(13, 2)),
    )
)


def test_gradients_of_a_branched_network() -> None:
    rng = np.random.default_rng(0)
    parameters = BRANCHED.initialize(NAMED["standard_normal"], rng)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    loss = MeanSquaredError()
    assert check_gradients(BRANCHED, loss, parameters, x, y, method="full", rng=rng) == ()
    tape = BRANCHED.forward(parameters, x)
    dx = tape.backward(loss.value_and_gradient(tape.prediction, y)[1]).input
    # Central differences: what rounding (2⁻⁵³/h) and truncation (h²) leave is below 1e-8.
    h = 1e-5
    for index in np.ndindex(*x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][index] += h
        moved[1][index] -= h
        up, down = (loss.value(BRANCHED.forward(parameters, m).prediction, y) for m in moved)
        assert abs((up - down) / (2 * h) - dx[index]) < 1e-8


def test_reused_memory_gives_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    parameters = BRANCHED.initialize(NAMED["standard_normal"], rng)
    memory = Memory(reuse=True)
    for _ in range(3):
        x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
        fresh, again = (
            BRANCHED.forward(parameters, x, memory=m) for m in (Memory(reuse=False), memory)
        )
        np.testing.assert_array_equal(fresh.prediction, again.prediction)
        one, other = fresh.backward(dy), again.backward(dy)
        np.testing.assert_array_equal(one.input, other.input)
        for name, gradient in one.parameters.items():
            np.testing.assert_array_equal(gradient, other.parameters[name])


@pytest.mark.parametrize("sources", [("later",), ("join",), ("first", "first")])
def test_sources_are_earlier_layers_each_once(sources: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        Network((("first", Tanh()), ("join", Add(sources)), ("later", Tanh())))


def test_shapes_that_do_not_fit_are_named() -> None:
    network = Network((("first", Affine(3, 2)), ("join", Add(("input",)))))
    parameters = network.initialize(NAMED["zeros"], np.random.default_rng(0))
    with pytest.raises(InputError, match=r"'join' \(Add\).*'input'.*\(1, 2\).*\(1, 3\)"):
        network.forward(parameters, np.zeros((1, 3)))
