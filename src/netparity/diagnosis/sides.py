"""The two sides as they were handed over: built, rebuilt and reset.

Left is built first and right after it, in one process, so that a shared random stream
shows. Global random states are saved before left's first build and put back before every
rebuild of the pair; netparity seeds none of them.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, Literal

from netparity import randomness
from netparity.implementations import adapt
from netparity.implementations.base import Array, Implementation
from netparity.loading import Loaded, load

Which = Literal["left", "right"]


@dataclass(slots=True)
class Side:
    """One side: what was handed over, and the implementation at hand now.

    Attributes:
        which: left or right.
        loaded: the implementation object, or a callable that builds one, and its name.
        spec: how it can be loaded in a fresh process, or ``None`` where it cannot.
        live: the implementation as last built.
        built: its full state right after it was built (as handed over).
    """

    which: Which
    loaded: Loaded
    spec: str | None
    live: Implementation
    built: Any

    @property
    def rebuilds(self) -> bool:
        """Whether the side can be built again (else it is reset by its recorded state)."""
        return self.loaded.builds

    def reset(self) -> None:
        """Puts the side back to the state in which it was handed over."""
        self.live.restore(self.built)


@dataclass(slots=True)
class Pair:
    """Both sides, and the global random states they were built from."""

    left: Side
    right: Side
    seed: int
    origin: randomness.GlobalRandomStates = field(repr=False)
    data: tuple[Array, Array | None] | None = field(default=None, repr=False)

    def sides(self) -> tuple[Side, Side]:
        """Left, then right."""
        return self.left, self.right

    def rebuild(self) -> tuple[Implementation, Implementation]:
        """Builds the pair again from the same global random states, left first."""
        self.origin.restore()
        return self.construct(self.left), self.construct(self.right)

    def rebuild_only(self, which: Which) -> Implementation:
        """Builds one side alone from the pair's first random states."""
        self.origin.restore()
        return self.construct(self.left if which == "left" else self.right)

    def construct(self, side: Side) -> Implementation:
        """Builds a side from where the global random streams are now."""
        live = construct(side.loaded, self.seed)
        if self.data is not None:
            live.prepare(*self.data)
        return live

    def show(self, x: Array, y: Array | None) -> None:
        """Shows both sides the data; where one waits for that, the pair is built again."""
        self.data = (x, y)
        if any(side.live.needs_data for side in self.sides()):
            for side, live in zip(self.sides(), self.rebuild(), strict=True):
                side.live, side.built = live, live.state()


def open_pair(left: Any, right: Any, seed: int) -> Pair:
    """Builds both sides, left first.

    Args:
        left: an implementation, anything ``adapt`` takes, a callable that returns one, or a
            ``netparity.loading.Loaded``.
        right: likewise.
        seed: handed to callables that take ``seed``.

    Raises:
        InputError: a side cannot be built or adapted; its own traceback is kept.
    """
    origin = randomness.capture()
    sides = []
    which: Which
    for which, handed in (("left", left), ("right", right)):
        loaded = handed if isinstance(handed, Loaded) else load(handed)
        live = construct(loaded, seed)
        sides.append(Side(which, loaded, _spec(loaded), live, live.state()))
    return Pair(sides[0], sides[1], seed, origin)


def construct(loaded: Loaded, seed: int) -> Implementation:
    """Builds (where a callable was handed over) and adapts one side."""
    implementation = adapt(loaded.build(seed))
    implementation.name = loaded.spec
    return implementation


def _spec(loaded: Loaded) -> str | None:
    """Under which a fresh process finds the same callable, if there is one."""
    if loaded.name is None:
        target = loaded.target
        name = getattr(target, "__qualname__", "")
        module = inspect.getmodule(target)
        if not loaded.builds or module is None or not name.isidentifier():
            return None
        file = getattr(module, "__file__", None)
        if module.__name__ == "__main__":
            return f"{file}:{name}" if file else None
        return f"{module.__name__}:{name}"
    return loaded.spec
