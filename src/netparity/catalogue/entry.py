"""The shape of a catalogue entry: everything about one convention in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
        fix: framework → the line of code that changes it there. ``{value}`` stands for the
            value to set.
        reference: where this is documented or defined.
        bug: whether it is a mistake of one side rather than a choice.
    """

    id: str
    stage: str
    title: str
    statement: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""
    imitate: str | None = None
    left_out: str = ""
    fix: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    bug: bool = False
