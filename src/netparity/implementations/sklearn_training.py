"""How scikit-learn trains a multi-layer perceptron: what its ``fit`` does, piece by piece.

The numbers come from the estimator's own methods (``_initialize``, ``_backprop``, its
optimizers, ``_update_no_improvement_count``); only the loop around them is here, in the order
of ``fit``, whose bits it gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import sklearn.model_selection
import sklearn.utils
from sklearn.base import is_classifier
from sklearn.neural_network import _base, _stochastic_optimizers
from sklearn.utils.extmath import safe_sparse_dot

from netparity.errors import CannotError, InputError
from netparity.implementations.values import snapshot

Array = np.ndarray[Any, np.dtype[Any]]

#: What ``fit`` keeps on the estimator beside the weights.
_KEPT: Final = (
    "n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
    "best_validation_score_", "_best_coefs", "_best_intercepts", "_no_improvement_count",
)  # fmt: skip
#: What an optimizer keeps between two updates; the rest of its attributes are settings.
_SLOTS: Final = ("velocities", "ms", "vs", "t")
#: ``batch_size="auto"`` in scikit-learn.
_AUTO_BATCH: Final = 200


@dataclass(slots=True)
class Epoch:
    """How far the present epoch has come.

    Attributes:
        total: rows of the data; ``None`` before any was seen.
        training: numbers of the rows trained on.
        held: numbers of the rows held out, none without early stopping.
        held_data: those rows themselves, encoded.
        order: the order of the rows trained on.
        fed: rows fed in this epoch.
        loss: sum over the rows fed of the loss of their batch.
    """

    total: int | None = None
    training: Array = field(default_factory=lambda: np.arange(0))
    held: Array = field(default_factory=lambda: np.arange(0))
    held_data: tuple[Array, Array] | None = None
    order: Array = field(default_factory=lambda: np.arange(0))
    fed: int = 0
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Everything a run changes."""

    parameters: tuple[Array, ...]
    kept: Mapping[str, Any]
    slots: Mapping[str, Any]
    rate: tuple[float, float] | None
    random: Any
    epoch: Epoch


class Training:
    """An estimator's weights, its optimizer, and the loop around them.

    Args:
        name: the side's name, for messages.
        estimator: an ``MLPClassifier`` or ``MLPRegressor``; its weights are worked on in place.
        lift: whether weights are made float64.

    Attributes:
        optimizer: a fresh one by the estimator's settings, as every ``fit`` makes it; ``None``
            for ``solver="lbfgs"`` or before there are weights.
        lifted: whether the weights were float32.
        sample_weight: how much each row of the data counts, or ``None``.
        single_batches: whether each batch is an epoch of its own, as with ``partial_fit``.
    """

    def __init__(self, name: str, estimator: Any, *, lift: bool, single_batches: bool) -> None:
        self.name = name
        self.estimator = estimator
        self.single_batches = single_batches
        self.lifted = False
        self.optimizer: Any = None
        self.epoch = Epoch()
        self.sample_weight: Array | None = None
        self._lift = lift
        self._random = sklearn.utils.check_random_state(estimator.random_state)
        if self.has_weights:
            self._start()

    # ---- weights ------------------------------------------------------------------------
    @property
    def has_weights(self) -> bool:
        """Whether the estimator has weights."""
        return hasattr(self.estimator, "coefs_")

    @property
    def parameters(self) -> dict[str, Array]:
        """The live weights, layer by layer, by the names under which the estimator keeps them."""
        self._require_weights()
        layers = zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True)
        named: dict[str, Array] = {}
        for index, (weight, bias) in enumerate(layers):
            named |= {f"coefs_[{index}]": weight, f"intercepts_[{index}]": bias}
        return named

    def _require_weights(self) -> None:
        if not self.has_weights:
            raise InputError(
                f"{self.name}: the estimator has no weights yet",
                hint="fit it, or call prepare(x, y) with the data from which it can draw them",
            )

    def prepare(self, x: Array, y: Array | None) -> None:
        """Draws weights where there are none, and sets rows apart for early stopping.

        Raises:
            InputError: scikit-learn refuses the settings or the data.
        """
        if y is None:
            self._require_weights()
            return
        if not self.has_weights:
            self._draw(x, y)
            self._start()
        if self.epoch.total is None:
            self._begin(x, y)

    def _draw(self, x: Array, y: Array) -> None:
        """What ``fit`` does before it trains: checks, classes, initial weights."""
        estimator = self.estimator
        try:
            estimator._validate_params()
            checked, targets = estimator._validate_input(x, y, incremental=False, reset=True)
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.name}: {error}") from error
        targets = targets.reshape(-1, 1) if targets.ndim == 1 else targets
        hidden = np.ravel(estimator.hidden_layer_sizes).astype(int).tolist()
        estimator._random_state = self._random
        estimator._initialize(targets, [x.shape[1], *hidden, targets.shape[1]], checked.dtype)

    def _start(self) -> None:
        estimator = self.estimator
        own = estimator.coefs_[0].dtype
        if self._lift and own != np.float64:
            for name in ("coefs_", "intercepts_", "_best_coefs", "_best_intercepts"):
                kept = getattr(estimator, name, [])
                kept[:] = [array.astype(np.float64) for array in kept]
            self.lifted = True
        weights = estimator.coefs_ + estimator.intercepts_
        if estimator.solver == "sgd":
            self.optimizer = _stochastic_optimizers.SGDOptimizer(
                weights, estimator.learning_rate_init, estimator.learning_rate,
                estimator.momentum, estimator.nesterovs_momentum, estimator.power_t,
            )  # fmt: skip
        elif estimator.solver == "adam":
            self.optimizer = _stochastic_optimizers.AdamOptimizer(
                weights, estimator.learning_rate_init, estimator.beta_1, estimator.beta_2,
                estimator.epsilon,
            )  # fmt: skip

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the weights; float64 before there are any."""
        return np.dtype(self.estimator.coefs_[0].dtype if self.has_weights else np.float64)

    # ---- forward, loss, gradients ---------------------------------------------------------
    def inputs(self, x: Array) -> Array:
        """A batch in the dtype of the weights."""
        self._require_weights()
        return np.asarray(x, dtype=self.dtype)

    def targets(self, y: Array) -> Array:
        """Targets as the loss takes them: ``(N, outputs)``, classes as zeros and ones."""
        y = np.asarray(y)
        if is_classifier(self.estimator):
            y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
            y = self.estimator._label_binarizer.transform(y).astype(bool)
        return y.reshape(len(y), -1)

    def predict(self, x: Array) -> Array:
        """The values of the output layer."""
        return np.array(self.estimator._forward_pass_fast(self.inputs(x), check_input=False))

    def layers(self, x: Array) -> list[tuple[Array, Array]]:
        """For each layer the sums before its activation function, and the values after it."""
        estimator = self.estimator
        values = [self.inputs(x), *[None] * (estimator.n_layers_ - 1)]
        values = estimator._forward_pass(values)
        pairs = []
        for index, (weight, bias) in enumerate(
            zip(estimator.coefs_, estimator.intercepts_, strict=True)
        ):
            sums = safe_sparse_dot(values[index], weight)
            sums += bias
            pairs.append((sums, np.array(values[index + 1])))
        return pairs

    @property
    def loss_name(self) -> str:
        """scikit-learn's name of the loss, as ``_backprop`` chooses it."""
        name = str(self.estimator.loss)
        logistic = name == "log_loss" and self.estimator.out_activation_ == "logistic"
        return "binary_log_loss" if logistic else name

    @property
    def weighs(self) -> bool:
        """Whether this scikit-learn knows weights of rows (since 1.7)."""
        return "sample_weight" in inspect.signature(self.estimator._backprop).parameters

    def _counted(self, weights: Array | None) -> tuple[Any, ...]:
        """Weights as an argument of scikit-learn's, where it has one."""
        if weights is not None and not self.weighs:
            raise InputError(
                f"{self.name}: expected no weights of rows with this scikit-learn; received some",
                hint="scikit-learn 1.7 and later take them",
            )
        found = None if weights is None else np.asarray(weights, dtype=self.dtype)
        return (found,) if self.weighs else ()

    def loss_of(self, prediction: Array, y: Array, weights: Array | None = None) -> float:
        """The data loss of output values."""
        values = np.asarray(prediction, dtype=self.dtype).reshape(len(prediction), -1)
        counted = self._counted(weights)
        return float(_base.LOSS_FUNCTIONS[self.loss_name](self.targets(y), values, *counted))

    def penalty(self, rows: float) -> float:
        """``½ α Σ w² / rows``, the term that ``_backprop`` adds."""
        squares = sum(np.dot(w.ravel(), w.ravel()) for w in self.estimator.coefs_)
        return float(0.5 * self.estimator.alpha * squares / rows)

    def backprop(
        self, x: Array, y: Array, weights_of_rows: Array | None = None
    ) -> tuple[float, list[Array]]:
        """Loss with penalty, and the gradients of ``coefs_`` and then of ``intercepts_``."""
        estimator = self.estimator
        x, y = self.inputs(x), self.targets(y)
        layers = estimator.n_layers_ - 1
        weights = [np.empty_like(w) for w in estimator.coefs_]
        biases = [np.empty_like(b) for b in estimator.intercepts_]
        buffers = ([x, *[None] * layers], [None] * layers, weights, biases)
        counted = self._counted(weights_of_rows)
        loss, weights, biases = estimator._backprop(x, y, *counted, *buffers)
        return float(loss), [*weights, *biases]

    # ---- update and step --------------------------------------------------------------------
    def update(self, gradients: list[Array]) -> None:
        """One update of the optimizer; gradients of ``coefs_``, then of ``intercepts_``."""
        if self.optimizer is None:
            raise CannotError("update")
        self._require_weights()
        weights = self.estimator.coefs_ + self.estimator.intercepts_
        self.optimizer.update_params(weights, gradients)

    def step(self, x: Array, y: Array, weights: Array | None = None) -> None:
        """One batch as ``fit`` trains on it; where it completes an epoch, that epoch's end."""
        loss, gradients = self.backprop(x, y, weights)
        self.update(gradients)
        epoch = self.epoch
        epoch.loss += loss * len(x)
        epoch.fed += len(x)
        if self.single_batches or (epoch.total and epoch.fed >= len(epoch.training)):
            self._end_epoch()

    def _end_epoch(self) -> None:
        """Loss and learning curve, best weights, learning rate: in the order of ``fit``."""
        estimator, epoch = self.estimator, self.epoch
        estimator.n_iter_ += 1
        estimator.loss_ = epoch.loss / epoch.fed
        estimator.t_ += epoch.fed
        if not hasattr(estimator, "loss_curve_"):
            estimator.loss_curve_ = []
        estimator.loss_curve_.append(estimator.loss_)
        epoch.loss, epoch.fed = 0.0, 0
        stopping = estimator.early_stopping and epoch.held_data is not None
        held = epoch.held_data if stopping and epoch.held_data is not None else (None, None)
        judge = estimator._update_no_improvement_count
        rows = self.sample_weight if stopping else None
        judge(stopping, *held, *self._counted(None if rows is None else rows[epoch.held]))
        self.optimizer.iteration_ends(estimator.t_)
        stagnant = estimator._no_improvement_count > estimator.n_iter_no_change
        if stagnant and not self.optimizer.trigger_stopping("", False):
            estimator._no_improvement_count = 0

    @property
    def stopped(self) -> bool:
        """Whether ``fit`` would stop here, for want of improvement."""
        count = getattr(self.estimator, "_no_improvement_count", 0)
        return bool(count > self.estimator.n_iter_no_change)

    # ---- feeding ------------------------------------------------------------------------
    def _begin(self, x: Array, y: Array) -> None:
        """Rows held out, as ``fit`` draws them before its first epoch."""
        estimator = self.estimator
        rows = np.arange(len(x))
        self.epoch = epoch = Epoch(total=len(x), training=rows)
        if estimator.early_stopping:
            targets = self.targets(y)
            alone = is_classifier(estimator) and estimator.n_outputs_ == 1
            epoch.training, epoch.held = sklearn.model_selection.train_test_split(
                rows, random_state=self._random, test_size=estimator.validation_fraction,
                stratify=targets if alone else None,
            )  # fmt: skip
            held = targets[epoch.held]
            if is_classifier(estimator):
                held = estimator._label_binarizer.inverse_transform(held)
            epoch.held_data = (self.inputs(x)[epoch.held], held)
        epoch.order = np.arange(len(epoch.training))

    def batches(
        self, x: Array, y: Array, epoch: int
    ) -> Iterator[tuple[Array, Array, Array | None]]:
        """What ``fit`` feeds in an epoch, drawn from the estimator's own random state."""
        estimator = self.estimator
        if self.epoch.total != len(x):
            self._begin(x, y)
        now = self.epoch
        if epoch == 0:
            now.order = np.arange(len(now.training))
        if estimator.shuffle:
            now.order = sklearn.utils.shuffle(now.order, random_state=self._random)
        rows = now.training[now.order]
        for part in sklearn.utils.gen_batches(len(rows), self.batch_size(len(rows))):
            chosen = rows[part]
            counted = self.sample_weight
            yield x[chosen], y[chosen], None if counted is None else counted[chosen]

    def batch_size(self, rows: int) -> int:
        """The rows of a batch: ``"auto"`` is 200, and never more than there are."""
        wanted = self.estimator.batch_size
        return min(_AUTO_BATCH, rows) if wanted == "auto" else int(np.clip(wanted, 1, rows))

    def held_out(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows that early stopping holds out."""
        if not self.estimator.early_stopping:
            raise CannotError("validation")
        if self.epoch.total != len(x):
            self._begin(x, y)
        return x[self.epoch.held], y[self.epoch.held]

    # ---- state --------------------------------------------------------------------------
    def state(self) -> TrainingState:
        """Weights, bookkeeping, the optimizer's slots, random state, place in the epoch."""
        estimator, optimizer = self.estimator, self.optimizer
        weights = [*estimator.coefs_, *estimator.intercepts_] if self.has_weights else []
        held = vars(optimizer) if optimizer is not None else {}
        rate = None
        if optimizer is not None:
            rate = (float(optimizer.learning_rate_init), float(optimizer.learning_rate))
        return TrainingState(
            parameters=tuple(np.array(w) for w in weights),
            kept={n: snapshot(getattr(estimator, n)) for n in _KEPT if hasattr(estimator, n)},
            slots={n: snapshot(held[n]) for n in _SLOTS if n in held},
            rate=rate,
            random=self._random.get_state(legacy=False),
            epoch=replace(self.epoch),
        )

    def restore(self, state: TrainingState) -> None:
        """Puts all of it back, the weights in place."""
        estimator, optimizer = self.estimator, self.optimizer
        live = [*estimator.coefs_, *estimator.intercepts_] if self.has_weights else []
        for weight, saved in zip(live, state.parameters, strict=False):
            weight[...] = saved
        for name in _KEPT:
            if name in state.kept:
                setattr(estimator, name, snapshot(state.kept[name]))
            elif hasattr(estimator, name) and state.parameters:
                delattr(estimator, name)
        if optimizer is not None and state.rate is not None:
            vars(optimizer).update(snapshot(state.slots))
            first, now = state.rate
            # A rate that was set otherwise since keeps what schedules had made of the old one.
            same = first == optimizer.learning_rate_init
            optimizer.learning_rate = now if same else now * optimizer.learning_rate_init / first
        self._random.set_state(state.random)
        self.epoch = replace(state.epoch)
