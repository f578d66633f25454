"""What a story is: two programs, their data, and what is known of them.

Each story lives in a folder of its own, ``netparity/cases/<id with underscores>/``, whose
``case.py`` holds a ``CASE`` and imports no framework; the programs are named as
``package.module:name`` and loaded only when the story is run.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Final

from netparity.errors import InputError

#: The ids of the stories, in the order in which they are told.
IDS: Final = (
    "keras-l2",
    "keras-l2-deep",
    "tf1-keras-dropout",
    "keras-twins",
    "xor-torch",
    "cs231n-torch",
    "cs231n-dropout",
)


@dataclass(frozen=True, slots=True)
class Expected:
    """One cause that must be found, under its id or one of the alternatives.

    Attributes:
        id: the cause id of the catalogue.
        alternatives: ids that count as well (other names of the same thing).
        stage: the stage it stands in; empty where that does not matter.
    """

    id: str
    alternatives: tuple[str, ...] = ()
    stage: str = ""

    def names(self) -> tuple[str, ...]:
        """The id and its alternatives."""
        return (self.id, *self.alternatives)


@dataclass(frozen=True, slots=True)
class Suspect:
    """What the author suspected and was innocent.

    Attributes:
        what: the suspect, as the author would name it.
        why: why it makes no difference.
    """

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Variant:
    """The same story with something changed, and what must then be found.

    Attributes:
        name: a short kebab-case name.
        left: ``package.module:name`` of the left side.
        right: ``package.module:name`` of the right side.
        verdict: ``parity``, ``divergent``, ``incomparable``, or ``error`` where a side raises.
        note: what it shows.
    """

    name: str
    left: str
    right: str
    verdict: str
    note: str


@dataclass(frozen=True, slots=True)
class Programs:
    """The two programs at the width of another data set than the story's own.

    Attributes:
        dataset: the name of the data set.
        left: ``package.module:name`` of the left side for that data set.
        right: the same for the right side.
    """

    dataset: str
    left: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One story: two programs as a person wrote them, and what is known of them.

    Attributes:
        id: the name on the command line.
        title: one line, what the two programs are.
        summary: who had them, what was seen, and what it was.
        left: ``package.module:name`` of the left implementation or its builder.
        right: the same for the right one.
        expected: the causes that must be found and verified; nothing else may be claimed.
        suspects: what was suspected and is innocent.
        departures: where the story departs from the program it is modelled on.
        data: ``module:function``, takes a ``netparity.datasets.Dataset``, returns ``(x, y)``.
        dataset: the data set by default.
        datasets: those that ``--data`` may name.
        programs: the builders for those of them that need other ones (other input widths).
        steps: training steps of the diagnosis.
        batch_size: rows fed a step where a side has no feeding of its own.
        seed: the seed handed to the builders.
        variants: the same story with something changed.
        full: ``module:function``, the run at the author's length, or ``None``; takes the
            ``Dataset`` and a progress callback ``(what, fraction done)`` and returns a tuple
            of ``netparity.report.model.Headline``.
    """

    id: str
    title: str
    summary: str
    left: str
    right: str
    expected: tuple[Expected, ...]
    suspects: tuple[Suspect, ...] = ()
    departures: str = ""
    data: str
    dataset: str = "digits"
    datasets: tuple[str, ...] = ("digits",)
    programs: tuple[Programs, ...] = ()
    steps: int = 20
    batch_size: int = 32
    seed: int = 0
    variants: tuple[Variant, ...] = ()
    full: str | None = None

    def sides(self, dataset: str) -> tuple[str, str]:
        """The left and the right builder for a data set.

        Args:
            dataset: a name out of ``datasets``.

        Returns:
            Two ``package.module:name``.

        Raises:
            InputError: the story does not run on that data set.
        """
        if dataset not in self.datasets:
            raise InputError(
                f"the story {self.id} runs on {' or '.join(self.datasets)}, not on {dataset!r}",
                hint=f"`netparity case {self.id} --data {self.datasets[0]}`",
            )
        for programs in self.programs:
            if programs.dataset == dataset:
                return programs.left, programs.right
        return self.left, self.right


def find(id: str) -> Case:
    """The story of that id.

    Args:
        id: as ``netparity cases`` lists it.

    Returns:
        Its metadata; no framework is imported.

    Raises:
        InputError: there is no such story; the hint names the nearest one.

    Example:
        >>> find("keras-l2").id
        'keras-l2'
    """
    if id not in IDS:
        near = difflib.get_close_matches(id.lower().replace("_", "-"), IDS, n=1, cutoff=0.4)
        hint = f"did you mean `{near[0]}`? " if near else ""
        raise InputError(
            f"no story is called {id!r}; expected one of {', '.join(IDS)}",
            hint=f"{hint}`netparity cases` lists them all",
        )
    module = importlib.import_module(f"netparity.cases.{id.replace('-', '_')}.case")
    case: Case = module.CASE
    return case


def all_cases() -> tuple[Case, ...]:
    """All stories, in the order in which they are told.

    Example:
        >>> [case.id for case in all_cases()][:2]
        ['keras-l2', 'keras-l2-deep']
    """
    return tuple(find(id) for id in IDS)
