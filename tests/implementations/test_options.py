"""The arguments that every implementation takes in the same way."""

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from netparity.errors import InputError
from netparity.implementations.scratch import Scratch
from netparity.implementations.sklearn import Sklearn

X = np.arange(12.0).reshape(6, 2)
Y = np.arange(6.0)


def program(**options):
    w = np.zeros(2)

    def step(x, y, weights=None):
        w[0] += len(x)
        w[1] += x.sum() if weights is None else (weights * x.sum(axis=1)).sum()

    return w, Scratch(parameters={"w": w}, predict=lambda x: x @ w, step=step, **options)


def test_raw_data_is_prepared_once_before_it_is_fed():
    w, side = program(
        preprocess=lambda x, y: (x / 2, y + 1), validation=lambda x, y: (x[:2], y[:2])
    )
    prepared = side.preprocess(X, Y)
    np.testing.assert_array_equal(prepared[0], X / 2)
    watched = side.watch(X, Y, epochs=1, batch_size=4, limit=9)
    np.testing.assert_array_equal(watched.fed[0][1], Y[:4] + 1)
    assert w[1] == X.sum() / 2
    assert len(side.validation(*prepared)[0]) == 2
    assert {"preprocess", "validation", "step"} <= side.abilities


def test_weights_of_rows_go_along_with_their_rows():
    weights = np.array([0.0, 1.0, 2.0, 0.0, 1.0, 3.0])
    w, side = program(sample_weight=weights)
    watched = side.watch(X, Y, epochs=1, batch_size=4, limit=9)
    assert w[1] == (weights * X.sum(axis=1)).sum()
    np.testing.assert_array_equal(watched.weights[1], weights[4:])


def test_weights_are_those_of_scikit_learn():
    weights = np.array([0.5, 1.0, 2.0, 0.25, 1.0, 3.0])
    settings = {"hidden_layer_sizes": (3,), "solver": "sgd", "batch_size": 4, "shuffle": False,
                    "random_state": 0, "max_iter": 2, "learning_rate": "invscaling"}  # fmt: skip
    side = Sklearn(MLPRegressor(**settings), sample_weight=weights)
    side.prepare(X, Y)
    said = side.declared(X[:3])
    assert said.schedule_every == "epoch"
    assert said.schedule(1) == 0.001 / (6 + 1) ** 0.5
    side.watch(X, Y, epochs=2, batch_size=4, limit=9)
    plain = MLPRegressor(**settings)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        plain.fit(X, Y, sample_weight=weights)
    np.testing.assert_array_equal(side.parameters()["coefs_[0]"], plain.coefs_[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preprocess": lambda x, y: x}, r"preprocess: expected \(x, y\); received ndarray"),
        ({"preprocess": lambda x, y: (x, y[:2])}, "as many targets as rows; received 6 rows and 2"),
        ({"sample_weight": [1, 2]}, "sample_weight: expected 6 weights; received 2"),
        ({"batches": lambda x, y, e: [(x, y, [1.0])]}, "expected 6 weights; received 1"),
    ],
)
def test_what_does_not_fit_the_data_is_said(options, message):
    with pytest.raises(InputError, match=message):
        program(**options)[1].watch(X, Y, epochs=1, batch_size=4, limit=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule_every": "day"}, "schedule_every: expected 'step' or 'epoch'; received 'day'"),
        ({"class_weight": [1, 2]}, "class_weight: expected a mapping"),
        ({"class_weight": {0: -1.0}}, "class_weight: expected a mapping"),
        ({"sample_weight": [1.0, -1.0]}, "sample_weight: expected one finite number of at least 0"),
        ({"sample_weight": [1.0], "batches": lambda x, y, e: []}, "sample_weight or batches"),
        ({"reprot": print}, "received 'reprot'"),
    ],
)
def test_nonsense_is_said_at_once(options, message):
    with pytest.raises(InputError, match=message):
        program(**options)
