"""Objects of ``netparity.nn`` from constants that a user has named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from netparity.errors import InputError
from netparity.training.choices import choose
from netparity.training.configuration import Constant


def made(
    kind: Any,
    what: str,
    given: Mapping[str, Any],
    constants: Mapping[str, Constant],
    also: Sequence[str] = (),
) -> Any:
    """An object of a dataclass from what is given and from constants that a user named.

    Args:
        kind: the dataclass.
        what: what such a constant is called in messages.
        given: fields that are no affair of the user's.
        constants: the user's, by the names of fields that are numbers or words.
        also: names of further fields that the user may set.

    Raises:
        InputError: there is no such constant (the hint has the nearest), or it is of another
            type or out of range.

    Example:
        >>> from netparity.nn.schedules import CosineDecay
        >>> given = {"learning_rate": 0.1, "steps": 10.0}
        >>> made(CosineDecay, "a constant", given, {"end": 0.01}).end
        0.01
    """
    scalars = [
        field.name
        for field in fields(kind)
        if field.name not in given and isinstance(field.default, bool | int | float | str)
    ]
    known = dict.fromkeys((*also, *scalars))
    for name in constants:
        choose(what, name, known)
    try:
        return msgspec.convert({**given, **constants}, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        text, _, place = str(error).partition(" - at `$.")
        raise InputError(
            f"{what} cannot be used: {place.rstrip('`')}. {text.replace('`', '')}"
        ) from None
