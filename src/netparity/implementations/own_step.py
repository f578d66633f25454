"""A whole step of training as its author makes it."""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping
from typing import Any

from netparity.errors import InputError
from netparity.implementations.base import Implementation
from netparity.implementations.values import is_plain, put_back, snapshot

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


class OwnStep:
    """The author's ``train_step``, called with what it takes: tensors, or else arrays.

    Which of the two is found out at the first call: where tensors raise, everything is put
    back and arrays are tried; where these raise as well, the first error stands.

    Args:
        function: the author's.
        side: whose step it is.
        where: the same in words.
    """

    def __init__(self, function: Callable[..., Any], side: Implementation, where: str) -> None:
        self.function = function
        self._side = side
        self._where = where
        self._takes_arrays: bool | None = None

    def call(self, tensors: Callable[[], Arguments], arrays: Callable[[], Arguments]) -> Any:
        """Makes one step; each argument gives what the function is called with."""
        if self._takes_arrays is not None:
            return self._with(arrays if self._takes_arrays else tensors)
        before = self._side.state()
        try:
            returned = self._with(tensors)
            self._takes_arrays = False
            return returned
        except InputError:
            raise
        except Exception as error:
            first = error
        self._side.restore(before)
        try:
            returned = self._with(arrays)
        except Exception:
            self._side.restore(before)
            raise first from None
        self._takes_arrays = True
        return returned

    def _with(self, arguments: Callable[[], Arguments]) -> Any:
        positional, named = arguments()
        return self.function(*positional, **named)

    # ---- what it keeps ------------------------------------------------------------------
    def state(self) -> Mapping[str, Any]:
        """Plain data that the function keeps between two steps: counters, flags, sums."""
        return {name: snapshot(value) for name, value in self._kept().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts it back."""
        live = self._kept()
        for name, value in state.items():
            self._keep(name, put_back(live.get(name), value))

    def _kept(self) -> dict[str, Any]:
        """What it keeps, by where: its closure, its object, and globals that it writes."""
        inner = plain_function(self.function)
        kept: dict[str, Any] = {}
        for cell in getattr(inner, "__closure__", None) or ():
            number = len(kept)
            try:
                kept[f"cell {number}"] = cell.cell_contents
            except ValueError:
                kept[f"cell {number}"] = self
        owner = getattr(self.function, "__self__", None)
        held = getattr(owner, "__dict__", {})
        kept |= {f"self {name}": value for name, value in held.items()}
        written = getattr(inner, "__globals__", {})
        kept |= {f"global {n}": written[n] for n in self._globals(inner) if n in written}
        return {name: value for name, value in kept.items() if is_plain(value) or _frozen(value)}

    def _keep(self, name: str, value: Any) -> None:
        where, _, key = name.partition(" ")
        inner = plain_function(self.function)
        if where == "cell":
            inner.__closure__[int(key)].cell_contents = value
        elif where == "self":
            owner: Any = getattr(self.function, "__self__", None)
            owner.__dict__[key] = value
        else:
            inner.__globals__[key] = value

    @staticmethod
    def _globals(function: Any) -> list[str]:
        code = getattr(function, "__code__", None)
        if code is None:
            return []
        return [i.argval for i in dis.get_instructions(code) if i.opname == "STORE_GLOBAL"]


def _frozen(value: Any) -> bool:
    """Whether it is made of arrays that nobody can write, so that a reference is a copy."""
    if isinstance(value, tuple | list):
        return all(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        return all(_frozen(item) for item in value.values())
    return value is None or type(value).__module__.partition(".")[0] in ("jax", "jaxlib")


def plain_function(function: Any) -> Any:
    """The Python function behind a method, or behind one that a framework compiles.

    Example:
        >>> plain_function("text".upper) is not None
        True
    """
    for attribute in ("function", "__func__", "python_function", "__wrapped__"):
        function = getattr(function, attribute, function)
    return function
