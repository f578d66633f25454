"""What every schedule is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from netparity.errors import InputError


class Schedule(ABC):
    """The learning rate of each step.

    A schedule is a small frozen dataclass that is called with the number of steps made so far:
    ``schedule(0)`` is the rate of the first.

    **Parity** (`lr-schedule-first-step`, `float32-constants`): so it is in torch, Keras and
    optax alike. Where a torch scheduler is stepped once an epoch, ``PerEpoch`` says the same.
    Keras works a schedule out in float32, whatever its float width, unless the rate it is made
    with is a float64 array; here it is float64 always.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, step: float) -> float:
        """The learning rate.

        Args:
            step: steps made before this one.
        """


def between(start: float, end: float, share: float) -> float:
    """``start + (end − start) share``, exact at both ends.

    Args:
        start: at share 0.
        end: at share 1.
        share: from 0 to 1.
    """
    share = float(share)
    return float(start) * (1.0 - share) + float(end) * share


def check_positive(owner: object, name: str, value: float) -> None:
    """Refuses what is not above 0.

    Args:
        owner: whose constant.
        name: its name.
        value: the constant.

    Raises:
        InputError: it is not above 0.
    """
    if not value > 0:
        raise InputError(
            f"{type(owner).__name__}: {name} out of range. Expected a number above 0. "
            f"Received: {value!r}"
        )


def check_least(owner: object, name: str, value: float, least: float = 0.0) -> None:
    """Refuses what is below the least value.

    Args:
        owner: whose constant.
        name: its name.
        value: the constant.
        least: the least value.

    Raises:
        InputError: it is below that.
    """
    if not value >= least:
        raise InputError(
            f"{type(owner).__name__}: {name} out of range. Expected a number of at least "
            f"{least:g}. Received: {value!r}"
        )


def check_word(owner: object, name: str, word: str, *expected: str) -> None:
    """Refuses a word of no meaning.

    Args:
        owner: whose switch.
        name: its name.
        word: what it is set to.
        *expected: the words that have a meaning.

    Raises:
        InputError: it is none of them.
    """
    if word not in expected:
        raise InputError(
            f"{type(owner).__name__}: {name} has no such setting. Expected one of "
            f"{', '.join(map(repr, expected))}. Received: {word!r}"
        )


def check_boundaries(
    owner: object, boundaries: tuple[float, ...], pieces: tuple[object, ...]
) -> None:
    """Refuses boundaries that do not ascend or do not match the pieces between them.

    Args:
        owner: whose boundaries.
        boundaries: the steps at which the next piece begins.
        pieces: one more.

    Raises:
        InputError: they do not match, or do not ascend.
    """
    if len(pieces) != len(boundaries) + 1:
        raise InputError(
            f"{type(owner).__name__}: pieces for another number of boundaries. Expected "
            f"{len(boundaries) + 1}. Received: {len(pieces)}"
        )
    if list(boundaries) != sorted(boundaries):
        raise InputError(
            f"{type(owner).__name__}: boundaries in disorder. Expected ascending steps. "
            f"Received: {boundaries}"
        )
