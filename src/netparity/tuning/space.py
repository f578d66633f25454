"""What is searched: the dimensions, how one point becomes a configuration, and how they narrow."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast, final

import msgspec

from netparity.training.configuration import Configuration, as_values, configured, overridden

if TYPE_CHECKING:
    from optuna import Trial

Value = bool | int | float | str
#: A point of the space: a value for each dimension.
Point = Mapping[str, Value]


@final
class Numbers(msgspec.Struct, frozen=True, tag="numbers"):
    """A dimension of numbers.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether factors count rather than differences.
        whole: whether they are whole.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggest(self, trial: Trial, name: str) -> Value:
        """A value for a trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def narrowed(self, values: Sequence[Value]) -> Numbers:
        """The part around some values, a tenth of the whole wider on either side.

        Args:
            values: those of the best points.

        Example:
            >>> Numbers(0.0, 1.0).narrowed([0.5, 0.6])
            Numbers(low=0.4, high=0.7, log=False, whole=False)
        """
        scale, back = (math.log, math.exp) if self.log else (float, float)
        numbers = [scale(float(value)) for value in values]
        margin = _MARGIN * (scale(self.high) - scale(self.low))
        low = max(self.low, back(min(numbers) - margin))
        high = min(self.high, back(max(numbers) + margin))
        if self.whole:
            return Numbers(float(math.floor(low)), float(math.ceil(high)), self.log, self.whole)
        return Numbers(low, high, self.log, self.whole)


@final
class Names(msgspec.Struct, frozen=True, tag="names"):
    """A dimension of names.

    Attributes:
        values: the names (or yes and no).
    """

    values: tuple[Value, ...]

    def suggest(self, trial: Trial, name: str) -> Value:
        """A value for a trial."""
        return cast("Value", trial.suggest_categorical(name, self.values))

    def narrowed(self, values: Sequence[Value]) -> Names:
        """Those that occur among some values.

        Args:
            values: those of the best points.

        Example:
            >>> Names(("adam", "sgd", "rmsprop")).narrowed(["sgd", "adam"]).values
            ('adam', 'sgd')
        """
        return Names(tuple(value for value in self.values if value in values))


Dimension = Numbers | Names
#: The dimensions by name.
Space = dict[str, Dimension]

#: How far a narrowed range reaches beyond the best values, as a share of the range before.
_MARGIN: Final = 0.1
#: The best of this share of the trials say where the search goes on.
_BEST: Final = 0.2
_FEWEST: Final = 3

#: The learning rate that an optimizer commonly has; the search looks for factors on it, so that
#: one dimension suits all optimizers.
USUAL_RATES: Final[Mapping[str, float]] = {
    "sgd": 0.05,
    "adam": 1e-3,
    "adamax": 2e-3,
    "nadam": 1e-3,
    "radam": 1e-3,
    "adagrad": 1e-2,
    "adadelta": 1.0,
    "rmsprop": 1e-3,
    "lion": 1e-4,
    "ftrl": 1e-2,
    "muon": 0.02,
}
#: Constants that differ from the optimizer's own.
CONSTANTS: Final[Mapping[str, dict[str, Any]]] = {"sgd": {"momentum": 0.9, "nesterov": True}}

#: The fields that each dimension sets: given beforehand, they are not searched.
_SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "optimizer": ("optimizer",),
    "rate": ("learning_rate",),
    "schedule": ("schedule",),
    "decay": ("weight_decay", "l2"),
    "width": ("hidden",),
    "depth": ("hidden",),
    "batch_norm": ("batch_norm",),
    "dropout": ("dropout",),
    "input_dropout": ("input_dropout",),
    "label_smoothing": ("label_smoothing", "loss"),
    "batch_size": ("batch_size",),
    "flip": ("flip",),
    "shift": ("shift",),
}

#: What the plots and the text call a dimension.
LABELS: Final[Mapping[str, str]] = {
    "rate": "learning rate (times the usual)",
    "decay": "weight decay a step (η λ)",
}


def wide(given: Collection[str], image: tuple[int, int, int] | None) -> Space:
    """The space of the coarse search.

    Args:
        given: the fields of the configuration that are set already.
        image: channels, height and width if a row is an image.

    Example:
        >>> list(wide({"hidden", "optimizer", "schedule"}, None))
        ['rate', 'decay', 'batch_norm', 'dropout', 'input_dropout', 'label_smoothing', 'batch_size']
    """
    space: Space = {
        "optimizer": Names(("adam", "sgd")),
        "rate": Numbers(0.05, 10.0, log=True),
        "schedule": Names(("constant", "cosine")),
        "decay": Numbers(1e-7, 1e-3, log=True),
        "width": Numbers(64, 768, log=True, whole=True),
        "depth": Numbers(1, 4, whole=True),
        "batch_norm": Names((False, True)),
        "dropout": Numbers(0.0, 0.7),
        "input_dropout": Numbers(0.0, 0.4),
        "label_smoothing": Numbers(0.0, 0.2),
        "batch_size": Numbers(32, 256, log=True, whole=True),
    }
    # Digits change their meaning when they are mirrored; photographs do not.
    if image is not None and image[0] == 3:
        space["flip"] = Names((False, True))
    if image is not None and min(image[1:]) >= _SHIFTED:
        space["shift"] = Numbers(0, min(image[1:]) // 8, whole=True)
    return {
        name: dimension
        for name, dimension in space.items()
        if not any(field in given for field in _SETS[name])
    }


#: An image of fewer pixels a side loses too much of itself when it is moved.
_SHIFTED: Final = 16


def suggested(space: Space, trial: Trial) -> dict[str, Value]:
    """A point for a trial.

    Args:
        space: the space.
        trial: the trial.
    """
    return {name: dimension.suggest(trial, name) for name, dimension in space.items()}


def at(point: Point, base: Configuration, given: Collection[str]) -> Configuration:
    """The configuration at a point.

    Args:
        point: a value for each dimension that is searched.
        base: what holds for the rest.
        given: the fields of it that were set by the user.

    Example:
        >>> point = {"optimizer": "sgd", "rate": 2.0, "width": 64, "depth": 2}
        >>> configuration = at(point, Configuration(), ())
        >>> configuration.learning_rate, configuration.hidden
        (0.1, (64, 64))
        >>> configuration.optimizer_constants
        {'momentum': 0.9, 'nesterov': True}
    """
    fields: dict[str, Any] = {
        name: point[name]
        for name in ("optimizer", "schedule", "batch_norm", "dropout", "input_dropout",
                     "label_smoothing", "batch_size", "flip", "shift")
        if name in point
    }  # fmt: skip
    optimizer = str(fields.get("optimizer", base.optimizer))
    if "optimizer" in point and "optimizer_constants" not in given:
        fields["optimizer_constants"] = CONSTANTS.get(optimizer, {})
    if "width" in point:
        fields["hidden"] = [int(point["width"])] * int(point["depth"])
    rate = base.learning_rate
    if "rate" in point:
        rate = fields["learning_rate"] = _rounded(USUAL_RATES[optimizer] * float(point["rate"]))
    if "decay" in point:
        fields["weight_decay"] = _rounded(float(point["decay"]) / max(rate, 1e-12))
    for name in ("dropout", "input_dropout", "label_smoothing"):
        if name in fields:
            fields[name] = _rounded(float(fields[name]))
    return configured(overridden(as_values(base), fields))


def _rounded(value: float) -> float:
    # Four digits are more than the search can tell apart, and can be read.
    return float(f"{value:.4g}")


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A point that was tried.

    Attributes:
        point: where.
        value: the validation accuracy there.
    """

    point: Point
    value: float


def best(found: Sequence[Found]) -> list[Found]:
    """The best of what was found, best first: a fifth of it, at least three.

    Args:
        found: all points tried to the end.

    Example:
        >>> [one.value for one in best([Found({}, value) for value in (0.1, 0.4, 0.3, 0.2)])]
        [0.4, 0.3, 0.2]
    """
    ordered = sorted(found, key=lambda one: -one.value)
    return ordered[: max(_FEWEST, math.ceil(_BEST * len(ordered)))]


def narrowed(space: Space, found: Sequence[Found]) -> Space:
    """The space of the fine search: around the best points of the coarse one.

    Args:
        space: the space of the coarse search.
        found: what was found in it.
    """
    top = best(found)
    if not top:
        return space
    return {
        name: dimension.narrowed([one.point[name] for one in top])
        for name, dimension in space.items()
    }


def with_epochs(configuration: Configuration, epochs: int) -> Configuration:
    """The same with another number of epochs.

    Args:
        configuration: any.
        epochs: the number.
    """
    return replace(configuration, epochs=epochs)
