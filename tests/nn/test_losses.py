import math
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.nn import (
    Affine,
    BinaryFocal,
    BinaryHinge,
    CategoricalFocal,
    CosineDistance,
    GaussianNegativeLogLikelihood,
    Huber,
    KullbackLeibler,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Memory,
    MulticlassHinge,
    Network,
    PoissonNegativeLogLikelihood,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    check_gradients,
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
    SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=(1.0, 2.0, 0.5)),
    SoftmaxCrossEntropy("weighted-mean", label_smoothing=0.1, smoothing_over="others"),
    SoftmaxCrossEntropy(class_weights=(1.0, 2.0, 0.5), class_weights_on="rows"),
    SoftmaxCrossEntropy(
        input="probabilities", renormalise=True, renormalise_order="after-clip", clip=0.01
    ),
    SoftmaxCrossEntropy(input="probabilities", log_epsilon=0.01),
    SoftmaxCrossEntropy(log_epsilon=0.01),
    SoftmaxCrossEntropy(input="log-probabilities"),
    SigmoidCrossEntropy(label_smoothing=0.1, class_weights=(0.5, 3.0)),
    SigmoidCrossEntropy(input="probabilities", class_weights=(0.5, 3.0), log_epsilon=0.01),
    SigmoidCrossEntropy(input="probabilities", log_floor=-100.0, class_weights=(0.5, 3.0)),
    Huber(0.4),
    Huber(0.4, "smooth-l1"),
    LogCosh(),
    MulticlassHinge(over="largest"),
    MulticlassHinge(over="largest-or-zero", power=2),
    MulticlassHinge(power=2),
    BinaryHinge(),
    BinaryHinge(power=2, margin=2.0),
    BinaryFocal(),
    BinaryFocal(0.5, 0.25, clip=1e-7, label_smoothing=0.1),
    BinaryFocal(3.0, input="probabilities"),
    BinaryFocal(0.0),
    CategoricalFocal(),
    CategoricalFocal(1.5, 1.0, input="probabilities", renormalise=True, label_smoothing=0.1),
    KullbackLeibler(input="probabilities"),
    KullbackLeibler(input="probabilities", clip=0.01, over="prediction"),
    KullbackLeibler(),
    PoissonNegativeLogLikelihood(),
    PoissonNegativeLogLikelihood("rate", 1e-3, "stirling"),
    PoissonNegativeLogLikelihood("rate", constant="deviance", outputs="sum"),
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


OTHERS: list[tuple[Loss, np.ndarray, np.ndarray]] = [
    (CosineDistance(), PREDICTION, PREDICTION[::-1]),
    (CosineDistance("minus"), PREDICTION, PREDICTION[::-1]),
    (GaussianNegativeLogLikelihood(), PROBABILITIES[:, :2], PREDICTION[:, :1]),
    (
        GaussianNegativeLogLikelihood("log-variance", constant=True, outputs="sum"),
        np.concatenate([PREDICTION, PROBABILITIES], axis=1),
        PREDICTION[::-1],
    ),
    (KullbackLeibler(target="log-probabilities"), PREDICTION, PREDICTION[::-1]),
    (BinaryHinge(labels="signs"), 0.75 * PREDICTION, np.array([[1.0, -1, 1], [-1, -1, 1]])),
    (SoftmaxCrossEntropy(ignore_index=-1), PREDICTION, np.array([-1, 1])),
    (SoftmaxCrossEntropy(label_smoothing=0.1), np.stack([PREDICTION] * 2), np.eye(2, dtype=int)),
    (SoftmaxCrossEntropy(), np.stack([PREDICTION] * 2), np.stack([PROBABILITIES] * 2)),
]
ALL = [(loss, PROBABILITIES, CLASSES) for loss in LOSSES] + OTHERS
WEIGHTS = np.array([0.25, 3.0])
each = pytest.mark.parametrize(
    ("loss", "prediction", "target"), ALL, ids=[repr(loss) for loss, _, _ in ALL]
)


@each
def test_weighted_gradient_is_the_slope(
    loss: Loss, prediction: np.ndarray, target: np.ndarray
) -> None:
    _, gradient = loss.value_and_gradient(prediction, target, weights=WEIGHTS)
    # As for the losses without weights, three times as large.
    h = 1e-5
    for index in np.ndindex(prediction.shape):
        step = np.zeros_like(prediction)
        step[index] = h
        up, down = (loss.value(prediction + s, target, weights=WEIGHTS) for s in (step, -step))
        assert gradient[index] == pytest.approx((up - down) / (2 * h), abs=6e-8)


@each
def test_weights_count_rows(loss: Loss, prediction: np.ndarray, target: np.ndarray) -> None:
    by_row = replace(loss, batch="sum")  # type: ignore[type-var]
    rows = [by_row.value(prediction[n : n + 1], target[n : n + 1]) for n in range(2)]
    total = float(WEIGHTS @ rows)
    # Two rows, of which each side rounds sums of at most six terms and the constants: the
    # terms, some of both signs, are below 4, their weights below 3.
    bound = 32 * np.finfo(float).eps * 12
    assert abs(by_row.value(prediction, target, weights=WEIGHTS) - total) <= bound
    ones = np.ones(2)
    assert loss.value(prediction, target, weights=ones) == pytest.approx(
        loss.value(prediction, target), abs=bound
    )
    if getattr(loss, "class_weights", None) or getattr(loss, "ignore_index", None):
        return
    positions = prediction[..., 0].size // 2 if isinstance(loss, SoftmaxCrossEntropy) else 1
    for batch, divisor in (("mean", 2), ("weighted-mean", 3.25), ("nonzero-mean", 2)):
        value = replace(loss, batch=batch).value(  # type: ignore[type-var]
            prediction, target, weights=WEIGHTS
        )
        assert abs(value - total / divisor / positions) <= bound


@each
@pytest.mark.parametrize("batch", ["mean", "weighted-mean", "nonzero-mean", "sum"])
def test_a_row_of_weight_zero_is_as_if_absent(
    loss: Loss, prediction: np.ndarray, target: np.ndarray, batch: str
) -> None:
    loss = replace(loss, batch=batch)  # type: ignore[type-var]
    value, gradient = loss.value_and_gradient(prediction, target, weights=np.array([0.0, 1.0]))
    alone, alone_gradient = loss.value_and_gradient(prediction[1:], target[1:])
    counted = isinstance(loss, SoftmaxCrossEntropy) and loss.ignore_index is not None
    size = 0.5 if batch == "mean" and not counted else 1.0
    # Products by ½ and 1 are exact; sums meet zeros besides. Class weights sum up, with
    # smoothing and a divisor that is rounded once.
    assert value == pytest.approx(size * alone, rel=4 * np.finfo(float).eps)
    np.testing.assert_allclose(
        gradient[1:], size * alone_gradient, rtol=4 * np.finfo(float).eps, atol=0
    )
    assert not gradient[0].any()


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reused_memory_gives_the_same_bits(
    loss: Loss, prediction: np.ndarray, target: np.ndarray, dtype: type
) -> None:
    memory, rng = Memory(reuse=True), np.random.default_rng(0)
    x = prediction.astype(dtype)
    for weights in (None, WEIGHTS, None, rng.random(2)):
        for other in (x, np.asfortranarray(x), x * dtype(0.75)):
            kept, kept_target = other.copy(), target.copy()
            fresh = loss.value_and_gradient(other, target, weights=weights)
            reused = loss.value_and_gradient(other, target, weights=weights, memory=memory)
            assert fresh[0] == reused[0]
            assert type(reused[0]) is float
            assert reused[1].dtype == dtype
            np.testing.assert_array_equal(fresh[1], reused[1])
            np.testing.assert_array_equal(other, kept)
            np.testing.assert_array_equal(target, kept_target)


@each
def test_nothing_large_is_new_in_reused_memory(
    loss: Loss, prediction: np.ndarray, target: np.ndarray
) -> None:
    memory, times = Memory(reuse=True), 240_000 // prediction[..., 0].size
    x, t = np.concatenate([prediction] * times), np.concatenate([target] * times)
    weights = np.concatenate([WEIGHTS] * times)
    loss.value_and_gradient(x, t, weights=weights, memory=memory)
    tracemalloc.start()
    loss.value_and_gradient(x, t, weights=weights, memory=memory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # NumPy's own buffers: of three operands at most, 8192 float64 each. The smallest arrays over
    # all rows are of booleans.
    assert peak < 3 * 65536 + 10_000 < x[..., 0].size


# Those that take all numbers and have no kinks that a step may cross.
SMOOTH = [
    case
    for case in ALL
    if isinstance(
        case[0],
        SoftmaxCrossEntropy | SigmoidCrossEntropy | BinaryFocal | CategoricalFocal | LogCosh,
    )
    and getattr(case[0], "input", "logits") != "probabilities"
]


@pytest.mark.parametrize(
    ("loss", "prediction", "target"), SMOOTH, ids=[repr(loss) for loss, _, _ in SMOOTH]
)
def test_gradient_check_behind_a_layer(
    loss: Loss, prediction: np.ndarray, target: np.ndarray
) -> None:
    columns, rng = prediction.shape[-1], np.random.default_rng(3)
    x, weight = rng.normal(size=(*prediction.shape[:-1], 2)), rng.normal(size=(2, columns))
    network = Network((("line", Affine(2, columns, bias=False)),))
    assert check_gradients(network, loss, {"line.weight": weight}, x, target, rng=rng) == ()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"Expected \(2,\) numbers. Received: \(3,\)"),
        (np.ones((2, 1)), r"Received: \(2, 1\)"),
        (np.array([1.0, -0.5]), "finite numbers of at least 0. Received: from -0.5 to 1.0"),
        (np.array([1.0, math.nan]), "Received: from nan"),
        (np.array([1.0, math.inf]), "Received: from 1.0 to inf"),
        (np.array(["a", "b"]), "Received: .*dtype <U1"),
    ],
)
@pytest.mark.parametrize("loss", [MeanSquaredError(), MulticlassHinge()], ids=repr)
def test_weights_that_do_not_fit(loss: Loss, weights: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loss.value(PREDICTION, CLASSES, weights=weights)


def test_weights_of_positions() -> None:
    loss, x, labels = SoftmaxCrossEntropy(), np.stack([PREDICTION] * 2), np.array([[0, 1], [2, 2]])
    weights = np.array([[1.0, 0.0], [2.0, 0.5]])
    value, gradient = loss.value_and_gradient(x, labels, weights=weights)
    flat, flat_gradient = loss.value_and_gradient(
        x.reshape(4, 3), labels.reshape(4), weights=weights.reshape(4)
    )
    assert value == flat
    np.testing.assert_array_equal(gradient, flat_gradient.reshape(x.shape))
    by_row = loss.value(x, labels, weights=np.array([1.0, 2.0]))
    assert by_row == loss.value(x, labels, weights=np.array([[1.0, 1.0], [2.0, 2.0]]))
    with pytest.raises(InputError, match=r"Expected \(2,\) or \(2, 2\) numbers"):
        loss.value(x, labels, weights=np.ones(4))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_targets_that_are_not_finite(loss: Loss, wrong: float) -> None:
    target = np.eye(3)[CLASSES]
    target[1, 0] = wrong
    with pytest.raises(InputError, match="not finite|not one-hot"):
        loss.value(PROBABILITIES, target)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_targets_that_are_no_numbers(loss: Loss) -> None:
    for target in (np.array(["a", "b"]), np.full((2, 3), "a"), np.array([{}, {}])):
        with pytest.raises(InputError, match="no numbers|another shape"):
            loss.value(PROBABILITIES, target)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoftmaxCrossEntropy(label_smoothing=1.5), "from 0 to 1. Received: 1.5"),
        (lambda: SigmoidCrossEntropy(label_smoothing=-0.5), "from 0 to 1. Received: -0.5"),
        (lambda: SigmoidCrossEntropy(class_weights=(1.0, -1.0)), r"Received: \(1.0, -1.0\)"),
        (lambda: SigmoidCrossEntropy(log_floor=-100.0), "Received: 'logits'"),
        (
            lambda: SoftmaxCrossEntropy(input="log-probabilities", clip=0.1),
            "Expected clip=None.* Received: 0.1",
        ),
        (lambda: Huber(0.0), "above 0. Received: 0.0"),
        (lambda: BinaryFocal(-1.0), "at least 0. Received: -1.0"),
        (lambda: CategoricalFocal(math.nan), "at least 0. Received: nan"),
        (lambda: KullbackLeibler(clip=0.1), "Received: 0.1"),
        (lambda: CosineDistance(epsilon=0.0), "above 0. Received: 0.0"),
        (lambda: GaussianNegativeLogLikelihood(floor=0.0), "above 0. Received: 0.0"),
        (lambda: MulticlassHinge(over="largest", classes="mean"), "Received: 'largest'"),
        (lambda: MulticlassHinge(-1.0), "at least 0. Received: -1.0"),
    ],
)
def test_conventions_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("class_weights", [(1.0, 2.0), (1.0, -1.0, 1.0), (1.0, math.nan, 1.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_that_do_not_fit(class_weights: tuple[float, ...], smoothing: float) -> None:
    loss = SoftmaxCrossEntropy(class_weights=class_weights, label_smoothing=smoothing)
    with pytest.raises(InputError, match="Expected 3 finite numbers of at least 0"):
        loss.value(PREDICTION, CLASSES)


def test_binary_labels() -> None:
    scores = np.array([0.5, 2.0])
    for labels in ("either", "zero-one"):
        assert BinaryHinge(labels=labels).value(scores, np.array([1, 0])) == 1.75
    for labels in ("either", "signs"):
        assert BinaryHinge(labels=labels).value(scores, np.array([1, -1])) == 1.75
    for labels, target, expected in (
        ("either", [0, -1], "0 and 1, or -1 and 1. Received: .*-1. *0."),
        ("zero-one", [1, -1], "0 and 1. Received: .*-1. *1."),
        ("signs", [0, 1], "-1 and 1. Received: .*0. *1."),
        ("either", [0.5, 1], "Received: .*0.5"),
    ):
        with pytest.raises(InputError, match=expected):
            BinaryHinge(labels=labels).value(scores, np.array(target))


def test_counts_below_zero() -> None:
    with pytest.raises(InputError, match="at least 0. Received: -1.0"):
        PoissonNegativeLogLikelihood().value(np.zeros(2), np.array([1.0, -1.0]))


def test_odd_number_of_means_and_variances() -> None:
    with pytest.raises(InputError, match=r"2K.* Received: \(2, 3\)"):
        GaussianNegativeLogLikelihood().value(PREDICTION, np.zeros((2, 1)))


# p = (1/2, 1/4, 1/4): logarithms −log 2, −2 log 2, −2 log 2. Target class 0, s = 0.3.
QUARTERS = np.log(np.array([[0.5, 0.25, 0.25]]))


@pytest.mark.parametrize(
    ("conventions", "logs"),
    [
        # (1 − s) + s/3 = 0.8 of class 0 and 0.1 each of the two others.
        ({}, 0.8 * 1 + 0.1 * 2 + 0.1 * 2),
        # 1 − s = 0.7 of class 0, and s/2 = 0.15 each of the others.
        ({"smoothing_over": "others"}, 0.7 * 1 + 0.15 * 2 + 0.15 * 2),
        ({"class_weights": (2.0, 1.0, 0.5)}, 0.8 * 2 + 0.1 * 2 + 0.1 * 0.5 * 2),
        ({"class_weights": (2.0, 1.0, 0.5), "class_weights_on": "rows"}, 2 * 1.2),
        ({"class_weights": (2.0, 1.0, 0.5), "batch": "weighted-mean"}, 1.9 / 2),
    ],
)
def test_smoothing_by_hand(conventions: dict[str, Any], logs: float) -> None:
    loss = SoftmaxCrossEntropy(label_smoothing=0.3, **conventions)
    # Three terms with a handful of roundings each.
    for target in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        assert loss.value(QUARTERS, target) == pytest.approx(logs * math.log(2), rel=3e-15)


def test_smoothing_of_both_kinds_leaves_sums_of_one() -> None:
    # Where all classes are equally likely every share costs log C.
    for over in ("all", "others"):
        loss = SoftmaxCrossEntropy(label_smoothing=0.3, smoothing_over=over)
        for target in (np.array([0]), np.array([[0.25, 0.5, 0.25]])):
            value = loss.value(np.zeros((1, 3)), target)
            assert value == pytest.approx(math.log(3), rel=2e-15)


def test_binary_class_weights_count_as_weights_of_their_rows() -> None:
    logits, target = np.array([[0.5], [-1.0]]), np.array([1, 0])
    probabilities = 1 / (1 + np.exp(-logits))
    for x, conventions in ((logits, {}), (probabilities, {"input": "probabilities"})):
        loss = SigmoidCrossEntropy(class_weights=(0.25, 3.0), **conventions)
        value, gradient = loss.value_and_gradient(x, target)
        plain = replace(loss, class_weights=None)
        expected, slope = plain.value_and_gradient(x, target, weights=np.array([3.0, 0.25]))
        # Two terms; with weights a x and b softplus(x) are rounded first, or products of 1/p.
        assert value == pytest.approx(expected, rel=2e-15)
        np.testing.assert_allclose(gradient, slope, rtol=4e-15)


def test_ignored_rows_are_as_if_absent() -> None:
    loss = SoftmaxCrossEntropy(ignore_index=-1, class_weights=(1.0, 2.0, 3.0))
    value, gradient = loss.value_and_gradient(PREDICTION, np.array([-1, 1]))
    alone, alone_gradient = loss.value_and_gradient(PREDICTION[1:], CLASSES[1:])
    assert value == alone
    np.testing.assert_array_equal(gradient, np.concatenate([np.zeros((1, 3)), alone_gradient]))
    with pytest.raises(InputError, match="Received: -1 in row 0"):
        SoftmaxCrossEntropy().value(PREDICTION, np.array([-1, 1]))
    with pytest.raises(InputError, match="Received: -2 in row 1"):
        loss.value(PREDICTION, np.array([-1, -2]))


@pytest.mark.parametrize("batch", ["mean", "weighted-mean", "nonzero-mean", "sum"])
def test_where_nothing_counts_the_loss_is_zero(batch: str) -> None:
    ignoring = SoftmaxCrossEntropy(batch=batch, ignore_index=1)  # type: ignore[arg-type]
    value, gradient = ignoring.value_and_gradient(PREDICTION, np.array([1, 1]))
    assert value == 0.0
    assert not gradient.any()
    squared = MeanSquaredError(batch=batch)  # type: ignore[arg-type]
    value, gradient = squared.value_and_gradient(PREDICTION, CLASSES, weights=np.zeros(2))
    assert value == 0.0
    assert not gradient.any()


def test_order_of_clip_and_sum_by_hand() -> None:
    p = np.array([[0.5, 0.001]])
    before = SoftmaxCrossEntropy(input="probabilities", clip=0.125, renormalise=True)
    after = replace(before, renormalise_order="after-clip")
    assert before.value(p, np.array([1])) == pytest.approx(-math.log(0.125), rel=2e-15)
    assert after.value(p, np.array([1])) == pytest.approx(-math.log(0.125 / 0.625), rel=2e-15)


def test_huber_by_hand() -> None:
    x, zero = np.array([[1.0, -4.0]]), np.zeros((1, 2))
    assert Huber(2.0, outputs="sum").value(x, zero) == 0.5 + 2 * 3
    assert Huber(2.0, "smooth-l1", outputs="sum").value(x, zero) == 0.25 + 3


def test_largest_violation_by_hand() -> None:
    scores, label = np.array([[-2.0, -3.0, -2.5]]), np.array([1])
    # m = 2 and 1.5; Keras compares 0, not −2, with −3.
    assert MulticlassHinge(over="largest").value(scores, label) == 2.0
    value, gradient = MulticlassHinge(over="largest-or-zero").value_and_gradient(scores, label)
    assert value == 4.0
    np.testing.assert_array_equal(gradient, [[0.0, -1.0, 0.0]])
    tied = np.array([[1.0, 0.0, 1.0]])
    _, gradient = MulticlassHinge(over="largest").value_and_gradient(tied, label)
    np.testing.assert_array_equal(gradient, [[0.5, -1.0, 0.5]])
    assert MulticlassHinge(power=2).value(scores, label) == 2.0**2 + 1.5**2


def test_divergence_by_hand() -> None:
    t, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    forth = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    back = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    # Two terms of both signs, together below 1: a few roundings of 1.
    loss = KullbackLeibler(input="probabilities")
    assert loss.value(q, t) == pytest.approx(forth, abs=1e-15)
    assert replace(loss, over="prediction").value(q, t) == pytest.approx(back, abs=1e-15)
    assert loss.value(np.array([[0.0, 1.0]]), t) == math.inf
    assert loss.value(q, np.array([[0.0, 1.0]])) == pytest.approx(math.log(4 / 3), rel=1e-15)


def test_poisson_by_hand() -> None:
    count = np.array([[2.0]])
    assert PoissonNegativeLogLikelihood().value(np.zeros((1, 1)), count) == 1.0
    # log 2! is 0.693; Stirling's formula gives 0.652.
    full = PoissonNegativeLogLikelihood(constant="stirling").value(np.zeros((1, 1)), count)
    assert full - 1.0 == pytest.approx(2 * math.log(2) - 2 + 0.5 * math.log(4 * math.pi), rel=3e-15)
    deviance = PoissonNegativeLogLikelihood("rate", constant="deviance")
    assert deviance.value(np.array([[2.0, 3.0]]), np.array([[2.0, 3.0]])) == pytest.approx(
        0.0, abs=2e-15
    )
    assert deviance.value(np.array([[2.0]]), np.array([[0.0]])) == 2.0


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    for focal, plain in (
        (BinaryFocal(0.0), SigmoidCrossEntropy()),
        (CategoricalFocal(0.0, 1.0), SoftmaxCrossEntropy()),
    ):
        value, gradient = focal.value_and_gradient(PREDICTION, CLASSES)
        expected, expected_gradient = plain.value_and_gradient(PREDICTION, CLASSES)
        # Six terms; in the one form of log p, in the other of log softmax.
        assert value == pytest.approx(expected, rel=4e-15)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=2e-15)


def test_focal_loss_where_all_is_right() -> None:
    for loss in (BinaryFocal(0.5, input="probabilities"), BinaryFocal(2.0, input="probabilities")):
        value, gradient = loss.value_and_gradient(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]))
        assert value == 0.0
        assert not gradient.any()


def test_zero_vectors_have_a_cosine_of_zero() -> None:
    value, gradient = CosineDistance().value_and_gradient(np.zeros((1, 2)), np.array([[3.0, 4.0]]))
    assert value == 1.0
    np.testing.assert_allclose(gradient, [[-0.6e8, -0.8e8]], rtol=4e-16)


@settings(deadline=None, max_examples=60)
@given(
    leading=st.sampled_from([(1,), (4,), (2, 1), (3, 2), (2, 2, 2)]),
    classes=st.integers(1, 5),
    seed=st.integers(0, 2**16),
    conventions=st.fixed_dictionaries(
        {},
        optional={
            "batch": st.sampled_from(["mean", "sum", "weighted-mean", "nonzero-mean"]),
            "label_smoothing": st.sampled_from([0.25, 1.0]),
            "smoothing_over": st.sampled_from(["all", "others"]),
            "ignore_index": st.sampled_from([0, 2, -100]),
            "class_weights_on": st.sampled_from(["terms", "rows"]),
            "factor": st.just(0.5),
        },
    ),
    weighted=st.booleans(),
    by_class=st.booleans(),
)
def test_cross_entropy_as_written_in_plain_numbers(
    leading: tuple[int, ...],
    classes: int,
    seed: int,
    conventions: dict[str, Any],
    weighted: bool,
    by_class: bool,
) -> None:
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(*leading, classes)), rng.integers(0, classes, leading)
    weights = rng.integers(0, 3, leading[0]) / 2 if weighted else None
    values = tuple(rng.integers(0, 3, classes) / 2) if by_class else None
    loss = SoftmaxCrossEntropy(class_weights=values, **conventions)
    total, counts, number = 0.0, [], 0
    for place in np.ndindex(leading):
        y = int(labels[place])
        if y == loss.ignore_index:
            continue
        number += 1
        row = 1.0 if weights is None else float(weights[place[0]])
        v = (1.0,) * classes if values is None else values
        counts.append(row * v[y])
        s, others = loss.label_smoothing, loss.smoothing_over == "others"
        norm = math.log(sum(math.exp(float(a)) for a in x[place]))
        for c in range(classes):
            if others:
                t = 1 - s if c == y else s / (classes - 1)
            else:
                t = (1 - s) * (c == y) + s / classes
            v_used = v[c] if loss.class_weights_on == "terms" else v[y]
            total += row * v_used * t * (norm - float(x[place][c]))
    divisor = {
        "mean": number, "sum": 1, "weighted-mean": sum(counts),
        "nonzero-mean": sum(count != 0 for count in counts),
    }[loss.batch]  # fmt: skip
    expected = loss.factor * total / divisor if divisor else 0.0
    # At most 40 terms of one sign; log p itself is a difference of numbers below 8, of which a
    # term near 0 keeps the roundings: 4 roundings of 8 for each term, with weights up to 1.
    size = (40 * abs(total) + 40 * 4 * 8) / (divisor or 1)
    assert loss.value(x, labels, weights=weights) == pytest.approx(
        expected, abs=np.finfo(float).eps * size
    )


@settings(deadline=None, max_examples=40)
@given(
    shape=st.sampled_from([(1,), (1, 1), (4, 1), (1, 3), (2, 3, 2)]),
    seed=st.integers(0, 2**16),
    loss=st.sampled_from(
        [
            MeanSquaredError(), MeanAbsoluteError(), Huber(0.5), LogCosh(), SigmoidCrossEntropy(),
            BinaryFocal(), PoissonNegativeLogLikelihood(), KullbackLeibler(),
        ]
    ),
)  # fmt: skip
def test_elements_add_up(shape: tuple[int, ...], seed: int, loss: Loss) -> None:
    rng = np.random.default_rng(seed)
    x, t, weights = rng.normal(size=shape), rng.random(shape), rng.random(shape[0])
    whole = replace(loss, batch="sum", outputs="sum")  # type: ignore[type-var, call-arg]
    value, gradient = whole.value_and_gradient(x, t, weights=weights)
    total = 0.0
    for place in np.ndindex(shape):
        one, slope = whole.value_and_gradient(
            x[place].reshape(1, 1), t[place].reshape(1, 1), weights=weights[place[0] : place[0] + 1]
        )
        total += one
        # The same operations on one number, but for vectorized exponentials: 2 ulp of numbers
        # that are below 32 here.
        assert abs(slope[0, 0] - gradient[place]) <= 64 * np.finfo(float).eps
    # At most 12 terms, of both signs for some losses and below 32 each.
    assert abs(value - total) <= 12 * 32 * np.finfo(float).eps * 2
