"""Results as JSON."""

from __future__ import annotations

import json
import math


def as_json(value: object) -> str:
    """Plain data as JSON; numbers that JSON cannot say as ``"inf"``, ``"-inf"`` and ``"nan"``.

    Args:
        value: mappings, lists, texts and numbers.

    Example:
        >>> as_json([1.5, float("inf")]).split()
        ['[', '1.5,', '"inf"', ']']
    """
    return json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
