"""An optax transformation with other constants: the same functions over other cells."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from typing import Any

#: (link, setting) → its new value: ``("scale", "step_size")``.
Changes = Mapping[tuple[str, str], Any]


def rebuilt(transformation: Any, changes: Changes) -> Any:
    """A transformation whose links have other constants.

    optax keeps its constants in the closures of ``init`` and ``update``: these are copied, with
    other values in the cells that hold them, wherever a link of that name is met.

    Args:
        transformation: of optax, or a chain of such.
        changes: the new constants.

    Example:
        >>> import optax
        >>> half = rebuilt(optax.sgd(1.0), {("scale", "step_size"): -0.5})
        >>> updates, _ = half.update({"w": 2.0}, half.init({"w": 2.0}))
        >>> float(updates["w"])
        -1.0
    """
    return _other(transformation, changes, {})


def _other(value: Any, changes: Changes, made: dict[int, Any]) -> Any:
    if id(value) in made:
        return made[id(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_other(item, changes, made) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(_other(item, changes, made) for item in value)
    if not inspect.isfunction(value) or not value.__closure__:
        return value
    link = value.__qualname__.partition(".")[0]
    cells = [types.CellType() for _ in value.__closure__]
    copied = types.FunctionType(
        value.__code__, value.__globals__, value.__name__, value.__defaults__, tuple(cells)
    )
    copied.__kwdefaults__ = value.__kwdefaults__
    copied.__qualname__ = value.__qualname__
    made[id(value)] = copied
    for name, old, new in zip(value.__code__.co_freevars, value.__closure__, cells, strict=True):
        try:
            held = old.cell_contents
        except ValueError:
            continue
        known = (link, name) in changes
        new.cell_contents = changes[link, name] if known else _other(held, changes, made)
    return copied
