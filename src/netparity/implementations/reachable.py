"""What a program's functions keep between calls, found where they can reach it.

Momentum written by hand lives in a global, in a closure or on an object, and a program that
counts its steps rebinds a number. All of that has to be put back before a run is repeated, and
no author should have to list it.
"""

from __future__ import annotations

import functools
import inspect
import sysconfig
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, Final, final

import numpy as np

from netparity.implementations.values import is_plain, put_back, snapshot

#: Arrays that an optimizer keeps for each parameter, at the most; what is larger is data.
SLOTS: Final = 4
#: Elements that are never too many.
SMALL: Final = 10_000
#: Bits of a seed that somebody chose, at the most; one of 128 random bits has fewer once in 2³².
CHOSEN_BITS: Final = 96
_PACKAGE: Final = Path(__file__).parent.parent
_LIBRARIES: Final = tuple(
    path for key in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_paths().get(key))
)  # fmt: skip

#: Variables by name, of which some are looked at: a function's globals, an object's attributes.
Names = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """Copies of the plain data in the variables of each place, and in the cells of closures."""

    places: tuple[tuple[Names, dict[str, Any]], ...]
    cells: tuple[tuple[Any, Any], ...]


@final
class Reachable:
    """The plain data (numbers, arrays, collections of them) that functions can change.

    These are the globals that they name, their closures, the attributes of objects whose methods
    they are, and what is reached from there by functions and objects of the program itself;
    libraries are left alone. A random generator is among it if it was given a seed; that a
    program draws from one without has to show.

    Args:
        functions: of the program.
        parameters: how many elements its parameters have together: what has more than ``SLOTS``
            times as many is the data it is trained on.
    """

    def __init__(self, functions: Iterable[Callable[..., Any]], parameters: int) -> None:
        self._functions = tuple(functions)
        self._most = max(SLOTS * parameters, SMALL)

    def snapshot(self) -> Kept:
        """Copies of all of it."""
        walk = self._walk()
        places = tuple(
            (names, {key: snapshot(names[key]) for key in keys if self._keeps(names.get(key))})
            for names, keys in walk.places
        )
        cells = tuple((c, snapshot(c.cell_contents)) for c in walk.cells if self._holds(c))
        return Kept(places, cells)

    def put_back(self, kept: Kept) -> None:
        """Writes copies back, in place where that can be; what came since is taken away."""
        saved = {id(names): values for names, values in kept.places}
        for names, keys in self._walk().places:
            values = saved.get(id(names), {})
            for key in keys:
                if key in names and key not in values and self._keeps(names[key]):
                    del names[key]
        for names, values in kept.places:
            for key, value in values.items():
                restored = put_back(names.get(key), value)
                if key not in names or names[key] is not restored:
                    names[key] = restored
        for cell, value in kept.cells:
            restored = put_back(cell.cell_contents if _filled(cell) else None, value)
            if not _filled(cell) or cell.cell_contents is not restored:
                cell.cell_contents = restored

    def _walk(self) -> _Walk:
        walk = _Walk()
        for function in self._functions:
            walk.visit(function)
        return walk

    def _holds(self, cell: Any) -> bool:
        return _filled(cell) and self._keeps(cell.cell_contents)

    def _keeps(self, value: Any) -> bool:
        """Whether it is plain data that may change from call to call."""
        if value is None or isinstance(value, str | bytes) or not is_plain(value):
            return False
        if any(not _seeded(generator) for generator in _generators(value)):
            return False
        return _elements(value) <= self._most


class _Walk:
    """Everything of a program that is reached from some functions."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[Names, dict[str, None]]] = {}
        self.cells: list[Any] = []
        self._seen: set[int] = set()

    @property
    def places(self) -> list[tuple[Names, tuple[str, ...]]]:
        """Each place once, with the names in it that are looked at."""
        return [(names, tuple(keys)) for names, keys in self._places.values()]

    def _add(self, names: Names, keys: Iterable[str]) -> None:
        self._places.setdefault(id(names), (names, {}))[1].update(dict.fromkeys(keys))

    def visit(self, value: Any) -> None:
        """Goes on from a value, unless it is plain data or a library's."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.visit(part)
        elif isinstance(value, MethodType):
            self.visit(value.__func__)
            self.visit(value.__self__)
        elif isinstance(value, FunctionType):
            if not _of_a_library(value.__code__.co_filename):
                self._function(value)
        elif isinstance(value, list | tuple):
            for item in value:
                self.visit(item)
        elif isinstance(value, dict):
            for item in value.values():
                self.visit(item)
        elif not inspect.isclass(value) and not inspect.ismodule(value):
            self._object(value)

    def _function(self, function: FunctionType) -> None:
        names = tuple(n for n in _named(function.__code__) if n in function.__globals__)
        self._add(function.__globals__, names)
        for name in names:
            self.visit(function.__globals__[name])
        for cell in function.__closure__ or ():
            self.cells.append(cell)
            if _filled(cell):
                self.visit(cell.cell_contents)

    def _object(self, thing: Any) -> None:
        own = getattr(thing, "__dict__", None)
        if not isinstance(own, dict) or not _of_the_program(type(thing)):
            return
        self._add(own, tuple(own))
        for value in tuple(own.values()):
            self.visit(value)
        for kind in type(thing).__mro__:
            if _of_the_program(kind):
                for method in vars(kind).values():
                    if isinstance(method, FunctionType):
                        self.visit(method)


def _named(code: CodeType) -> Iterator[str]:
    """The names that code, and the functions written inside it, look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant)


def _of_the_program(kind: type) -> bool:
    """Whether a class is written in the program itself: one of its methods is."""
    functions = [f for f in vars(kind).values() if isinstance(f, FunctionType)]
    return any(not _of_a_library(f.__code__.co_filename) for f in functions)


def _of_a_library(filename: str) -> bool:
    return filename.startswith((*_LIBRARIES, "<frozen")) or _own(filename)


def _own(filename: str) -> bool:
    """Whether it is netparity's own code, but for the programs that it brings along."""
    package = str(_PACKAGE)
    return filename.startswith(package) and not filename.startswith(f"{package}/cases")


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _generators(value: Any) -> Iterator[np.random.Generator]:
    """The generators in plain data."""
    if isinstance(value, np.random.Generator):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _generators(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _generators(item)


def _seeded(generator: np.random.Generator) -> bool:
    """Whether somebody chose its seed: NumPy's own choice is a number of 128 random bits."""
    entropy = getattr(generator.bit_generator.seed_seq, "entropy", None)
    return not isinstance(entropy, int) or entropy.bit_length() <= CHOSEN_BITS


def _elements(value: Any) -> int:
    """How many numbers there are in plain data."""
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, dict):
        return sum(_elements(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(_elements(item) for item in value)
    return 1
