"""Programs that live in another process, and which programs have to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netparity.implementations.process.process import Kept, Process
from netparity.implementations.process.side import RemoteSide
from netparity.loading import Loaded, load, settings
from netparity.loading.programs import Surroundings


@dataclass(frozen=True, slots=True)
class Elsewhere(Loaded):
    """One side before it is built, in another process.

    Attributes:
        process: where it is loaded.
        makes: whether what was named is a callable that makes the implementation.
        why: why it is not in this process.
    """

    process: Process | None = None
    makes: bool = True
    why: str = ""

    @property
    def builds(self) -> bool:
        """Whether the target is a callable that makes the implementation."""
        return self.makes

    def build(self, seed: int = 0) -> RemoteSide:
        """Builds and adapts it there."""
        kept, about = self._ask("build", seed)
        return RemoteSide(self._process(), kept, about)

    def defines(self, name: str) -> bool:
        """Whether its file defines that name."""
        return bool(self._ask("defines", name))

    def own(self, name: str, seed: int) -> object:
        """The data that its file calls by that name, made there."""
        return self._ask("data", name, seed)

    def _process(self) -> Process:
        assert self.process is not None
        return self.process

    def _ask(self, doing: str, *arguments: object) -> Any:
        return self._process().ask(doing, self.target, *arguments)


def elsewhere(spec: str, process: Process, why: str, surroundings: Surroundings) -> Elsewhere:
    """Loads a program in another process.

    Args:
        spec: as on the command line.
        process: where to.
        why: why not here.
        surroundings: what it was started with.
    """
    process.tell("load", spec)
    return _loaded(spec, process, why, surroundings)


def _loaded(spec: str, process: Process, why: str, surroundings: Surroundings) -> Elsewhere:
    about = process.answer()
    kept: Kept = about["program"]
    return Elsewhere(
        spec,
        kept,
        None if about["file"] is None else Path(about["file"]),
        about["module"],
        about["name"],
        surroundings,
        process,
        about["builds"],
        why,
    )


def load_both(left: object, right: object) -> tuple[Loaded, Loaded]:
    """Loads two sides: in this process where they can share it, else in processes of their own.

    Only what is named by a spec can live elsewhere; an object handed over stays.

    Args:
        left: a spec, an object or callable, or a side already loaded.
        right: likewise.

    Raises:
        InputError: a side cannot be loaded.
    """
    surroundings = Surroundings.here()
    given = {"left": left, "right": right}
    needs = {which: settings.read(s) for which, s in given.items() if isinstance(s, str)}
    if len(needs) == 2:
        why = settings.contradiction(needs["left"], needs["right"])
        if why is not None:
            return move((left, right), why, surroundings)
    # An object handed over computes with the settings of this process as they are.
    beside = len(needs) == 1
    for which in needs:
        why = settings.unfit(needs[which], beside=beside)
        if why is not None:
            return move((left, right), why, surroundings, shared=True)
    first = load(left)
    before = settings.present()
    if len(needs) < 2:
        return replace(first, began=surroundings), replace(load(right), began=surroundings)
    try:
        second = load(right)
        why = settings.changed(before, needs["left"].frameworks)
    except Exception as error:
        if not needs["left"].frameworks & needs["right"].frameworks:
            raise
        why = f"right could not be loaded beside left ({type(error).__name__})"
    if why is not None:
        return move((left, right), why, surroundings)
    return replace(first, began=surroundings), replace(second, began=surroundings)


def move(
    sides: tuple[object, object], why: str, surroundings: Surroundings, *, shared: bool = False
) -> tuple[Loaded, Loaded]:
    """Loads what is named by a spec elsewhere, each in a process of its own.

    Args:
        sides: left and right, as specs, objects or loaded here.
        why: why they move.
        surroundings: what the processes start with.
        shared: whether one process can hold both.
    """
    whose = dict(zip(("left", "right"), sides, strict=True))
    away = {which: spec for which, side in whose.items() if (spec := _spec(side)) is not None}
    started: dict[str, Process] = {}
    moved: dict[str, Loaded] = {}
    try:
        if shared:
            started = dict.fromkeys(away, Process(surroundings, " and ".join(away)))
            for which, spec in away.items():
                moved[which] = elsewhere(spec, started[which], why, surroundings)
        else:
            for which, spec in away.items():
                started[which] = Process(surroundings, f"{which} (`{spec}`)")
                started[which].tell("load", spec)  # both at once: importing takes seconds
            for which, spec in away.items():
                moved[which] = _loaded(spec, started[which], why, surroundings)
    except BaseException:
        for process in started.values():
            process.close()
        raise
    left, right = (moved.get(which) or load(side) for which, side in whose.items())
    return left, right


def _spec(side: object) -> str | None:
    """How a side can be loaded elsewhere, if it can."""
    if isinstance(side, Loaded):
        return side.spec if side.name is not None else None
    return side if isinstance(side, str) else None
