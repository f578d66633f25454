"""What the three PyTorch stories claim of their programs, by direct computation."""

import importlib
import itertools
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from netparity import cases
from netparity.cases import find
from netparity.cases.cs231n_dropout import left as dropout_left
from netparity.cases.cs231n_dropout import right as dropout_right
from netparity.cases.cs231n_dropout.data import data as dropout_data
from netparity.cases.cs231n_torch import left as solver_left
from netparity.cases.cs231n_torch import right as solver_right
from netparity.cases.cs231n_torch.data import data as solver_data
from netparity.cases.xor_torch import full as xor_full
from netparity.cases.xor_torch import left as xor_left
from netparity.cases.xor_torch import right as xor_right
from netparity.datasets import load

# Two ways to sum a few hundred float64 products of order one differ by a few hundred roundings at
# the very most; every difference looked for here is above 1e-3.
ROUNDING = 1e-12


def numeric(function, array, entries=6):
    """Central differences of a scalar function at a few entries of a live array."""
    step = 1e-6  # truncation ~1e-12 and rounding 1e-16/1e-6 balance near 1e-10
    slopes = {}
    for index in itertools.islice(np.ndindex(array.shape), 0, None, max(array.size // entries, 1)):
        kept = array[index]
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        below = function()
        array[index] = kept
        slopes[index] = (above - below) / (2 * step)
    return slopes


NUMERIC = 1e-7  # a thousand times the error of the central differences above


@pytest.fixture(scope="module")
def digits():
    return load("digits")


# ---- xor-torch -------------------------------------------------------------------------------


def half_sum(network, x, y):
    return 0.5 * float(((network.feedforward(x) - y) ** 2).sum())


def test_the_xor_gradient_is_that_of_half_the_sum():
    network, x, y = xor_left.NeuralNetwork(), xor_left.X, xor_left.Y
    gradients = network.backprop(x, y)
    for weights, gradient in zip((network.weights1, network.weights2), gradients, strict=True):
        for index, slope in numeric(lambda: half_sum(network, x, y), weights).items():
            assert gradient[index] == pytest.approx(slope, abs=NUMERIC)


def test_what_xor_logs_is_not_the_loss_it_trains_on():
    network, x, y = xor_left.NeuralNetwork(), xor_left.X, xor_left.Y
    network.backprop(x, y)
    delta = network.output - y
    assert network.cost == pytest.approx(float(delta.mean() * 0.5 * (delta**2).mean()), rel=1e-14)
    assert abs(network.cost - half_sum(network, x, y)) > 0.5


def test_torch_takes_half_of_the_xor_gradient_and_starts_elsewhere():
    training = xor_right.Training()
    output = torch.tensor([[0.2], [0.7], [0.4], [0.9]], dtype=torch.float64, requires_grad=True)
    target = torch.from_numpy(xor_left.Y)
    (got,) = torch.autograd.grad(training.criterion(output, target), output)
    np.testing.assert_allclose(got, 0.5 * (output.detach() - target), rtol=0, atol=ROUNDING)
    weights = training.net[0].weight.detach().numpy()
    assert weights.min() < 0
    assert np.abs(weights).max() <= 1 / np.sqrt(2)
    assert training.net[0].bias is not None
    start = xor_left.NeuralNetwork()
    assert min(start.weights1.min(), start.weights2.min()) >= 0
    assert max(start.weights1.max(), start.weights2.max()) < 1


def test_the_xor_curves_coincide_with_the_four_causes_removed():
    x, y = xor_left.X, xor_left.Y
    ours = xor_full.run_left(x, y, epochs=1500)
    equal = xor_full.run_removed(x, y, epochs=1500)
    biased = xor_full.run_removed(x, y, epochs=1500, bias=True)
    # A mean of four squares below one carries a rounding of 1e-16; the training contracts.
    assert xor_full.distance(ours, equal) < 2e-15
    assert equal.logged == pytest.approx(ours.logged, rel=1e-9)
    assert ours.learned() == equal.learned()
    assert biased.learned() < 0.85 * ours.learned()


@pytest.mark.slow
def test_the_full_xor_story():
    told: list[float] = []
    headlines = xor_full.full(load("xor"), lambda what, done: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert [h.left == h.after for h in headlines] == [True, True, False, True]
    assert float(headlines[2].after) < 1e-15


# ---- cs231n-torch ----------------------------------------------------------------------------


def test_the_hinge_is_one_more_and_ten_times_torchs_with_the_same_gradient():
    rng = np.random.default_rng(0)
    scores, y = 2 * rng.standard_normal((32, 10)), rng.integers(0, 10, 32)
    loss, dscores = solver_left.svm_loss(scores, y)
    tensor = torch.tensor(scores, requires_grad=True)
    theirs = torch.nn.MultiMarginLoss()(tensor, torch.from_numpy(y))
    theirs.backward()
    assert loss == pytest.approx(10 * theirs.item() + 1, abs=ROUNDING)
    np.testing.assert_allclose(dscores, 10 * tensor.grad, rtol=0, atol=ROUNDING)


def test_the_solvers_gradients_are_right_and_decay_weights_alone(digits):
    x, y = (rows[:32] for rows in solver_data(digits))
    net = solver_left.FullyConnectedNet(reg=solver_left.REG)
    _, grads = net.loss(x, y)
    for name, gradient in grads.items():
        for index, slope in numeric(lambda: net.loss(x, y)[0], net.params[name]).items():
            assert gradient[index] == pytest.approx(slope, abs=NUMERIC)
    net.reg = 0.0
    _, bare = net.loss(x, y)
    for name, gradient in grads.items():
        decay = solver_left.REG * net.params[name] * name.startswith("W")
        np.testing.assert_allclose(gradient - bare[name], decay, rtol=0, atol=ROUNDING)
    assert min(np.abs(net.params[f"b{i}"]).max() for i in (1, 2, 3)) > 0.05


def test_both_sides_of_the_solver_story_start_from_the_same_arrays(digits):
    x, _ = solver_data(digits)
    net = solver_left.FullyConnectedNet()
    trainer = solver_right.Trainer()
    with torch.no_grad():
        theirs = trainer.net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(net.forward(x)[0], theirs, rtol=0, atol=ROUNDING)
    trainer.net[0].weight.detach().zero_()
    assert net.params["W1"].any()


def test_left_draws_with_replacement_and_right_shuffles(digits):
    rows = np.arange(len(solver_data(digits)[0]))
    solver = solver_left.Solver(solver_left.FullyConnectedNet())
    solver.take(rows, rows)
    drawn = [batch for batch, _ in solver.epoch()]
    shuffled = [batch for batch, _ in solver_right.Trainer().batches(rows, rows)]
    assert [len(batch) for batch in drawn] == [len(batch) for batch in shuffled] == [32] * 6
    assert any(len(set(batch)) < len(batch) for batch in drawn)
    assert sorted(np.concatenate(shuffled)) == list(range(192))
    assert not np.array_equal(np.concatenate(shuffled), np.arange(192))
    assert np.concatenate(drawn).max() < 192


@pytest.mark.parametrize("seed", [0, 1])
def test_left_hands_over_the_last_as_the_best_and_right_the_best(digits, seed, capsys):
    x, y = solver_data(digits)
    epochs = find("cs231n-torch").steps // 6
    net = solver_left.FullyConnectedNet(reg=solver_left.REG, seed=seed)
    solver = solver_left.Solver(net, seed=seed)
    live = solver_left.LiveParams(net)
    solver.train(x, y, epochs, verbose=False)
    assert len(solver.val_acc_history) == epochs
    assert np.argmax(solver.val_acc_history) < epochs - 1
    for name, array in live.items():
        assert np.shares_memory(solver.best_params[name], array)
    handed_over = solver.check_accuracy(solver.X_val, solver.y_val)
    assert handed_over == solver.val_acc_history[-1]

    trainer = solver_right.Trainer(seed=seed)
    trainer.fit(torch.from_numpy(x), torch.from_numpy(y), epochs)
    assert np.argmax(trainer.accuracies) < epochs - 1
    last = trainer.net.state_dict()
    assert not any(torch.equal(last[name], best) for name, best in trainer.best_state.items())
    trainer.net.load_state_dict(trainer.best_state)
    with torch.no_grad():
        right = trainer.net(trainer.x_val).argmax(dim=1) == trainer.y_val
    assert right.double().mean().item() == max(trainer.accuracies)


def test_left_logs_its_penalty_and_right_does_not(digits):
    x, y = (rows[:32] for rows in solver_data(digits))
    net = solver_left.FullyConnectedNet(reg=solver_left.REG)
    penalty, scores = net.penalty(), net.forward(x)[0]
    solver = solver_left.Solver(net)
    solver.step(x, y)
    hinge = solver_left.svm_loss(scores, y)[0]
    assert solver.loss_history == [pytest.approx(hinge + penalty, abs=ROUNDING)]
    assert penalty > 1

    trainer = solver_right.Trainer()
    trainer.criterion(trainer.net(torch.from_numpy(x)), torch.from_numpy(y))
    assert trainer.losses == [pytest.approx((hinge - 1) / 10, abs=ROUNDING)]
    assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [solver_left.REG]
    assert len(trainer.optimizer.param_groups[0]["params"]) == 6


# ---- cs231n-dropout --------------------------------------------------------------------------


class Masked(torch.nn.Module):
    """Applies a mask that is given."""

    def __init__(self, mask):
        super().__init__()
        self.mask = torch.from_numpy(mask)

    def forward(self, x):
        return x * self.mask


def torch_gradients(x, y):
    """Loss, penalty included, and gradients of right under left's masks, in left's layout."""
    left = dropout_left.FullyConnectedNet()
    left.forward(x, training=True)
    net = dropout_right.Net()
    net.load_numpy(left.params)
    masks = iter(left.masks.values())
    layers = [Masked(next(masks)) if isinstance(m, torch.nn.Dropout) else m for m in net.layers]
    scores = torch.nn.Sequential(*layers)(torch.from_numpy(x))
    loss = torch.nn.CrossEntropyLoss()(scores, torch.from_numpy(y)) + dropout_right.l2(net)
    loss.backward()
    gradients = {}
    for i, linear in enumerate((m for m in layers if isinstance(m, torch.nn.Linear)), 1):
        gradients[f"W{i}"], gradients[f"b{i}"] = linear.weight.grad.T, linear.bias.grad
    return loss.item(), gradients


@pytest.fixture
def batch(digits):
    x, y = dropout_data(digits)
    return x[:32], y[:32]


def test_dropout_keeps_three_quarters_and_the_same_ones_each_time(batch):
    x, _ = batch
    net = dropout_left.FullyConnectedNet()
    first = net.forward(x, training=True)
    second = net.forward(x, training=True)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    assert list(first) == [
        "affine1", "relu1", "dropout1", "affine2", "relu2", "dropout2", "scores",
    ]  # fmt: skip
    for mask in net.masks.values():
        assert set(np.unique(mask)) == {0.0, 1 / 0.75}
        # five standard deviations of a share of 1,280 draws or more: 5 * sqrt(0.1875 / 1280)
        assert np.mean(mask > 0) == pytest.approx(0.75, abs=0.061)
    rates = [m.p for m in dropout_right.Net().layers if isinstance(m, torch.nn.Dropout)]
    assert rates == [0.25, 0.25]
    inference = net.forward(x, training=False)
    np.testing.assert_array_equal(inference["relu1"], inference["dropout1"])


def test_with_equal_masks_the_loss_agrees_and_the_gradients_below_a_dropout_do_not(batch):
    loss, gradients = dropout_left.FullyConnectedNet().loss(*batch)
    true_loss, true = torch_gradients(*batch)
    assert loss == pytest.approx(true_loss, abs=ROUNDING)
    for name in ("W3", "b3"):
        np.testing.assert_allclose(gradients[name], true[name], rtol=0, atol=ROUNDING)
    for name in ("W1", "b1", "W2", "b2"):
        assert np.abs(gradients[name] - true[name].numpy()).max() > 1e-3


def test_with_the_mask_applied_backward_all_gradients_agree(batch):
    net = dropout_left.Mended()
    _, gradients = net.loss(*batch)
    _, true = torch_gradients(*batch)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, true[name], rtol=0, atol=ROUNDING)
        for index, slope in numeric(lambda: net.loss(*batch)[0], net.params[name]).items():
            assert gradient[index] == pytest.approx(slope, abs=NUMERIC)


# ---- all three -------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["xor-torch", "cs231n-torch", "cs231n-dropout"])
def test_the_programs_run_as_scripts(id, capsys):
    folder = Path(cases.__file__).parent / id.replace("-", "_")
    for side in ("left", "right"):
        runpy.run_path(str(folder / f"{side}.py"), run_name="__main__")
        assert capsys.readouterr().out.count("\n") >= 5


@pytest.mark.parametrize("id", ["xor-torch", "cs231n-torch", "cs231n-dropout"])
def test_every_builder_named_in_the_case_is_there(id):
    case = find(id)
    assert case.id == id
    names = [case.left, case.right, case.data]
    names += [name for v in case.variants for name in (v.left, v.right)]
    names += [name for dataset in case.datasets for name in case.sides(dataset)]
    for name in names + [case.full] * bool(case.full):
        module, function = name.split(":")
        assert callable(getattr(importlib.import_module(module), function))
