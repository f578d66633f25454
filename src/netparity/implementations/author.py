"""What the author of a side gives beside its network, its loss and its optimizer.

All adapters take these by the same names, as ``Options`` lists them, and answer for them in
the same way, as ``Authored`` does.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, cast

import numpy as np

from netparity.errors import CannotError, InputError
from netparity.implementations.base import Array, Implementation, Watched
from netparity.implementations.values import as_array
from netparity.implementations.watching import (
    Batches,
    Every,
    checked_weights,
    read_batch,
    watch_loop,
)

Pair = Callable[[Array, Array], tuple[Array, Array]]

_FUNCTIONS: Final = ("train_step", "batches", "preprocess", "validation", "report", "result")
_PERIODS: Final = ("schedule_every", "report_every")
#: Arguments by which a function may be given the weights of the rows.
_WEIGHTS: Final = ("weights", "weight", "sample_weight", "sample_weights")


class Options(TypedDict, total=False):
    """The arguments that every implementation takes.

    Attributes:
        train_step: ``train_step(x, y)``, one whole step as the author makes it, where that is
            more than loss, gradient and update. It is given the framework's tensors, or NumPy
            arrays where it takes only those.
        schedule: ``schedule(step) → learning rate``, step 0 being the first, or the
            framework's own scheduler.
        schedule_every: whether it counts and moves on by ``"step"`` or by ``"epoch"``.
        batches: ``batches(x, y, epoch) → iterable of (x, y)`` or ``(x, y, weights)``; by
            default rows in order, the last partial batch kept.
        preprocess: ``preprocess(x, y) → (x, y)``, what is made of the raw data before all else.
        validation: ``validation(x, y) → (x, y)``, the rows held out.
        report: ``report(x, y) → {name: value}``, what the program prints.
        report_every: ``"step"`` (with that batch) or ``"epoch"`` (with all data).
        result: ``result() → {name: array}``, the parameters handed over in the end.
        class_weight: class → how much a row of it counts in the loss; 1 where not named.
        sample_weight: how much each row of the data counts in the loss, ``(N,)``.
    """

    train_step: Callable[..., Any] | None
    schedule: Any
    schedule_every: Every
    batches: Batches | None
    preprocess: Pair | None
    validation: Pair | None
    report: Callable[..., Mapping[str, Any]] | None
    report_every: Every
    result: Callable[..., Mapping[str, Any]] | None
    class_weight: Mapping[int, float] | None
    sample_weight: Any


@dataclass(frozen=True, slots=True)
class Author:
    """The options of one side, checked.

    Attributes:
        name: the side's name, for messages.
        functions: those that were given, by their names in ``Options``.
        schedule: as it was given.
        schedule_every: its unit.
        report_every: its unit.
        class_weight: class → weight, or ``None``.
        sample_weight: ``(N,)``, or ``None``.
    """

    name: str
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    schedule: Any = None
    schedule_every: Every = "step"
    report_every: Every = "step"
    class_weight: Mapping[int, float] | None = None
    sample_weight: Array | None = None

    @property
    def abilities(self) -> frozenset[str]:
        """What follows from the options alone."""
        able = {key.replace("_", "-") for key in self.functions}
        return frozenset(able | ({"schedule"} if self.schedule is not None else set()))

    @property
    def weighs(self) -> bool:
        """Whether rows do not all count alike, batches aside."""
        return self.class_weight is not None or self.sample_weight is not None

    def weights(self, y: Array, given: Array | None) -> Array | None:
        """How much the rows of a batch count: their own weights times those of their classes.

        Args:
            y: targets, classes or one-hot.
            given: the rows' own weights, or ``None`` where all are 1.
        """
        if self.class_weight is None:
            return given
        classes = np.asarray(y)
        if classes.ndim > 1:
            wide = classes.shape[-1] > 1
            classes = classes.argmax(axis=-1) if wide else classes.reshape(len(classes))
        found = np.array([float(self.class_weight.get(int(c), 1.0)) for c in classes])
        return found if given is None else found * given


def read_options(name: str, options: Options) -> Author:
    """The options of a side.

    Args:
        name: the side's name, for messages.
        options: as they were given; ``None`` is the same as nothing.

    Raises:
        InputError: there is no such option, or one cannot be used.

    Example:
        >>> sorted(read_options("mine", {"report": lambda x, y: {}}).abilities)
        ['report']
    """
    for key in options:
        if key not in Options.__annotations__:
            near = difflib.get_close_matches(key, Options.__annotations__, 1)
            raise InputError(
                f"{name}: expected arguments among {', '.join(Options.__annotations__)}; "
                f"received {key!r}",
                hint=f"perhaps {near[0]!r}?" if near else None,
            )
    given = {key: value for key, value in cast("dict[str, Any]", options).items()
             if value is not None}  # fmt: skip
    functions: dict[str, Callable[..., Any]] = {k: given[k] for k in _FUNCTIONS if k in given}
    for key, function in functions.items():
        check_function(name, key, function)
    for key in _PERIODS:
        if given.get(key, "step") not in ("step", "epoch"):
            raise InputError(f"{name}, {key}: expected 'step' or 'epoch'; received {given[key]!r}")
    rows = given.get("sample_weight")
    if rows is not None and "batches" in functions:
        raise InputError(
            f"{name}: expected sample_weight or batches; received both",
            hint="let batches yield (x, y, weights)",
        )
    return Author(
        name=name,
        functions=functions,
        schedule=given.get("schedule"),
        schedule_every=given.get("schedule_every", "step"),
        report_every=given.get("report_every", "step"),
        class_weight=_class_weight(name, given.get("class_weight")),
        sample_weight=None if rows is None else checked_weights(f"{name}, sample_weight", rows),
    )


def check_function(name: str, key: str, function: Any) -> None:
    """Raises unless it can be called."""
    if not callable(function):
        raise InputError(f"{name}, {key}: expected a function; received {type(function).__name__}")


def _class_weight(name: str, given: Any) -> Mapping[int, float] | None:
    if given is None:
        return None
    try:
        found = {int(label): float(weight) for label, weight in dict(given).items()}
    except (TypeError, ValueError):
        found = {}
    if not found or not all(np.isfinite(w) and w >= 0 for w in found.values()):
        raise InputError(
            f"{name}, class_weight: expected a mapping {{class: weight}} of numbers of at least "
            f"0; received {given!r:.60}"
        )
    return found


def argument_names(function: Any) -> tuple[str, ...]:
    """The names of a function's arguments, as far as they are known."""
    try:
        # What TensorFlow compiles keeps the function of which it is made.
        return tuple(inspect.signature(getattr(function, "python_function", function)).parameters)
    except (TypeError, ValueError):
        return ()


def weights_argument(function: Any) -> str | None:
    """The argument by which a function is given the weights of the rows, if it has one."""
    known = argument_names(function)
    return next((name for name in _WEIGHTS if name in known), None)


def weighing(function: Any, where: str, weights: Array | None) -> dict[str, Array]:
    """The weights of the rows as a function's keyword argument.

    Args:
        function: the author's loss, step, …
        where: whose it is and what, for messages.
        weights: ``(N,)``, or ``None`` where all rows count alike.

    Raises:
        InputError: the function takes no weights though some rows count more than others.
    """
    argument = weights_argument(function)
    if weights is None or (argument is None and bool(np.all(weights == 1))):
        return {}
    if argument is None:
        raise InputError(
            f"{where}: expected an argument for the weights of the rows ({', '.join(_WEIGHTS)}); "
            "received a function without one",
            hint="weights of rows or classes were given, and only the loss can say how they count",
        )
    return {argument: weights}


class Authored(Implementation):
    """An implementation that answers for what its author gave by ``Options``."""

    author: Author

    def batches(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
        """What the author's own ``batches`` yields, without the weights."""
        for batch_x, batch_y, _ in self.weighted_batches(x, y, epoch):
            yield batch_x, batch_y

    def weighted_batches(
        self, x: Array, y: Array, epoch: int
    ) -> Iterable[tuple[Array, Array, Array | None]]:
        """What the author's own ``batches`` yields."""
        for batch in self._function("batches")(x, y, epoch):
            yield read_batch(batch, self.name)

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows the author's own ``validation`` holds out."""
        return self._two("validation", x, y)

    def preprocess(self, x: Array, y: Array | None) -> tuple[Array, Array | None]:
        """The data as the author's own ``preprocess`` makes it."""
        if "preprocess" not in self.author.functions:
            return x, y
        found = self._two("preprocess", np.array(x), y if y is None else np.array(y))
        return found[0], None if y is None else found[1]

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Trains as the author does, from the raw data, and records."""
        prepared_x, prepared_y = self.preprocess(x, y)
        return watch_loop(
            self, prepared_x, y if prepared_y is None else prepared_y,
            batches=self._given("batches"),
            sample_weight=self.author.sample_weight,
            report=self._given("report"),
            report_every=self.author.report_every,
            result=self._given("result"),
            epochs=epochs, batch_size=batch_size, limit=limit,
        )  # fmt: skip

    def _function(self, key: str) -> Callable[..., Any]:
        if key not in self.author.functions:
            raise CannotError(key)
        return self.author.functions[key]

    def _given(self, key: str) -> Any:
        return self._function(key) if key in self.author.functions else None

    def _two(self, key: str, x: Array, y: Array | None) -> tuple[Array, Array]:
        returned = self._function(key)(x, y)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise InputError(
                f"{self.name}, {key}: expected (x, y); received {type(returned).__name__}"
            )
        found = as_array(returned[0]), as_array(returned[1])
        if returned[1] is not None and len(found[0]) != len(found[1]):
            raise InputError(
                f"{self.name}, {key}: expected as many targets as rows; received "
                f"{len(found[0])} rows and {len(found[1])} targets"
            )
        return found
