import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    LSTM,
    NAMED,
    Affine,
    Dropout,
    Flatten,
    MeanSquaredError,
    Network,
    ReLU,
    Sigmoid,
    Tanh,
)

NETWORK = Network(
    (
        ("first", Affine(2, 3)),
        ("tanh", Tanh()),
        ("drop", Dropout(0.5)),
        ("second", Affine(3, 2, bias=False)),
    )
)


def drawn(dtype: type = np.float64) -> dict[str, np.ndarray]:
    return NETWORK.initialize(NAMED["standard_normal"], np.random.default_rng(0), dtype)


def test_backpropagation_by_hand() -> None:
    # Hidden z = x W₁ + b₁ = [1·1 + 2·0 − 1, 1·(−1) + 2·0.5 − 1] = [0, −1], relu (with the
    # derivative 1 at 0): h = [0, 0]. Output ŷ = h W₂ + b₂ = 0.5. Loss ½(ŷ − 2)² = 1.125.
    # dŷ = −1.5; dW₂ = hᵀ dŷ = 0; db₂ = −1.5; dh = dŷ W₂ᵀ = [−3, −4.5]; dz = [−3, 0];
    # dW₁ = xᵀ dz = [[−3, 0], [−6, 0]]; db₁ = [−3, 0]; dx = dz W₁ᵀ = [−3, 0].
    network = Network(
        (
            ("hidden", Affine(2, 2)),
            ("relu", ReLU(gradient_at_zero=1.0)),
            ("output", Affine(2, 1)),
        )
    )
    parameters = {
        "hidden.weight": np.array([[1.0, -1.0], [0.0, 0.5]]),
        "hidden.bias": np.array([-1.0, -1.0]),
        "output.weight": np.array([[2.0], [3.0]]),
        "output.bias": np.array([0.5]),
    }
    tape = network.forward(parameters, np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(tape.outputs["hidden"], [[0, -1]])
    np.testing.assert_array_equal(tape.inputs["output"], [[0, 0]])
    loss = MeanSquaredError(batch="sum", outputs="sum", factor=0.5)
    value, slope = loss.value_and_gradient(tape.prediction, np.array([2.0]))
    assert value == 1.125
    gradients = tape.backward(slope)
    assert list(gradients.parameters) == list(parameters)
    np.testing.assert_array_equal(gradients.parameters["output.weight"], [[0], [0]])
    np.testing.assert_array_equal(gradients.parameters["output.bias"], [-1.5])
    np.testing.assert_array_equal(gradients.parameters["hidden.weight"], [[-3, 0], [-6, 0]])
    np.testing.assert_array_equal(gradients.parameters["hidden.bias"], [-3, 0])
    np.testing.assert_array_equal(gradients.input, [[-3, 0]])
    assert list(gradients.deltas) == ["hidden", "relu", "output"]
    np.testing.assert_array_equal(gradients.deltas["relu"], [[-3, -4.5]])
    np.testing.assert_array_equal(gradients.deltas["hidden"], [[-3, 0]])


def test_parameters_are_views_into_one_buffer() -> None:
    parameters = drawn(np.float32)
    assert {name: array.shape for name, array in parameters.items()} == {
        "first.weight": (2, 3),
        "first.bias": (3,),
        "second.weight": (3, 2),
    }
    buffer = parameters["first.weight"].base
    assert buffer is not None
    assert buffer.size == 15
    assert all(a.base is buffer and a.dtype == np.float32 for a in parameters.values())


def test_laws_by_full_or_own_name() -> None:
    laws = {"first.weight": NAMED["ones"], "weight": NAMED["zeros"], "bias": NAMED["ones"]}
    parameters = NETWORK.initialize(laws, np.random.default_rng(0))
    assert parameters["first.weight"].all()
    assert parameters["first.bias"].all()
    assert not parameters["second.weight"].any()
    with pytest.raises(InputError, match=r"'first\.bias' has no law"):
        NETWORK.initialize({"weight": NAMED["zeros"]}, np.random.default_rng(0))


def test_a_bias_has_the_fans_of_its_weight() -> None:
    network = Network((("a", Affine(400, 1000)),))
    bias = network.initialize(NAMED["torch_linear"], np.random.default_rng(0))["a.bias"]
    # ±1/√400, and 1,000 draws come within 2 % of the ends all but once in 5e8.
    assert 0.049 < np.abs(bias).max() <= 0.05


def test_draws_are_used_in_order_and_recorded() -> None:
    parameters, x = drawn(), np.ones((4, 2))
    tape = NETWORK.forward(parameters, x, training=True, rng=np.random.default_rng(3))
    assert [draw.shape for draw in tape.draws] == [(4, 3)]
    again = NETWORK.forward(parameters, x, training=True, draws=tape.draws)
    np.testing.assert_array_equal(again.prediction, tape.prediction)
    dropped = tape.outputs["drop"] == 0.0
    np.testing.assert_array_equal(dropped, tape.draws[0] < 0.5)
    assert NETWORK.forward(parameters, x).draws == ()


def test_draws_are_the_same_in_both_dtypes() -> None:
    x = np.ones((4, 2))
    for seed in range(3):
        single, double = (
            NETWORK.forward(drawn(t), x, training=True, rng=np.random.default_rng(seed))
            for t in (np.float32, np.float64)
        )
        np.testing.assert_array_equal(single.draws[0], double.draws[0])
        assert single.prediction.dtype == np.float32


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float64, bool])
def test_the_batch_takes_the_parameters_dtype(kind: type) -> None:
    tape = NETWORK.forward(drawn(np.float32), np.ones((1, 2), kind))
    assert {a.dtype for a in (*tape.inputs.values(), *tape.outputs.values())} == {
        np.dtype(np.float32)
    }
    gradients = tape.backward(np.ones_like(tape.prediction))
    arrays = (*gradients.parameters.values(), *gradients.deltas.values(), gradients.input)
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_disturb_reaches_everything() -> None:
    parameters, seen = drawn(), []

    def disturb(array: np.ndarray) -> np.ndarray:
        seen.append(array.shape)
        return array * 2.0

    x = np.ones((5, 2))
    tape = NETWORK.forward(parameters, x, disturb=disturb)
    # Input; first's two parameters and output; tanh, dropout; second's weight and output.
    assert seen == [(5, 2), (2, 3), (3,), (5, 3), (5, 3), (5, 3), (3, 2), (5, 2)]
    np.testing.assert_array_equal(tape.inputs["first"], 2 * x)
    np.testing.assert_array_equal(tape.outputs["tanh"], 2 * np.tanh(tape.outputs["first"]))
    np.testing.assert_array_equal(tape.outputs["drop"], 2 * tape.outputs["tanh"])
    expected = 2 * (tape.outputs["drop"] @ (2 * parameters["second.weight"]))
    np.testing.assert_array_equal(tape.prediction, expected)
    seen.clear()
    gradients = tape.backward(np.ones((5, 2)))
    # dprediction; then the gradient below each layer, and those of its parameters.
    assert seen == [(5, 2), (5, 3), (3, 2), (5, 3), (5, 3), (5, 2), (2, 3), (3,)]
    np.testing.assert_array_equal(gradients.deltas["second"], 2 * np.ones((5, 2)))
    np.testing.assert_array_equal(
        gradients.deltas["drop"], 2 * (2 * np.ones((5, 2)) @ (2 * parameters["second.weight"]).T)
    )


def test_forward_without_disturbing_copies_nothing_it_is_given() -> None:
    parameters, x = drawn(), np.ones((5, 2))
    before = {name: array.copy() for name, array in parameters.items()}
    tape = NETWORK.forward(parameters, x)
    assert tape.inputs["first"] is x
    tape.backward(np.ones((5, 2)))
    assert x.all()
    for name, array in parameters.items():
        np.testing.assert_array_equal(array, before[name])


def test_errors_name_layer_expected_and_received() -> None:
    parameters = drawn()
    with pytest.raises(InputError, match=r"layer 'first' \(Affine\).*\(N, 2\).*\(4, 3\)"):
        NETWORK.forward(parameters, np.ones((4, 3)))
    with pytest.raises(InputError, match=r"'first\.bias' is missing"):
        NETWORK.forward({k: v for k, v in parameters.items() if "bias" not in k}, np.ones((1, 2)))
    with pytest.raises(InputError, match=r"'first\.bias' of another shape.*\(3,\).*\(1, 3\)"):
        NETWORK.forward({**parameters, "first.bias": np.ones((1, 3))}, np.ones((1, 2)))
    with pytest.raises(InputError, match="several dtypes"):
        NETWORK.forward({**parameters, "first.bias": np.ones(3, np.float32)}, np.ones((1, 2)))
    with pytest.raises(InputError, match="'drop'.*without random numbers"):
        NETWORK.forward(parameters, np.ones((1, 2)), training=True)
    with pytest.raises(InputError, match="another number of dropouts"):
        NETWORK.forward(parameters, np.ones((1, 2)), training=True, draws=[])
    with pytest.raises(InputError, match="layer 'drop'.*dropout draw of another shape"):
        NETWORK.forward(parameters, np.ones((1, 2)), training=True, draws=[np.ones(3)])
    with pytest.raises(InputError, match="batch"):
        NETWORK.forward(parameters, np.array(["a"]))
    with pytest.raises(InputError, match=r"gradient at the prediction.*\(1, 2\).*\(2,\)"):
        NETWORK.forward(parameters, np.ones((1, 2))).backward(np.ones(2))


@pytest.mark.parametrize("names", [("a", "a"), ("a.b",), ("",)])
def test_layer_names(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        Network(tuple((name, Sigmoid()) for name in names))


def test_no_layers_and_no_rows() -> None:
    x = np.ones((0, 2, 2))
    assert Network(()).forward({}, x).prediction is x
    network = Network((("flat", Flatten()), ("a", Affine(4, 3))))
    parameters = network.initialize(NAMED["ones"], np.random.default_rng(0))
    tape = network.forward(parameters, x)
    gradients = tape.backward(tape.prediction)
    assert tape.prediction.shape == (0, 3)
    assert gradients.input.shape == x.shape
    assert not gradients.parameters["a.weight"].any()


def test_each_weight_of_a_layer_has_its_own_fans() -> None:
    """Glorot's bound is √(6/(fan in + fan out)) of the weight that is drawn."""
    network = Network((("lstm", LSTM(100, 50)),))
    drawn = network.initialize(NAMED["glorot_uniform"], np.random.default_rng(0))
    for name, inputs in (("lstm.weight", 100), ("lstm.recurrent_weight", 50)):
        bound = np.sqrt(6 / (inputs + 200))
        largest = np.abs(drawn[name]).max()
        # Of 10,000 uniform draws the largest lies within 0.5 % of the bound but for a chance
        # of 0.995¹⁰⁰⁰⁰, about 2e-22.
        assert 0.995 * bound < largest <= bound
