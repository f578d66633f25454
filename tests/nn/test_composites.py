import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    L2,
    SGD,
    Affine,
    BatchNorm,
    Dropout,
    LayerNorm,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Solver,
    affine_norm_relu_dropout,
    affine_relu,
    assert_gradients,
    cs231n_laws,
    fully_connected_net,
    two_layer_net,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 5)), RNG.integers(0, 3, 6)


def test_rows_of_layers() -> None:
    assert affine_relu("a", 5, 4) == (("a", Affine(5, 4)), ("a_relu", ReLU()))
    assert affine_norm_relu_dropout("a", 5, 4, dropout=0.25) == (
        ("a", Affine(5, 4)), ("a_norm", BatchNorm(4)), ("a_relu", ReLU()),
        ("a_dropout", Dropout(0.25)),
    )  # fmt: skip
    assert affine_norm_relu_dropout("a", 5, 4, normalization="layer")[1][1] == LayerNorm((4,))
    assert affine_norm_relu_dropout("a", 5, 4, normalization=None) == affine_relu("a", 5, 4)
    with pytest.raises(InputError, match="normalization: expected 'batch'.*'group'"):
        affine_norm_relu_dropout("a", 5, 4, normalization="group")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Dropout rate"):
        affine_norm_relu_dropout("a", 5, 4, dropout=1.5)


def test_two_layer_net_as_the_exercise_writes_it() -> None:
    network = two_layer_net(5, 7, 3)
    values = network.initialize(cs231n_laws(0.5), np.random.default_rng(1))
    w1, b1, w2, b2 = values.values()
    hidden = np.maximum(X @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    p = shifted / shifted.sum(1, keepdims=True)
    solver = Solver(network, SoftmaxCrossEntropy(), SGD(0.1), parameters=values,
                    penalties=(L2(0.25),))  # fmt: skip
    loss, penalty, gradients = solver.loss_and_gradients(X, Y)
    d = (p - np.eye(3)[Y]) / 6
    expected = {
        "affine2.weight": hidden.T @ d + 0.25 * w2, "affine2.bias": d.sum(0),
        "affine1.weight": X.T @ (d @ w2.T * (hidden > 0)) + 0.25 * w1,
        "affine1.bias": (d @ w2.T * (hidden > 0)).sum(0),
    }  # fmt: skip
    # Sums of at most seven terms, ten operations one after the other: 2 · 7 · 10 roundings.
    bound = 140 * np.finfo(np.float64).eps
    assert loss == pytest.approx(-np.log(p[np.arange(6), Y]).mean(), rel=bound)
    assert penalty == pytest.approx(0.125 * ((w1**2).sum() + (w2**2).sum()), rel=bound)
    for name, array in expected.items():
        np.testing.assert_allclose(gradients[name], array, rtol=0, atol=bound * np.abs(array).max())


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_gradients(hidden: tuple[int, ...], normalization: str | None, dropout: float) -> None:
    network = fully_connected_net(5, hidden, 3, normalization=normalization, dropout=dropout)  # type: ignore[arg-type]
    rng = np.random.default_rng(3)
    parameters = network.initialize(cs231n_laws(0.5), rng)
    assert_gradients(
        network, SoftmaxCrossEntropy(), parameters, X, Y, penalties=(L2(0.5),), method="full",
        rng=rng,
    )  # fmt: skip


def test_sanity_checks_of_the_exercise() -> None:
    # Without weights all classes are as likely: log C. With a penalty, more.
    network = fully_connected_net(5, (4,), 3)
    laws = cs231n_laws(0.0)
    for penalties, expected in (((), np.log(3)), ((L2(1.0, scope="all"),), np.log(3))):
        solver = Solver(network, SoftmaxCrossEntropy(), SGD(0.1), laws=laws, penalties=penalties)
        # A logarithm of a sum of three exponentials, and a mean of six: a few roundings.
        assert sum(solver.loss_and_gradients(X, Y)[:2]) == pytest.approx(expected, rel=1e-15)
    # A few rows can be learned by heart.
    solver = Solver(
        fully_connected_net(5, (16, 16), 3, normalization="batch"), SoftmaxCrossEntropy(),
        SGD(0.5, momentum=0.5), batch_size=6, laws=cs231n_laws(0.1),
    )  # fmt: skip
    history = solver.fit(X, Y, 60, metrics=("accuracy",))
    assert history["accuracy"][-1] == 1.0


def test_names_of_a_deep_network() -> None:
    network = fully_connected_net(5, (4, 3), 2, normalization="layer", dropout=0.5)
    assert isinstance(network, Network)
    assert [name for name, _ in network.layers] == [
        "affine1", "affine1_norm", "affine1_relu", "affine1_dropout",
        "affine2", "affine2_norm", "affine2_relu", "affine2_dropout", "affine3",
    ]  # fmt: skip
    assert network.layers[-1][1] == Affine(3, 2)
