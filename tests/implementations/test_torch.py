"""PyTorch modules: read, driven, adjusted."""

import copy
import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from netparity import nn
from netparity.conventions import Place
from netparity.diagnosis.twin import Twin
from netparity.errors import CannotError, InputError
from netparity.implementations.torch import Torch
from netparity.implementations.torch_reading import read_loss

RNG = np.random.default_rng(0)
X = RNG.standard_normal((9, 4))
Y = RNG.integers(0, 3, 9)
REAL = RNG.standard_normal((9, 3))


def mlp(rate=0.5):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Dropout(rate), torch.nn.Linear(6, 3)
    )


def side(loss=None, optimizer=torch.optim.SGD, module=None, **settings):
    module = mlp() if module is None else module
    settings = settings or {"lr": 0.25}
    return Torch(module, loss or torch.nn.CrossEntropyLoss(),
                 optimizer(module.parameters(), **settings))  # fmt: skip


def draws_for(live):
    return [np.random.default_rng(4).random(shape) for shape in live.dropouts(X)]


def assert_twin_agrees(live, x=X, y=Y, *, draws=None):
    """The reference network under the declared conventions gives the live side's numbers."""
    conventions = live.declared(x[:3])
    twin = Twin(conventions)
    native = live.parameters()
    seen = twin.evaluate(twin.values(native), x, y, draws=draws)
    # A few dozen float64 operations deep, with values of order one: 1e-12 is generous by 1e3.
    np.testing.assert_allclose(seen.data + seen.penalty, live.loss(x, y, draws=draws).total,
                               rtol=1e-12)  # fmt: skip
    mine = twin.native(seen.gradients, native)
    for name, gradient in live.gradients(x, y, draws=draws).items():
        np.testing.assert_allclose(mine[name], gradient, rtol=1e-11, atol=1e-13)
    return conventions


def test_lifted_in_place_with_optimizer_state():
    module = mlp()
    optimizer = torch.optim.Adam(module.parameters())
    first = module[0].weight
    module(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    before = first.detach().clone()
    live = Torch(module, torch.nn.CrossEntropyLoss(), optimizer)
    assert live.lifted
    assert live.dtype == np.float64
    assert module[0].weight is first
    assert optimizer.state[first]["exp_avg"].dtype == torch.float64
    assert torch.equal(first.detach(), before.double())
    live.step(X, Y)
    assert live.predict(X).dtype == np.float64


def test_a_module_that_cannot_be_lifted_stays_as_it_was():
    class Float32Only(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.line = torch.nn.Linear(4, 3)

        def forward(self, x):
            return x.float() @ self.line.weight.T + self.line.bias

    module = Float32Only()
    weight = module.line.weight.detach().numpy().copy()
    live = side(module=module)
    assert live.predict(X).dtype == np.float32
    assert not live.lifted
    assert live.dtype == np.float32
    assert np.array_equal(module.line.weight.detach().numpy(), weight)
    assert "float64" in live.notes[0]


def test_a_wrong_input_is_not_mistaken_for_a_wrong_dtype():
    live = side()
    with pytest.raises(RuntimeError):
        live.predict(np.ones((2, 5)))
    assert live.lifted
    assert live.predict(X).dtype == np.float64


def test_declared_network_loss_and_optimizer():
    live = side(optimizer=torch.optim.AdamW, lr=0.01, weight_decay=0.1)
    conventions = assert_twin_agrees(live, draws=draws_for(live))
    assert [type(layer).__name__ for _, layer in conventions.layers] == [
        "Affine", "ReLU", "Dropout", "Affine",
    ]  # fmt: skip
    assert conventions.places["0.weight"] == Place("0.weight", transposed=True)
    assert conventions.loss == nn.SoftmaxCrossEntropy()
    assert conventions.penalties == ()
    assert conventions.optimizer == nn.Adam(0.01, weight_decay=0.1, decay="decoupled")
    assert set(conventions.laws) == set(live.parameters())
    assert conventions.texts["layers.2.rate"] == "nn.Dropout(p=0.5)"
    assert conventions.texts["optimizer.weight_decay"] == "weight_decay=0.1"
    assert conventions.texts["loss"] == "CrossEntropyLoss()"


class Functional(torch.nn.Module):
    """Reshapes and activates without modules, from zero weights."""

    def __init__(self, activation, last=None):
        super().__init__()
        self.block = torch.nn.ModuleDict({"in": torch.nn.Linear(4, 5)})
        self.out = torch.nn.Linear(5, 3)
        self.activation, self.last = activation, last
        for p in self.parameters():
            torch.nn.init.zeros_(p)

    def forward(self, x):
        hidden = self.activation(self.block["in"](x.view(len(x), -1)))
        z = self.out(hidden)
        return z if self.last is None else self.last(z)


@pytest.mark.parametrize(
    ("activation", "layer"),
    [
        (functional.relu, nn.ReLU()),
        (torch.sigmoid, nn.Sigmoid()),
        (torch.tanh, nn.Tanh()),
        (functional.gelu, nn.GELU()),
        (functools.partial(functional.gelu, approximate="tanh"), nn.GELU(approximate=True)),
        (functional.silu, nn.SiLU()),
        (functional.elu, nn.ELU()),
        (functools.partial(functional.elu, alpha=0.3), nn.ELU(0.3)),
        (functional.hardswish, nn.HardSwish()),
        (functional.relu6, nn.HardTanh(0.0, 6.0)),
        (functional.mish, nn.Mish()),
        (functional.softsign, nn.Softsign()),
        (functional.hardsigmoid, nn.HardSigmoid(derivative="float32")),
        (functional.softplus, nn.Softplus(threshold=20.0)),
        (functools.partial(functional.leaky_relu, negative_slope=0.25), nn.LeakyReLU(0.25)),
        (functools.partial(functional.softmax, dim=1), nn.Softmax()),
        (lambda z: z, None),
    ],
)
def test_functional_layers_are_found_by_their_values(activation, layer):
    live = Torch(Functional(activation, functools.partial(functional.log_softmax, dim=-1)),
                 functional.nll_loss)  # fmt: skip
    images = X.reshape(9, 2, 2)
    layers = live.declared(images[:3]).layers
    kinds = [nn.Flatten(), nn.Affine(4, 5), layer, nn.Affine(5, 3), nn.LogSoftmax()]
    assert [found for _, found in layers] == [kind for kind in kinds if kind is not None]
    assert live.declared(images[:3]).loss == nn.SoftmaxCrossEntropy()
    assert not np.any(live.parameters()["out.weight"])
    # Of large numbers many are the identity or a rectifier.
    assert live.declared(1000 * images[:3]).layers == layers


def test_a_module_of_the_authors_own_is_known_by_what_it_does():
    class ChannelsFirst(torch.nn.Module):
        def forward(self, x):
            return x.permute(0, 3, 1, 2)

    class Swish(torch.nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x)

    class Doubled(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    def layers(last):
        kernel = torch.nn.Conv2d(2, 3, 2)
        network = torch.nn.Sequential(
            ChannelsFirst(), kernel, last, torch.nn.Flatten(), torch.nn.Linear(12, 2)
        )
        images = np.random.default_rng(0).standard_normal((3, 3, 3, 2))
        return Torch(network.double()).declared(images).layers

    kinds = [nn.Permute, nn.Conv2D, nn.SiLU, nn.Flatten, nn.Affine]
    assert [type(layer) for _, layer in layers(Swish())] == kinds
    assert layers(Doubled()) is None


def test_what_a_module_makes_of_the_shape_is_found():
    class Flat(torch.nn.Module):
        """Takes flat images; the embedding takes words."""

        def __init__(self, before, first, after):
            super().__init__()
            self.before, self.first, self.after = before, first, after

        def forward(self, x):
            return self.after(self.first(self.before(x)))

    def layers(before, first, after, x):
        found = Torch(Flat(before, first, after).double()).declared(x).layers
        return [layer for _, layer in found]

    kernel = torch.nn.Conv2d(2, 3, 2)
    flat = np.random.default_rng(0).standard_normal((3, 24))
    read = nn.Conv2D(2, 3, 2, layout="NCHW")
    to_row = torch.nn.Flatten()
    channels_first = layers(lambda x: x.view(-1, 2, 3, 4), kernel, to_row, flat)
    assert channels_first == [nn.Reshape((2, 3, 4)), read, nn.Flatten()]
    turned = layers(lambda x: x.view(-1, 3, 4, 2).permute(0, 3, 1, 2), kernel, to_row, flat)
    assert turned == [nn.Reshape((3, 4, 2)), nn.Permute((0, 3, 1, 2)), read, nn.Flatten()]
    unflattened = layers(torch.nn.Unflatten(1, (2, 3, 4)), kernel, to_row, flat)
    assert unflattened == channels_first
    without_channels = layers(
        lambda x: x.unsqueeze(1), torch.nn.Conv2d(1, 3, 2), to_row, flat.reshape(3, 4, 6)
    )
    assert without_channels[0] == nn.Reshape((1, 4, 6))
    words = np.array([[0, 2, 1], [3, 3, 0]])
    for pooled, reduction in ((lambda z: z.mean(1), "mean"), (lambda z: z.sum(1), "sum")):
        bag = layers(lambda x: x, torch.nn.Embedding(4, 5), pooled, words)
        assert bag == [nn.Embedding(4, 5), nn.GlobalPool1D(reduction)]
        one = torch.nn.EmbeddingBag(4, 5, mode=reduction)
        assert layers(lambda x: x, one, lambda z: z, words) == bag


def test_functional_dropout_that_drops_is_found_and_cannot_be_fed():
    forgotten = Torch(Functional(lambda z: functional.dropout(z, 0.25)))
    assert forgotten.declared(X[:3]).layers is None, "it drops in inference too"
    assert "draws" not in forgotten.abilities
    module = Functional(lambda z: z)
    module.activation = lambda z: functional.dropout(torch.relu(z), 0.25, module.training)
    live = Torch(module)
    layers = live.declared(X[:3]).layers
    assert [type(found) for _, found in layers] == [nn.Affine, nn.ReLU, nn.Dropout, nn.Affine]
    assert layers[2][1].rate == 0.25
    assert "draws" not in live.abilities
    with pytest.raises(CannotError):
        live.predict(X, training=True, draws=[np.zeros((9, 5))])


def test_a_network_that_is_no_chain_declares_no_layers():
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.line = torch.nn.Linear(4, 4)

        def forward(self, x):
            return x + self.line(x)

    class Shared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.line = torch.nn.Linear(4, 4)

        def forward(self, x):
            return self.line(self.line(x))

    assert Torch(Residual()).declared(X[:3]).layers is None
    assert Torch(Shared()).declared(X[:3]).layers is None
    assert Torch(torch.nn.Linear(4, 3)).declared(X[:3]).places["linear.weight"].name == "weight"


@pytest.mark.parametrize(
    ("loss", "target", "probabilities"),
    [
        (torch.nn.MSELoss(), REAL, False),
        (torch.nn.MSELoss(reduction="sum"), REAL, False),
        (functional.l1_loss, REAL, False),
        (torch.nn.CrossEntropyLoss(reduction="sum"), Y, False),
        (functools.partial(functional.cross_entropy, reduction="sum"), Y, False),
        (torch.nn.MultiMarginLoss(margin=0.5), Y, False),
        (torch.nn.MultiMarginLoss(reduction="sum"), Y.astype(float), False),
        (torch.nn.BCEWithLogitsLoss(), (REAL > 0).astype(int), False),
        (torch.nn.BCELoss(), (REAL > 0).astype(float), True),
        (torch.nn.CrossEntropyLoss(label_smoothing=0.25), Y, False),
        (torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5])), Y, False),
        (torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), reduction="sum"), Y,
         False),
        (torch.nn.CrossEntropyLoss(ignore_index=1), Y, False),
        (torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0)), (REAL > 0) * 1.0, False),
        (torch.nn.MultiMarginLoss(p=2), Y, False),
        (torch.nn.HuberLoss(delta=0.5), REAL, False),
        (torch.nn.SmoothL1Loss(beta=0.5, reduction="sum"), REAL, False),
        (functional.smooth_l1_loss, REAL, False),
        (torch.nn.KLDivLoss(reduction="batchmean"), np.full((9, 3), 1 / 3), False),
        (torch.nn.PoissonNLLLoss(), np.floor(np.abs(REAL) * 3), False),
        (torch.nn.PoissonNLLLoss(log_input=False), np.floor(np.abs(REAL) * 3), True),
    ],
)  # fmt: skip
def test_losses_are_read_and_are_what_they_are_read_as(loss, target, probabilities):
    prediction = RNG.uniform(0.1, 0.9, (9, 3)) if probabilities else RNG.standard_normal((9, 3))
    live = Torch(torch.nn.Linear(4, 3), loss)
    known = read_loss(loss)
    # Sums of 27 terms of order one.
    np.testing.assert_allclose(live.loss_of(prediction, target), known.value(prediction, target),
                               rtol=1e-13)  # fmt: skip


@pytest.mark.parametrize(
    "loss",
    [
        torch.nn.BCELoss(weight=torch.ones(3)),
        torch.nn.BCEWithLogitsLoss(pos_weight=torch.ones(3)),
        torch.nn.MSELoss(reduction="none"),
        torch.nn.GaussianNLLLoss(),
        torch.nn.NLLLoss(),
        lambda prediction, target: (prediction - target).sum(),
    ],
)
def test_losses_that_say_nothing_known(loss):
    assert read_loss(loss) is None


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (torch.optim.SGD, {"lr": 0.1}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.25}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (torch.optim.Adam, {"lr": 0.1, "betas": (0.8, 0.99), "eps": 0.1, "weight_decay": 0.25}),
        (torch.optim.Adam, {"lr": 0.1, "amsgrad": True}),
        (torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.25}),
        (torch.optim.Adagrad, {"lr": 0.1, "lr_decay": 0.5, "eps": 0.1,
                               "initial_accumulator_value": 0.5, "weight_decay": 0.25}),
        (torch.optim.RMSprop, {"lr": 0.1, "alpha": 0.8, "eps": 0.1, "momentum": 0.5}),
        (torch.optim.RMSprop, {"lr": 0.1, "centered": True, "weight_decay": 0.25}),
        (torch.optim.Adadelta, {"rho": 0.8, "eps": 0.1, "weight_decay": 0.25}),
        (torch.optim.Adamax, {"lr": 0.1, "betas": (0.8, 0.99), "eps": 0.1}),
        (torch.optim.NAdam, {"lr": 0.1, "momentum_decay": 0.5, "weight_decay": 0.25}),
        (torch.optim.NAdam, {"lr": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.25}),
        (torch.optim.RAdam, {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.25}),
    ],
)  # fmt: skip
def test_optimizers_are_what_they_are_read_as(kind, settings):
    live = side(optimizer=kind, **settings)
    rule = live.declared(X[:3]).optimizer
    values = live.parameters()
    state = rule.initialize(values)
    for _ in range(5):
        gradients = {name: RNG.standard_normal(v.shape) for name, v in values.items()}
        live.update(gradients)
        values, state = rule.update(values, gradients, state)
    for name, value in live.parameters().items():
        # Five updates of a handful of operations each.
        np.testing.assert_allclose(values[name], value, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (torch.optim.RMSprop, {"rho": 0.5, "epsilon": 0.25, "weight_decay": 0.25}),
        (torch.optim.Adagrad, {"rate_decay": 0.5, "epsilon": 0.25}),
        (torch.optim.Adadelta, {"rho": 0.5, "learning_rate": 0.5}),
        (torch.optim.Adamax, {"beta1": 0.5, "beta2": 0.75}),
        (torch.optim.NAdam, {"momentum_decay": 0.5, "decay": "decoupled", "weight_decay": 0.25}),
        (torch.optim.RAdam, {"epsilon": 0.25, "beta2": 0.75}),
    ],
)
def test_constants_of_every_optimizer_are_adjusted(kind, changes):
    module = torch.nn.Linear(3, 2)
    side = Torch(module, torch.nn.MSELoss(), kind(module.parameters()))
    said = side.declared(np.ones((3, 3)))
    wanted = replace(said.optimizer, **changes)
    assert side.adjust(replace(said, optimizer=wanted), np.ones((3, 3)))
    assert side.declared(np.ones((3, 3))).optimizer == wanted
    assert side.adjust(said, np.ones((3, 3)))
    assert side.declared(np.ones((3, 3))).optimizer == said.optimizer


def test_optimizer_groups():
    module = mlp()
    weights = [module[0].weight, module[3].weight]
    biases = [module[0].bias, module[3].bias]
    groups = [{"params": weights, "weight_decay": 0.5}, {"params": biases}]
    live = Torch(module, torch.nn.CrossEntropyLoss(), torch.optim.SGD(groups, lr=0.1))
    assert live.declared(X[:3]).optimizer == nn.SGD(0.1, weight_decay=0.5, decay_scope="weights")
    groups = [{"params": weights[:1], "weight_decay": 0.5}, {"params": [*biases, weights[1]]}]
    live = Torch(module, torch.nn.CrossEntropyLoss(), torch.optim.SGD(groups, lr=0.1))
    assert live.declared(X[:3]).optimizer.decay_scope == ("0.weight",)
    groups = [{"params": weights, "lr": 0.5}, {"params": biases}]
    assert Torch(module, None, torch.optim.SGD(groups, lr=0.1)).declared(X[:3]).optimizer is None
    rprop = torch.optim.Rprop(module.parameters())
    assert Torch(module, None, rprop).declared(X[:3]).optimizer is None


def test_draws_feed_the_masks_of_torchs_own_dropout():
    live = side()
    (shape,) = live.dropouts(X)
    assert shape == (9, 6)
    draws = [np.random.default_rng(1).random(shape)]
    hidden = live.activations(X)["1"]
    after = live.activations(X, training=True, draws=draws)["2"]
    np.testing.assert_array_equal(after, np.where(draws[0] >= 0.5, hidden * 2.0, 0.0))
    with pytest.raises(InputError, match="expected 1; received 2"):
        live.predict(X, training=True, draws=[*draws, *draws])
    with pytest.raises(InputError, match="shape"):
        live.predict(X, training=True, draws=[draws[0][:3]])


def test_step_is_zero_grad_backward_step_with_penalty():
    live = Torch(module := mlp(), torch.nn.CrossEntropyLoss(),
                 torch.optim.SGD(module.parameters(), lr=0.5),
                 penalty=lambda m: 0.25 * (m[0].weight ** 2).sum())  # fmt: skip
    draws = draws_for(live)
    before, gradients = live.parameters(), live.gradients(X, Y, draws=draws)
    value = live.loss(X, Y, draws=draws)
    assert value.penalty == pytest.approx(0.25 * (before["0.weight"] ** 2).sum(), rel=1e-14)
    assert value.total == value.data + value.penalty
    for p in live.module.parameters():
        p.grad = torch.ones_like(p)
    live.step(X, Y, draws=draws)
    for name, value in live.parameters().items():
        np.testing.assert_allclose(value, before[name] - 0.5 * gradients[name], rtol=1e-14)


def test_watch_casts_what_the_author_feeds():
    module = mlp()

    def report(x, y):
        with torch.no_grad():
            return {"mean": module(torch.tensor(x, dtype=torch.float32)).mean().item()}

    live = Torch(module, torch.nn.CrossEntropyLoss(), torch.optim.SGD(module.parameters(), lr=0.1),
                 report=report, result=module.state_dict)  # fmt: skip
    watched = live.watch(X, Y, epochs=2, batch_size=4, limit=50)
    assert len(watched.reported) == 6
    assert watched.aliased is True
    live = Torch(module, torch.nn.CrossEntropyLoss(), torch.optim.SGD(module.parameters(), lr=0.1),
                 result=lambda: copy.deepcopy(module.state_dict()))  # fmt: skip
    assert live.watch(X, Y, epochs=2, batch_size=4, limit=50).aliased is False


# ---- adjusting ---------------------------------------------------------------------------------
def trained(live):
    torch.manual_seed(1)
    saved = live.state()
    for _ in range(3):
        live.step(X, Y)
    values = live.parameters()
    live.restore(saved)
    return values


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": nn.SoftmaxCrossEntropy(batch="sum", factor=0.125)},
        {"penalties": (nn.L2(0.5), nn.L1(0.25, scope="all"))},
        {"penalties": (nn.L2(0.5, factor=1.0, scope=("0.weight",)),)},
        {"optimizer": nn.SGD(0.5, momentum=0.5, weight_decay=0.25, decay_scope="weights")},
        {"optimizer": nn.SGD(0.5, weight_decay=0.25, decay_scope=("0.weight", "3.bias"))},
    ],
)
def test_adjusting_follows_the_conventions_and_can_be_undone(changes):
    live = side()
    declared = live.declared(X[:3])
    before = trained(live)
    wanted = replace(declared, **changes)
    assert live.adjust(wanted, X[:3])
    now = assert_twin_agrees(live, draws=draws_for(live))
    assert (now.loss, now.penalties, now.optimizer) == (
        wanted.loss, wanted.penalties, wanted.optimizer,
    )  # fmt: skip
    after = trained(live)
    assert any(not np.array_equal(before[name], value) for name, value in after.items())
    draws = draws_for(live)
    twin = Twin(now)
    expected = twin.run(twin.values(live.parameters()), [(X, Y)] * 2, [draws] * 2)[-1]
    saved = live.state()
    live.step(X, Y, draws=draws)
    live.step(X, Y, draws=draws)
    for name, value in live.parameters().items():
        mine = twin.native(expected, live.parameters())[name]
        np.testing.assert_allclose(mine, value, rtol=1e-11, atol=1e-13)
    live.restore(saved)
    assert live.adjust(declared, X[:3])
    for name, value in trained(live).items():
        assert np.array_equal(value, before[name]), name


def test_adjusting_the_dropout_rate():
    live = side()
    declared = live.declared(X[:3])
    layers = tuple((n, nn.Dropout(0.25) if n == "2" else layer) for n, layer in declared.layers)
    assert live.adjust(replace(declared, layers=layers), X[:3])
    assert live.module[2].p == 0.25
    assert_twin_agrees(live, draws=draws_for(live))
    assert live.adjust(declared, X[:3])
    assert live.module[2].p == 0.5


def test_adjusting_a_hinge_and_adamw():
    live = side(torch.nn.MultiMarginLoss(), torch.optim.Adam, lr=0.1, weight_decay=0.5)
    declared = live.declared(X[:3])
    wanted = replace(
        declared,
        loss=nn.MulticlassHinge(counts_true_class=True),
        optimizer=nn.Adam(0.1, weight_decay=0.5, decay="decoupled", decay_scope="weights"),
    )
    assert live.adjust(wanted, X[:3])
    assert_twin_agrees(live, draws=draws_for(live))
    values, gradients = live.parameters(), live.gradients(X, Y)
    rule = wanted.optimizer
    expected = rule.update(values, gradients, rule.initialize(values))[0]
    live.update(gradients)
    for name, value in live.parameters().items():
        np.testing.assert_allclose(expected[name], value, rtol=1e-13, atol=1e-16)


def test_a_custom_loss_is_scaled_where_its_values_tell_its_kind():
    log = []

    def criterion(prediction, target):
        loss = functional.mse_loss(prediction, target)
        log.append(loss.item())
        return loss

    live = side(criterion)
    declared = live.declared(X[:3])
    assert declared.loss is None
    wanted = replace(declared, loss=nn.MeanSquaredError("sum", "sum", factor=0.5))
    assert live.adjust(wanted, X[:3])
    twin = Twin(live.declared(X[:3]))
    values = twin.values(live.parameters())
    mine = twin.evaluate(values, X, REAL, training=False).data
    np.testing.assert_allclose(mine, live.loss(X, REAL, training=False).total, rtol=1e-12)
    assert live.adjust(declared, X[:3])
    assert live.loss(X, REAL, training=False).total == log[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": nn.MeanSquaredError()},
        {"loss": nn.SoftmaxCrossEntropy(clip=0.1)},
        {"optimizer": nn.Adam(0.1)},
        {"optimizer": nn.SGD(0.1, momentum=0.5, form="averaged")},
        {"optimizer": nn.SGD(0.1, weight_decay=0.5, decay="decoupled")},
        {"layers": (("0", nn.Affine(4, 3)),)},
    ],
)
def test_what_cannot_be_adjusted_is_left_untouched(changes):
    live = side()
    declared = live.declared(X[:3])
    # The dropout could be changed, and must not be.
    layers = tuple((n, nn.Dropout(0.25) if n == "2" else layer) for n, layer in declared.layers)
    assert not live.adjust(replace(declared, **{"layers": layers, **changes}), X[:3])
    assert live.module[2].p == 0.5
    assert live.declared(X[:3]) == declared


def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match=r"expected a torch\.nn\.Module; received list"):
        Torch([])
    with pytest.raises(InputError, match=r"expected a torch\.optim\.Optimizer"):
        Torch(mlp(), None, "adam")
    live = side()
    with pytest.raises(InputError, match=r"'0\.weight': expected \(6, 4\)"):
        live.set_parameters({"0.weight": np.ones((4, 6))})
    with pytest.raises(CannotError):
        Torch(mlp()).loss(X, Y)
    assert Torch(mlp()).abilities == {"activations", "draws", "adjust"}
