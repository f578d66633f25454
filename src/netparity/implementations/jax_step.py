"""A whole step of an author's own in JAX, where values are not written but replaced.

Such a step keeps its parameters in one of three ways: it is given them and returns them, it
rebinds a variable of its own that holds them, or it replaces the entries of a dictionary or list
that holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax

from netparity.errors import InputError
from netparity.implementations.author import argument_names
from netparity.implementations.jax_program import Program, cast
from netparity.implementations.own_step import plain_function

_SLOTS: Final = ("opt_state", "optimizer_state", "state")
_KEYS: Final = ("key", "rng")


class JaxStep:
    """The author's ``train_step`` as a function that moves a program.

    Args:
        function: ``train_step(x, y)``, which may ask for ``params``, ``opt_state`` and ``key``
            and then returns the first, or the first and the second, among others.
        program: what it moves.
        given: the objects by which the author may hold the parameters, each with the way from
            it to them: ``(variables, "params")``.
        where: whose step it is, for messages.

    Raises:
        InputError: nobody can see where it keeps its parameters.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        program: Program,
        given: Sequence[tuple[Any, str | None]],
        where: str,
    ) -> None:
        self.function = function
        self._program = program
        self._where = where
        self._names = argument_names(function)
        self._given = given
        held = _variables(function)
        self._params = next(
            ((place, way) for place in held for thing, way in given if place.value is thing), None
        )
        mutable = [(t, w) for t, w in given if isinstance(t, dict | list)]
        self._container: tuple[Any, str | None] | None = mutable[0] if mutable else None
        self._slots = next((place for place in held if self._like_slots(place.value)), None)
        if "params" not in self._names and self._params is None and self._container is None:
            raise InputError(
                f"{where}: expected a function that is given params and returns them, or one that "
                "rebinds the params that were handed over; found neither",
                hint="def train_step(x, y, params, opt_state): … return params, opt_state",
            )

    def _like_slots(self, value: Any) -> bool:
        slots = self._program.slots
        if slots is None or not jax.tree_util.tree_leaves(slots):
            return False
        same: bool = jax.tree_util.tree_structure(value) == jax.tree_util.tree_structure(slots)
        return same

    def __call__(self, x: Any, y: Any, **named: Any) -> Any:
        """One step of the program."""
        program = self._program
        if "params" in self._names:
            self._functional(x, y, named)
            return
        if self._slots is not None:
            self._slots.value = _apart(program.slots)
        if self._params is not None:
            place, way = self._params
            place.value = _within(place.value, way, _apart(program.params))
            self.function(x, y, **named)
            self._take(place.value if way is None else place.value[way])
        elif self._container is not None:
            held, way = self._container
            _write(held if way is None else held[way], program.params)
            self.function(x, y, **named)
            self._take(held if way is None else held[way])
        if self._slots is not None:
            program.slots = cast(self._slots.value, program.dtype)

    def _take(self, params: Any) -> None:
        program = self._program
        fitting = jax.tree_util.tree_structure(params) == jax.tree_util.tree_structure(
            program.params
        )
        if not fitting:
            raise InputError(
                f"{self._where}: expected parameters like those handed over; received "
                f"{jax.tree_util.tree_structure(params)}"
            )
        program.params = cast(params, program.dtype)

    def _functional(self, x: Any, y: Any, named: dict[str, Any]) -> None:
        program = self._program
        asked: dict[str, Any] = {"params": _apart(program.params)}
        asked |= {name: program.slots for name in _SLOTS if name in self._names}
        asked |= {name: program.key for name in _KEYS if name in self._names}
        returned = self.function(x, y, **asked, **named)
        parts = list(returned) if type(returned) in (tuple, list) else [returned]
        like = jax.tree_util.tree_structure(program.params)
        if jax.tree_util.tree_structure(returned) == like:
            parts = [returned]
        found = [part for part in parts if jax.tree_util.tree_structure(part) == like]
        if not found:
            raise InputError(
                f"{self._where}: expected the new params among what it returns; received "
                f"{type(returned).__name__}",
                hint="return params, opt_state",
            )
        slots = [part for part in parts if part is not found[0] and self._like_slots(part)]
        self._take(found[0])
        if slots:
            program.slots = cast(slots[0], program.dtype)


class _Variable:
    """A variable of a function: a cell of its closure, or a global."""

    def __init__(self, holder: Any, key: str | None) -> None:
        self._holder, self._key = holder, key

    @property
    def value(self) -> Any:
        """What it holds."""
        return self._holder.cell_contents if self._key is None else self._holder[self._key]

    @value.setter
    def value(self, value: Any) -> None:
        if self._key is None:
            self._holder.cell_contents = value
        else:
            self._holder[self._key] = value


def _variables(function: Any) -> list[_Variable]:
    """The variables that a function reads and that hold something now."""
    inner = plain_function(function)
    found = []
    for cell in getattr(inner, "__closure__", None) or ():
        try:
            cell.cell_contents  # noqa: B018
        except ValueError:
            continue
        found.append(_Variable(cell, None))
    names = getattr(getattr(inner, "__code__", None), "co_names", ())
    known = getattr(inner, "__globals__", {})
    return found + [_Variable(known, name) for name in names if name in known]


def _apart(tree: Any) -> Any:
    """The same arrays in dictionaries and lists of their own, which the author may write to."""
    return jax.tree_util.tree_map(lambda leaf: leaf, tree)


def _within(held: Any, way: str | None, params: Any) -> Any:
    return params if way is None else {**held, way: params}


def _write(held: Any, values: Any) -> None:
    """Puts arrays into the dictionaries and lists that hold an author's."""
    keys = held.keys() if isinstance(held, Mapping) else range(len(held))
    for key in keys:
        if isinstance(held[key], dict | list):
            _write(held[key], values[key])
        else:
            held[key] = values[key]
