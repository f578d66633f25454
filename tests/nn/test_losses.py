import math
from typing import Any

import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    L1,
    L2,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    in_scope,
)

PREDICTION = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])
PROBABILITIES = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.3]])
CLASSES = np.array([2, 1])
LOSSES: list[Loss] = [
    SoftmaxCrossEntropy(),
    SoftmaxCrossEntropy(clip=1e-7),
    SoftmaxCrossEntropy(input="probabilities"),
    SoftmaxCrossEntropy(input="probabilities", renormalise=True, clip=1e-7, factor=3.0),
    SigmoidCrossEntropy(),
    SigmoidCrossEntropy(input="probabilities", clip=1e-7),
    SigmoidCrossEntropy(clip=1e-7, outputs="sum"),
    MeanSquaredError(),
    MeanAbsoluteError(),
    MulticlassHinge(),
    MulticlassHinge(counts_true_class=True, classes="mean"),
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(loss: Loss, dtype: type) -> None:
    target = np.eye(3)[CLASSES]
    value, gradient = loss.value_and_gradient(PROBABILITIES.astype(dtype), target)
    assert type(value) is float
    assert gradient.dtype == dtype


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_gradient_is_the_slope(loss: Loss) -> None:
    _, gradient = loss.value_and_gradient(PROBABILITIES, CLASSES)
    # Central differences: h² f''' and roundoff/h are both below 1e-9 at these values.
    h = 1e-5
    for index in np.ndindex(PROBABILITIES.shape):
        step = np.zeros_like(PROBABILITIES)
        step[index] = h
        up, down = (loss.value(PROBABILITIES + s, CLASSES) for s in (step, -step))
        assert gradient[index] == pytest.approx((up - down) / (2 * h), abs=2e-8)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_class_targets_in_every_form(loss: Loss) -> None:
    value, gradient = loss.value_and_gradient(PROBABILITIES, CLASSES)
    for target in (CLASSES.astype(float), CLASSES[:, None], np.eye(3)[CLASSES]):
        other, other_gradient = loss.value_and_gradient(PROBABILITIES, target)
        # The sum over classes adds zeros in the one form and not in the other: 2 ulp.
        assert other == pytest.approx(value, rel=5e-16)
        np.testing.assert_allclose(other_gradient, gradient, rtol=0, atol=5e-16)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [0.5, 1], [math.nan, 1]])
def test_labels_out_of_range(loss: Loss, labels: list[float]) -> None:
    with pytest.raises(InputError, match="Expected whole numbers from 0 to 2"):
        loss.value(PROBABILITIES, np.array(labels))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("shape", [(3,), (2, 2), (2, 3, 1), (1, 3)])
def test_targets_of_another_shape(loss: Loss, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="Received") as caught:
        loss.value(PROBABILITIES, np.zeros(shape))
    assert str(shape) in caught.value.message


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_no_rows(loss: Loss) -> None:
    with pytest.raises(InputError, match="at least 1"):
        loss.value(np.zeros((0, 3)), np.zeros(0, int))


@pytest.mark.parametrize("loss", [MulticlassHinge(), SoftmaxCrossEntropy()], ids=repr)
def test_class_losses_refuse_vectors(loss: Loss) -> None:
    with pytest.raises(InputError, match=r"Expected \(N, C\)"):
        loss.value(np.zeros(3), np.zeros(3, int))


def test_hinge_refuses_two_labels_a_row() -> None:
    with pytest.raises(InputError, match="not one-hot"):
        MulticlassHinge().value(PREDICTION, np.ones((2, 3)))


# Row 0 (y=2): max(0, 0.5-2+1)=0, max(0,-1-2+1)=0. Row 1 (y=1): 1.5-0.25+1=2.25,
# -0.5-0.25+1=0.25. The sum of all is 2.5.
@pytest.mark.parametrize(
    ("conventions", "value"),
    [
        ({}, 1.25),
        ({"batch": "sum"}, 2.5),
        ({"classes": "mean"}, 1.25 / 3),
        ({"factor": 2.0}, 2.5),
        ({"counts_true_class": True}, 2.25),
        ({"counts_true_class": True, "classes": "mean"}, 2.25 / 3),
        ({"margin": 0.0}, 0.625),
    ],
)
def test_hinge_by_hand(conventions: dict[str, Any], value: float) -> None:
    loss = MulticlassHinge(**conventions)
    assert loss.value(PREDICTION, CLASSES) == pytest.approx(value, rel=4e-16)


def test_counting_the_true_class_leaves_the_gradient() -> None:
    for margin in (1.0, 0.5):
        plain, counting = (
            MulticlassHinge(margin, counts_true_class=flag).value_and_gradient(PREDICTION, CLASSES)
            for flag in (False, True)
        )
        assert counting[0] - plain[0] == margin
        np.testing.assert_array_equal(counting[1], plain[1])


@pytest.mark.parametrize(
    ("conventions", "value", "slope"),
    [
        # Differences 1, 2, 3, 4: squares sum to 30 over 4 elements in 2 rows.
        ({}, 7.5, 0.5),
        ({"batch": "sum"}, 15.0, 1.0),
        ({"outputs": "sum"}, 15.0, 1.0),
        ({"batch": "sum", "outputs": "sum", "factor": 0.5}, 15.0, 1.0),
    ],
)
def test_squared_error_by_hand(conventions: dict[str, Any], value: float, slope: float) -> None:
    difference = np.array([[1.0, 2], [3, 4]])
    got, gradient = MeanSquaredError(**conventions).value_and_gradient(difference, np.zeros((2, 2)))
    assert got == value
    np.testing.assert_array_equal(gradient, slope * difference)


def test_rows_and_columns_are_aligned_not_broadcast() -> None:
    prediction, target = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    assert MeanSquaredError().value(prediction, target) == 0.0
    assert MeanSquaredError().value(target, prediction) == 0.0
    assert MeanSquaredError().value(prediction, target) == 0.0


def test_reductions_of_cross_entropy() -> None:
    mean = SoftmaxCrossEntropy().value(PREDICTION, CLASSES)
    assert SoftmaxCrossEntropy(batch="sum", factor=0.5).value(PREDICTION, CLASSES) == mean
    binary = SigmoidCrossEntropy().value(PREDICTION, CLASSES)
    per_row = SigmoidCrossEntropy(outputs="sum").value(PREDICTION, CLASSES)
    assert per_row == pytest.approx(3 * binary, rel=4e-16)


def test_huge_logits() -> None:
    logits = np.array([[1000.0, 0.0]])
    assert SoftmaxCrossEntropy().value(logits, np.array([1])) == 1000.0
    assert SigmoidCrossEntropy().value(logits, np.array([[0.0, 0.0]])) == pytest.approx(
        (1000.0 + math.log(2.0)) / 2
    )


def test_clip_caps_the_loss_and_stops_the_gradient() -> None:
    loss = SoftmaxCrossEntropy(input="probabilities", clip=1e-7)
    value, gradient = loss.value_and_gradient(np.array([[1.0, 0.0]]), np.array([1]))
    assert value == pytest.approx(-math.log(1e-7), rel=4e-16)
    np.testing.assert_array_equal(gradient, 0.0)


def test_an_impossible_class_costs_infinity_a_certain_one_nothing() -> None:
    loss = SoftmaxCrossEntropy(input="probabilities")
    assert loss.value(np.array([[1.0, 0.0]]), np.array([1])) == math.inf
    assert loss.value(np.array([[1.0, 0.0]]), np.array([0])) == 0.0


def test_penalties_by_hand() -> None:
    parameters = {"a.weight": np.array([[1.0, -2.0]]), "a.bias": np.array([3.0])}
    assert L2(0.25).value(parameters) == 0.5 * 0.25 * 5
    assert L2(0.25, factor=1.0, scope="all").value(parameters) == 0.25 * 14
    assert L2(0.25, scope=("a.bias",)).value(parameters) == 0.5 * 0.25 * 9
    assert L1(0.25).value(parameters) == 0.75
    np.testing.assert_array_equal(L2(0.25).gradients(parameters)["a.weight"], [[0.25, -0.5]])
    np.testing.assert_array_equal(
        L2(0.25, factor=1.0).gradients(parameters)["a.weight"], [[0.5, -1.0]]
    )
    assert set(L1(0.25).gradients(parameters)) == {"a.weight"}
    assert set(L1(0.25, scope="all").gradients(parameters)) == set(parameters)


@pytest.mark.parametrize("penalty", [L1(np.float64(0.1)), L2(np.float64(0.1), np.float64(0.5))])
def test_penalty_dtype(penalty: L1 | L2) -> None:
    parameters = {"a.weight": np.ones((2, 2), np.float32)}
    assert penalty.gradients(parameters)["a.weight"].dtype == np.float32
    assert type(penalty.value(parameters)) is float


def test_scope() -> None:
    assert in_scope("all", "a.bias")
    assert not in_scope("weights", "a.bias")
    assert not in_scope(("a.weight",), "b.weight")
