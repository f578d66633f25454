"""scikit-learn's multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError, MissingDependencyError
from netparity.implementations.base import Implementation, Loss, Values, Watched
from netparity.implementations.values import as_array
from netparity.implementations.watching import Batches, Every, Report, Result, watch_loop

try:
    import sklearn
    from sklearn.neural_network import MLPClassifier, MLPRegressor
except ImportError as error:
    raise MissingDependencyError(
        "netparity.Sklearn: scikit-learn is not installed", hint="pip install 'netparity[sklearn]'"
    ) from error

from netparity.implementations import sklearn_reading
from netparity.implementations.sklearn_training import Training

Array = np.ndarray[Any, np.dtype[Any]]
Validation = Callable[[Array, Array], tuple[Array, Array]]


class Sklearn(Implementation):
    """An ``MLPClassifier`` or ``MLPRegressor``.

    An estimator that has its weights keeps them; one that has none draws them by its own rule
    from its own random state, once it is shown the data (``prepare``). It is trained as ``fit``
    trains it from there, with a fresh optimizer; it feeds itself, in batches of ``batch_size``
    (``"auto"`` is 200 rows or all), shuffled unless ``shuffle=False``. Predictions are the
    values of the output layer: probabilities, of one logistic unit where there are two classes.

    The weights are made float64 in place.

    Args:
        estimator: the estimator.
        batches: ``batches(x, y, epoch) → iterable of (x, y)``, each of which is handed to
            ``partial_fit``; by default what ``fit`` feeds.
        report: ``report(x, y) → {name: value}``; by default ``loss_`` at each epoch's end.
        report_every: ``"step"`` or ``"epoch"``, for a ``report`` of yours.
        result: ``result() → {name: array}``; by default the best weights with early stopping.
        validation: ``validation(x, y) → (x, y)``; by default what early stopping holds out.
        name: what to call it in the report.
        lift: whether to make the weights float64.

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
        batches: Batches | None = None,
        report: Report | None = None,
        report_every: Every = "step",
        result: Result | None = None,
        validation: Validation | None = None,
        name: str | None = None,
        lift: bool = True,
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
        given = {"batches": batches, "report": report, "result": result, "validation": validation}
        self._functions: dict[str, Any] = {k: f for k, f in given.items() if f is not None}
        self._report_every: Every = report_every
        self._check()
        self.training = Training(self.name, estimator, lift=lift, single_batches=bool(batches))

    def _check(self) -> None:
        for key, function in self._functions.items():
            if not callable(function):
                raise InputError(
                    f"{self.name}, {key}: expected a function; received {type(function).__name__}"
                )
        if self._report_every not in ("step", "epoch"):
            raise InputError(
                f"{self.name}, report_every: expected 'step' or 'epoch'; received "
                f"{self._report_every!r}"
            )

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
        able |= set(self._functions)
        if self.estimator.solver != "lbfgs":
            able |= {"update", "step", "batches"}
            able |= set() if "batches" in self._functions else {"report"}
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
        return sklearn_reading.read(self.training)

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
        return self.training.state()

    def restore(self, state: Any) -> None:
        """Puts all of it back, the weights in place."""
        self.training.restore(state)

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
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None
    ) -> Loss:
        """What ``fit`` minimizes: the mean loss of the rows, and ``½ α Σ w²`` over the rows."""
        data = self.loss_of(self.predict(x), y)
        penalty = self.training.penalty(len(x))
        return Loss(self.training.backprop(x, y)[0], data=data, penalty=penalty)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of output values."""
        return self.training.loss_of(prediction, y)

    def gradients(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """What ``fit`` hands to its optimizer, the penalty's part included."""
        found = self.training.backprop(x, y)[1]
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
        self.training.update([*list(full.values())[::2], *list(full.values())[1::2]])

    def step(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> None:
        """One batch as ``fit`` trains on it, with the epoch's end where it completes one."""
        if self.training.optimizer is None:
            raise CannotError("step")
        self.training.step(x, y)

    def batches(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
        """What the author's own ``batches`` yields, else what ``fit`` feeds."""
        if "batches" in self._functions:
            feeding: Iterable[tuple[Array, Array]] = self._functions["batches"](x, y, epoch)
            return feeding
        if self.training.optimizer is None:
            raise CannotError("batches")
        return self.training.batches(np.asarray(x), np.asarray(y), epoch)

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows the author's own ``validation`` holds out, else those of early stopping."""
        if "validation" in self._functions:
            held_x, held_y = self._functions["validation"](x, y)
            return as_array(held_x), as_array(held_y)
        return self.training.held_out(np.asarray(x), np.asarray(y))

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Trains as ``fit`` does, until it would stop, and records."""
        own_feeding = "batches" in self._functions
        report, every = self._functions.get("report"), self._report_every
        if report is None and not own_feeding:
            report, every = self._loss_curve(), "epoch"
        return watch_loop(
            self, x, y,
            batches=self._functions["batches"] if own_feeding else self._until_stopped,
            report=report,
            report_every=every,
            result=self._functions.get("result") or self._best,
            epochs=epochs, batch_size=batch_size, limit=limit,
        )  # fmt: skip

    def _until_stopped(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
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
        if settings is None:
            return False
        for owner, attribute, value in settings:
            setattr(owner, attribute, value)
        return True
