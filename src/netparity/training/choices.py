"""The names a configuration may use, and what is said of one that is not among them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from netparity.errors import InputError

ACTIVATIONS: Final = ("relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid")
INITIALIZATIONS: Final = ("he", "glorot", "lecun", "torch")
OPTIMIZERS: Final = (
    "sgd",
    "adam",
    "adamax",
    "nadam",
    "radam",
    "adagrad",
    "adadelta",
    "rmsprop",
    "lion",
    "ftrl",
    "muon",
)
SCHEDULES: Final = (
    "constant",
    "cosine",
    "linear",
    "polynomial",
    "exponential",
    "inverse-time",
    "cosine-restarts",
    "plateau",
)
LOSSES: Final = ("cross-entropy", "hinge")
STANDARDIZATIONS: Final = ("none", "global", "feature")
DTYPES: Final = ("float32", "float64")


def choose(what: str, name: str, known: Iterable[str]) -> str:
    """A name, if it is a known one.

    Args:
        what: what it names, for the message.
        name: the name given.
        known: the names there are.

    Returns:
        The name.

    Raises:
        InputError: it is none of them; the hint has the nearest one.

    Example:
        >>> choose("activation", "relu", ACTIVATIONS)
        'relu'
        >>> try:
        ...     choose("activation", "rellu", ACTIVATIONS)
        ... except InputError as error:
        ...     error.hint
        'did you mean `relu`?'
    """
    names = tuple(known)
    if name in names:
        return name
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    listed = ", ".join(names) or "none"
    raise InputError(
        f"{what} is not known. Expected one of {listed}. Received: {name!r}",
        hint=f"did you mean `{near[0]}`?" if near else None,
    )
