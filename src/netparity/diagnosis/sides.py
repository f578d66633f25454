"""The two sides as they were handed over: built, rebuilt and reset.

Left is built first and right after it, in one process where they can share one, so that a
shared random stream shows. Global random states are saved before left's first build and put
back before every rebuild of the pair, in each process; netparity seeds none of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netparity import randomness
from netparity.diagnosis import matching
from netparity.implementations import adapt
from netparity.implementations.base import Array, Implementation
from netparity.implementations.process import Elsewhere, Process, load_both
from netparity.implementations.process.programs import move
from netparity.implementations.turned import Turned
from netparity.loading import Loaded, settings
from netparity.loading.programs import Surroundings

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

    @property
    def process(self) -> Process | None:
        """The other process it lives in, if it does."""
        return self.loaded.process if isinstance(self.loaded, Elsewhere) else None

    def reset(self) -> None:
        """Puts the side back to the state in which it was handed over."""
        self.live.restore(self.built)


@dataclass(slots=True)
class Pair:
    """Both sides, and the global random states they were built from."""

    left: Side
    right: Side
    seed: int
    origin: Streams = field(repr=False)
    data: dict[Which, tuple[Array, Array | None]] = field(default_factory=dict, repr=False)
    turns: dict[Which, tuple[int, ...]] = field(default_factory=dict)
    raw: tuple[Array, Array | None] | None = field(default=None, repr=False)

    def sides(self) -> tuple[Side, Side]:
        """Left, then right."""
        return self.left, self.right

    @property
    def shared(self) -> bool:
        """Whether both live in one process, and so draw from the same global generators."""
        return self.left.process is self.right.process

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
        return self.shown(side, construct(side.loaded, self.seed))

    def shown(self, side: Side, live: Implementation) -> Implementation:
        """A side just built, with its inputs' axes as left has them, and shown the data."""
        if side.which in self.turns:
            live = Turned(live, self.turns[side.which])
        if side.which in self.data:
            live.prepare(*self.data[side.which])
        return live

    def show(self, x: Array, y: Array | None) -> None:
        """Shows each side the data as it prepares them; where one waits, both are built again.

        Where right's inputs are left's with their axes in another order, right is given left's
        from here on.
        """
        self.raw = (x, y)
        prepared = {s.which: s.live.preprocess(x, y) for s in self.sides()}
        axes = matching.turn(prepared["left"][0], prepared["right"][0])
        if axes is not None:
            self.turns["right"] = axes
            self.right.live = Turned(self.right.live, axes)
            prepared["right"] = self.right.live.preprocess(x, y)
        self.data = prepared
        if any(side.live.needs_data for side in self.sides()):
            for side, live in zip(self.sides(), self.rebuild(), strict=True):
                side.live, side.built = live, live.state()

    def where(self) -> Mapping[str, Any]:
        """In which processes the sides ran, and why: for the report's environment."""
        if self.left.process is None and self.right.process is None:
            return {"shared": True}
        found: dict[str, Any] = {"shared": self.shared, "why": self.why}
        for side in self.sides():
            if side.process is not None:
                there = side.process.ask("environment")
                found[side.which] = {
                    "settings": side.process.ask("settings"),
                    "libraries": there["libraries"],
                    "variables": there["variables"],
                }
        return found

    @property
    def why(self) -> str | None:
        """Why a side lives elsewhere, if one does."""
        reasons = [s.loaded.why for s in self.sides() if isinstance(s.loaded, Elsewhere)]
        return reasons[0] if reasons else None

    def close(self) -> None:
        """Ends the processes that sides live in."""
        for side in self.sides():
            if side.process is not None:
                side.process.close()


@dataclass(frozen=True, slots=True)
class Streams:
    """States of the global generators, of every process that has a side in it.

    Attributes:
        here: those of this process.
        there: those of the others.
    """

    here: randomness.GlobalRandomStates
    there: tuple[tuple[Process, Any], ...] = ()

    @staticmethod
    def capture(*loaded: Loaded) -> Streams:
        """The present ones."""
        processes = dict.fromkeys(
            side.process for side in loaded if isinstance(side, Elsewhere) and side.process
        )
        return Streams(randomness.capture(), tuple((p, p.ask("capture")) for p in processes))

    def restore(self) -> None:
        """Puts them back."""
        self.here.restore()
        for process, states in self.there:
            process.ask("rewind", states)


def disturb(side: Side, seed: int) -> None:
    """Puts each global generator of a side's process into another, seeded state."""
    if side.process is None:
        randomness.disturb(seed)
    else:
        side.process.ask("disturb", seed)


def reseed(side: Side, name: str, value: int) -> None:
    """Seeds one global generator of a side's process."""
    if side.process is None:
        randomness.seed(name, value)
    else:
        side.process.ask("reseed", name, value)


def generators(side: Side) -> list[str]:
    """The global generators of a side's process."""
    if side.process is None:
        return list(randomness.fingerprint())
    return list(side.process.ask("generators"))


def open_pair(left: Any, right: Any, seed: int) -> Pair:
    """Loads and builds both sides, left first.

    Where a side comes out under other process-wide settings than it asked for, or changes
    those of the other, both are loaded again in processes of their own.

    Args:
        left: an implementation, anything ``adapt`` takes, a callable that returns one, a spec,
            or a ``netparity.loading.Loaded``.
        right: likewise.
        seed: handed to callables that take ``seed``.

    Raises:
        InputError: a side cannot be loaded, built or adapted; its own traceback is kept.
    """
    sides = load_both(left, right)
    try:
        try:
            return _built(*sides, seed)
        except _Apart as apart:
            sides = move(sides, str(apart), apart.began)
            return _built(*sides, seed)
    except BaseException:
        for side in sides:
            if isinstance(side, Elsewhere) and side.process is not None:
                side.process.close()
        raise


class _Apart(Exception):
    """Two sides were found not to share a process well."""

    def __init__(self, why: str, began: Surroundings) -> None:
        super().__init__(why)
        self.began = began


def _built(left: Loaded, right: Loaded, seed: int) -> Pair:
    """Builds both sides.

    Raises:
        _Apart: they got in each other's way, and both can be loaded elsewhere.
    """
    origin = Streams.capture(left, right)
    first = _side("left", left, seed)
    if left.name is None or right.name is None or isinstance(left, Elsewhere):
        return Pair(first, _side("right", right, seed), seed, origin)
    before = settings.present()
    frameworks = settings.read(left.spec).frameworks | {first.live.framework}
    try:
        second = _side("right", right, seed)
        why = settings.changed(before, frameworks)
    except Exception as error:
        if left.began is None or not frameworks & settings.read(right.spec).frameworks:
            raise
        why = f"right could not be built beside left ({type(error).__name__})"
    if why is not None and left.began is not None:
        origin.restore()
        raise _Apart(why, left.began)
    return Pair(first, second, seed, origin)


def _side(which: Which, loaded: Loaded, seed: int) -> Side:
    live = construct(loaded, seed)
    return Side(which, loaded, _spec(loaded), live, live.state())


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
