"""How a change is made: by setting switches of a description's pieces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from benchmarks.pairs.description import Change, Description

from netparity import nn

#: Makes a change of one id for a description, or nothing where it does not apply there.
Maker = Callable[[Description, np.random.Generator], "Change | None"]


def choose(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    """One of several, whatever they are."""
    return values[int(rng.integers(len(values)))]


def other(rng: np.random.Generator, values: Sequence[Any], than: Any) -> Any:
    """One of several that is not the present one; ``None`` where there is none."""
    rest = [v for v in values if v != than]
    return choose(rng, rest) if rest else None


def on_layers(
    id: str,
    description: Description,
    names: Sequence[str],
    make: Callable[[Any], nn.Layer],
    *,
    stage: str = "forward",
    about: Sequence[str] = ("",),
    same: tuple[str, ...] = (),
) -> Change:
    """Some layers replaced.

    Args:
        id: the cause.
        description: the side as it is.
        names: of the layers.
        make: from the layer as it is to the new one.
        stage: the stage that the cause belongs to.
        about: the switches touched; the whole layer by default.
        same: further ids that no number can tell from this one.
    """
    old = dict(description.layers)
    new = {name: make(old[name]) for name in names}

    def apply(d: Description) -> Description:
        present = dict(d.layers)
        for name in names:
            if name in present:
                d = d.with_layer(name, make(present[name]))
        return d

    touches = tuple(f"layers.{name}.{switch}".rstrip(".") for name in names for switch in about)
    return Change(
        id, stage, f"{', '.join(names)}: {next(iter(new.values()))}", apply, touches, same
    )


def on_piece(
    id: str,
    stage: str,
    piece: str,
    fields: Mapping[str, Any],
    same: tuple[str, ...] = (),
) -> Change:
    """Switches of the loss or the optimizer set otherwise."""

    def apply(d: Description) -> Description:
        new = dataclasses.replace(getattr(d, piece), **fields)
        return dataclasses.replace(d, **{piece: new})

    what = ", ".join(f"{piece}.{name} → {value!r}" for name, value in fields.items())
    return Change(id, stage, what, apply, tuple(f"{piece}.{name}" for name in fields), same)


def replaced(
    id: str, stage: str, piece: str, value: Any, what: str, same: tuple[str, ...] = ()
) -> Change:
    """A whole piece put in another's place."""

    def apply(d: Description) -> Description:
        return dataclasses.replace(d, **{piece: value})

    return Change(id, stage, what, apply, (piece,), same)


def bug(
    id: str, stage: str, name: str, touches: Sequence[str], same: tuple[str, ...] = ()
) -> Change:
    """A mistake in a program written out by hand."""

    def apply(d: Description) -> Description:
        return dataclasses.replace(d, bugs=(*d.bugs, name))

    return Change(id, stage, f"bug {name}", apply, tuple(touches), same)


def overlap(one: Change, two: Change) -> bool:
    """Whether two changes are about the same thing."""
    return any(
        a == b or a.startswith(f"{b}.") or b.startswith(f"{a}.")
        for a in one.touches
        for b in two.touches
    )
