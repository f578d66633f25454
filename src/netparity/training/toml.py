"""Configurations as TOML files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netparity.errors import InputError


def read_toml(file: Path) -> dict[str, Any]:
    """The values in a TOML file.

    Args:
        file: the file, UTF-8.

    Raises:
        InputError: it is not there, cannot be read, or is not TOML (it is said where).
    """
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"`{file}` cannot be read: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"`{file}` is not TOML: {error}") from error


def as_toml(values: Mapping[str, Any], comment: str = "") -> str:
    """Values as TOML, tables last.

    Args:
        values: numbers, texts, booleans, lists of these, and mappings from names to these.
        comment: for the first lines.

    Returns:
        The text; ``tomllib`` reads the same values from it.

    Example:
        >>> print(as_toml({"rate": 0.1, "hidden": [2, 3], "constants": {"beta1": 0.9}}), end="")
        rate = 0.1
        hidden = [2, 3]
        <BLANKLINE>
        [constants]
        beta1 = 0.9
    """
    lines = [f"# {line}" for line in comment.splitlines()]
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    lines += [f"{name} = {_value(value)}" for name, value in values.items() if name not in tables]
    for table, entries in tables.items():
        lines += ["", f"[{table}]"] if entries else []
        lines += [f"{name} = {_value(value)}" for name, value in entries.items()]
    return "".join(f"{line}\n" for line in lines)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        # Python writes inf and nan as TOML does.
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's too, but for DEL, which JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    raise TypeError(f"TOML has no {type(value).__name__}")
