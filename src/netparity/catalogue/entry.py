"""The shape of a catalogue entry: everything about one convention in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Says of two pieces of the reference network whether the entry names a difference in a switch.
When = Callable[[Any, Any], bool]


def among(switch: str, *values: object) -> When:
    """Both sides have one of these values: each is some framework's own."""

    def holds(left: Any, right: Any) -> bool:
        return all(getattr(piece, switch) in values for piece in (left, right))

    return holds


def one_is(switch: str, value: object) -> When:
    """One side has this value."""

    def holds(left: Any, right: Any) -> bool:
        return value in {getattr(left, switch), getattr(right, switch)}

    return holds


def sum_to(switch: str, total: float) -> When:
    """The two values, as decimals of a few digits, add up to ``total``."""

    def holds(left: Any, right: Any) -> bool:
        return bool(abs(getattr(left, switch) + getattr(right, switch) - total) < 1e-9)

    return holds


@dataclass(frozen=True, slots=True)
class Convention:
    """One choice on which implementations differ.

    Attributes:
        id: the cause id, kebab-case.
        stage: the stage of the causal chain it belongs to.
        title: a few words.
        statement: what differs, with formulas, in one to four sentences.
        defaults: framework (``torch``, ``keras``, ``tensorflow``, ``jax``, ``sklearn``,
            ``numpy``) → what it does, with the version where that changed.
        signature: how the difference shows in numbers.
        imitate: how to set it in ``netparity.nn`` (a line of code), or ``None``.
        left_out: why ``netparity.nn`` has no switch for it, where it has none.
        switches: the fields of the reference network's pieces of which it speaks, as
            ``"Adam.epsilon"``: where two sides differ in one of them, this is the cause.
        when: of two pieces that differ in one of those switches, whether this entry names the
            difference; an entry that says so goes before one that does not.
        fix: framework → the line of code that changes it there. ``{value}`` stands for the
            value to set. ``"torch:alpha"`` is the line for one switch in torch,
            ``"torch:alpha=word"`` for one value of it.
        reference: where this is documented or defined.
        bug: whether it is a mistake of one side rather than a choice.
        not_injectable: why the benchmark of the diagnosis cannot change it on one side of a
            pair: it only raises, it needs a GPU, it is not in the reference network.
    """

    id: str
    stage: str
    title: str
    statement: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""
    imitate: str | None = None
    left_out: str = ""
    switches: tuple[str, ...] = ()
    when: When | None = None
    fix: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    bug: bool = False
    not_injectable: str = ""

    @property
    def injectable(self) -> bool:
        """Whether the benchmark of the diagnosis can change it on one side of a pair."""
        return not self.not_injectable

    def line(self, framework: str, switch: str = "", value: object = None) -> str | None:
        """The line of code for one framework; NumPy's where there is none.

        A word of the reference network is not one of a framework: it stands in a line only
        where the line is for that switch.

        Args:
            framework: as in ``fix``; the reference network is written as NumPy programs are.
            switch: of the reference network, where the entry speaks of several.
            value: that the switch is to have.
        """
        for of in (framework, "numpy"):
            for key in (f"{of}:{switch}={value}", f"{of}:{switch}"):
                if key in self.fix:
                    return self.fix[key]
            line = self.fix.get(of)
            if line is not None and not (isinstance(value, str) and "{value}" in line):
                return line
        return None
