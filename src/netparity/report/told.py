"""What a view shows of a story besides its report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """A story around a report.

    Attributes:
        id: the story's name on the command line.
        title: what the two programs are, in one line.
        summary: who had them, what was seen, and what it was.
        suspects: what was suspected and is innocent, each with why.
        departures: where the story departs from the program it is modelled on.
        judgement: whether what was found is what is known, in one sentence.
        equal: whether it is.
    """

    id: str
    title: str
    summary: str
    suspects: tuple[tuple[str, str], ...] = ()
    departures: str = ""
    judgement: str = ""
    equal: bool = True
