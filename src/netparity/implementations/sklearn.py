"""scikit-learn's multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError, MissingDependencyError
from netparity.implementations.author import Authored, Options, read_options
from netparity.implementations.base import Loss, Values, Watched
from netparity.implementations.own_step import OwnStep
from netparity.implementations.watching import Report, Result, watch_loop

try:
    import sklearn
    from sklearn.neural_network import MLPClassifier, MLPRegressor
except ImportError as error:
    raise MissingDependencyError(
        "netparity.Sklearn: scikit-learn is not installed", hint="pip install 'netparity[sklearn]'"
    ) from error

from netparity.implementations import sklearn_rates, sklearn_reading
from netparity.implementations.sklearn_training import Training

Array = np.ndarray[Any, np.dtype[Any]]


class Sklearn(Authored):
    """An ``MLPClassifier`` or ``MLPRegressor``.

    An estimator that has its weights keeps them; one that has none draws them by its own rule
    from its own random state, once it is shown the data (``prepare``). It is trained as ``fit``
    trains it from there, with a fresh optimizer; it feeds itself, in batches of ``batch_size``
    (``"auto"`` is 200 rows or all), shuffled unless ``shuffle=False``. Predictions are the
    values of the output layer: probabilities, of one logistic unit where there are two classes.

    The weights are made float64 in place.

    Args:
        estimator: the estimator.
        name: what to call it in the report.
        lift: whether to make the weights float64.
        **options: see ``Options``. Each of your ``batches`` is handed to ``partial_fit``; without
            them it is fed what ``fit`` feeds. Without ``report`` it is ``loss_`` at each epoch's
            end; without ``validation`` and ``result``, with early stopping, the rows held out
            and the best weights.

    Raises:
        InputError: it is neither of the two, or an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> from sklearn.neural_network import MLPRegressor
        >>> side = Sklearn(MLPRegressor(hidden_layer_sizes=(), solver="sgd", alpha=0.0))
        >>> side.prepare(np.ones((4, 2)), np.ones(4))
        >>> side.set_parameters({"coefs_[0]": np.ones((2, 1)), "intercepts_[0]": np.zeros(1)})
        >>> side.predict(np.array([[1.0, 2.0]]))
        array([[3.]])
        >>> side.gradients(np.array([[1.0, 2.0]]), np.array([2.0]))["coefs_[0]"]
        array([[1.],
               [2.]])

    **Parity** (`sklearn-alpha-scaling`, `binary-output-units`, `bce-multidim-reduction`,
    `mse-reduction`, `adam-epsilon-placement`, `sgd-nesterov-form`, `dense-bias-init`): the
    penalty is ½αΣw² over the rows of the batch; squared errors have a factor ½; several labels
    are summed, not averaged; Adam has the hat form; SGD has Nesterov momentum 0.9 by default;
    biases are drawn like weights.
    """

    framework = "sklearn"
    needs_data = True

    def __init__(
        self,
        estimator: Any,
        *,
        name: str | None = None,
        lift: bool = True,
        **options: Unpack[Options],
    ) -> None:
        if not isinstance(estimator, MLPClassifier | MLPRegressor):
            raise InputError(
                "Sklearn, estimator: expected an MLPClassifier or MLPRegressor; received "
                f"{type(estimator).__name__}",
                hint="of a pipeline, give the network alone and the data as it receives it",
            )
        self.name = name or type(estimator).__name__
        self.version = str(sklearn.__version__)
        self.estimator = estimator
        self.author = read_options(self.name, options)
        alone = "batches" in self.author.functions
        self.training = Training(self.name, estimator, lift=lift, single_batches=alone)
        self.training.sample_weight = self.author.sample_weight
        self._rates = sklearn_rates.EstimatorRates(self.training, self.author)
        own = self.author.functions.get("train_step")
        self._own_step = None if own is None else OwnStep(own, self, f"{self.name}, train_step")

    # ---- read -------------------------------------------------------------------------
    def prepare(self, x: Array, y: Array | None) -> None:
        """Draws the weights where the estimator has none, and what early stopping holds out."""
        self.training.prepare(np.asarray(x), y)

    @property
    def lifted(self) -> bool:
        """Whether it computes in float64 though its weights were float32."""
        return self.training.lifted

    @property
    def abilities(self) -> frozenset[str]:
        """All of the forward and backward pass; the rest unless ``solver="lbfgs"``."""
        able = {"activations", "adjust", "loss", "loss-of", "gradients", "penalty"}
        able |= set(self.author.abilities)
        able |= {"step"} if self._own_step is not None else set()
        able |= {"weights"} if self.training.weighs else set()
        if self.estimator.solver != "lbfgs":
            able |= {"update", "step", "batches"}
            able |= set() if "batches" in self.author.functions else {"report"}
            able |= {"result", "validation"} if self.estimator.early_stopping else set()
        return frozenset(able)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the weights."""
        return self.training.dtype

    def parameters(self) -> Values:
        """Copies of ``coefs_`` and ``intercepts_``, layer by layer."""
        return {name: np.array(value) for name, value in self.training.parameters.items()}

    def declared(self, x: Array) -> Conventions:
        """What the estimator's arguments say."""
        return self._rates.applied_to(sklearn_reading.read(self.training))

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Writes weights in place."""
        live = self.training.parameters
        for name, value in values.items():
            if name not in live or live[name].shape != np.shape(value):
                expected = live[name].shape if name in live else f"one of {', '.join(live)}"
                raise InputError(
                    f"{self.name}, parameters, {name!r}: expected {expected}; received shape "
                    f"{np.shape(value)}"
                )
        for name, value in values.items():
            live[name][...] = value

    def state(self) -> Any:
        """Weights, optimizer, random state, and how far ``fit`` has come."""
        own = None if self._own_step is None else self._own_step.state()
        return {"training": self.training.state(), "rates": self._rates.state(), "own": own}

    def restore(self, state: Any) -> None:
        """Puts all of it back, the weights in place."""
        self.training.restore(state["training"])
        self._rates.restore(state["rates"])
        if self._own_step is not None:
            self._own_step.restore(state["own"])

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """The values of the output layer, ``(N, outputs)``."""
        return self.training.predict(x)

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """For each layer its sums, and what its activation function makes of them."""
        outputs: Values = {}
        found = zip(sklearn_reading.functions(self.estimator), self.training.layers(x), strict=True)
        for (name, function), (sums, values) in found:
            outputs[name] = sums
            if function != "identity":
                outputs[f"{name}_{function}"] = values
        return outputs

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """What ``fit`` minimizes: the mean loss of the rows, and ``½ α Σ w²`` over the rows."""
        counted = self.author.weights(y, weights)
        data = self.training.loss_of(self.predict(x), y, counted)
        penalty = self.training.penalty(len(x) if counted is None else float(counted.sum()))
        return Loss(self.training.backprop(x, y, counted)[0], data=data, penalty=penalty)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of output values."""
        return self.training.loss_of(prediction, y)

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """What ``fit`` hands to its optimizer, the penalty's part included."""
        found = self.training.backprop(x, y, self.author.weights(y, weights))[1]
        count = len(found) // 2
        named: Values = {}
        for index in range(count):
            named[f"coefs_[{index}]"] = found[index]
            named[f"intercepts_[{index}]"] = found[count + index]
        return named

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the optimizer; a gradient that is not given is zero."""
        live = self.training.parameters
        full = {
            name: np.zeros_like(value)
            if name not in gradients
            else np.asarray(gradients[name], dtype=value.dtype).reshape(value.shape)
            for name, value in live.items()
        }
        self._rates.before_step()
        self.training.update([*list(full.values())[::2], *list(full.values())[1::2]])
        self._rates.after_step()

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """One batch as ``fit`` trains on it, with the epoch's end where it completes one."""
        if "step" not in self.abilities:
            raise CannotError("step")
        self._rates.before_step()
        if self._own_step is not None:
            self._own_step.call(lambda: ((x, y), {}), lambda: ((x, y), {}))
        else:
            self.training.step(x, y, self.author.weights(y, weights))
        self._rates.after_step()

    def end_epoch(self) -> None:
        """A schedule of the author's that counts epochs moves on."""
        self._rates.end_epoch()

    def weighted_batches(
        self, x: Array, y: Array, epoch: int
    ) -> Iterable[tuple[Array, Array, Array | None]]:
        """What the author's own ``batches`` yields, else what ``fit`` feeds."""
        if "batches" in self.author.functions:
            return super().weighted_batches(x, y, epoch)
        if self.training.optimizer is None:
            raise CannotError("batches")
        return self.training.batches(np.asarray(x), np.asarray(y), epoch)

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows the author's own ``validation`` holds out, else those of early stopping."""
        if "validation" in self.author.functions:
            return super().validation(x, y)
        return self.training.held_out(np.asarray(x), np.asarray(y))

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Trains as ``fit`` does, until it would stop, and records."""
        functions = self.author.functions
        own_feeding = "batches" in functions
        report: Report | None = functions.get("report")
        every = self.author.report_every
        if report is None and not own_feeding:
            report, every = self._loss_curve(), "epoch"
        prepared, targets = self.preprocess(x, y)
        return watch_loop(
            self, prepared, y if targets is None else targets,
            batches=functions["batches"] if own_feeding else self._until_stopped,
            report=report,
            report_every=every,
            result=functions.get("result") or self._best,
            epochs=epochs, batch_size=batch_size, limit=limit,
        )  # fmt: skip

    def _until_stopped(self, x: Array, y: Array, epoch: int) -> Iterable[Any]:
        if epoch and self.training.stopped:
            return ()
        return self.training.batches(np.asarray(x), np.asarray(y), epoch)

    def _loss_curve(self) -> Report:
        """Reports ``loss_`` after each epoch that ``fit`` would have made."""
        seen = len(getattr(self.estimator, "loss_curve_", ()))

        def report(x: Array, y: Array) -> Mapping[str, Any]:
            nonlocal seen
            curve = self.estimator.loss_curve_
            fresh, seen = curve[seen:], len(curve)
            return {"loss": fresh[-1]} if fresh else {}

        return report

    @property
    def _best(self) -> Result | None:
        """What ``fit`` hands over where it stops early: the weights of the best epoch."""
        if not self.estimator.early_stopping or self.training.optimizer is None:
            return None

        def result() -> Mapping[str, Any]:
            handed: dict[str, Any] = {}
            kept = (self.estimator._best_coefs, self.estimator._best_intercepts)
            for index, (weight, bias) in enumerate(zip(*kept, strict=True)):
                handed |= {f"coefs_[{index}]": weight, f"intercepts_[{index}]": bias}
            return handed

        return result

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Sets the hidden activation function, ``alpha=0`` and the optimizer's constants."""
        settings = sklearn_reading.plan(self.training, self.declared(x), wanted)
        if settings is None or not self._rates.can_follow(wanted):
            return False
        self._rates.follow(wanted)
        for owner, attribute, value in settings:
            setattr(owner, attribute, value)
        return True
