"""Whether what was found in a story is what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netparity.cases import Case


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found against what is known.

    Attributes:
        found: known causes that were found, under the id they were found by.
        missing: known causes that were not found.
        claimed: what was found and is not known: causes, and differences left unexplained.
        closed: whether the gap is at the noise floor once the causes are removed.
    """

    found: tuple[str, ...]
    missing: tuple[str, ...]
    claimed: tuple[str, ...]
    closed: bool

    @property
    def equal(self) -> bool:
        """Whether all that is known was found, and nothing else claimed."""
        return not self.missing and not self.claimed and self.closed

    def told(self) -> str:
        """The judgement in one sentence."""
        if self.equal:
            return "what was found is what is known of this story, and nothing else is claimed"
        parts = []
        if self.missing:
            parts.append(f"not found: {', '.join(self.missing)}")
        if self.claimed:
            parts.append(f"claimed and not known: {', '.join(self.claimed)}")
        if not self.closed:
            parts.append("the gap does not close when the causes are removed")
        return f"what was found is not what is known of this story: {'; '.join(parts)}"


def judge(case: Case, report: Mapping[str, Any]) -> Judgement:
    """Compares a story's report with what is known of it.

    Args:
        case: the story.
        report: the report as JSON data (``Report.to_dict()``).

    Returns:
        What was found, what is missing and what is claimed beyond.

    Example:
        >>> from netparity.cases import Expected
        >>> case = Case(
        ...     id="a",
        ...     title="",
        ...     summary="",
        ...     left="",
        ...     right="",
        ...     data="",
        ...     expected=(Expected("l2-half-factor", stage="regularization"),),
        ... )
        >>> cause = {"id": "l2-half-factor", "stage": "regularization"}
        >>> judge(case, {"causes": [cause], "unexplained": [], "explained": True}).equal
        True
        >>> judge(case, {"causes": [], "unexplained": [], "explained": True}).missing
        ('l2-half-factor',)
    """
    causes = [(cause["id"], cause["stage"]) for cause in report["causes"]]
    found: list[str] = []
    missing: list[str] = []
    known: set[tuple[str, str]] = set()
    for expected in case.expected:
        matching = [
            (id, stage)
            for id, stage in causes
            if id in expected.names() and expected.stage in ("", stage)
        ]
        if matching:
            found += [id for id, _ in matching if id not in found]
            known.update(matching)
        else:
            missing.append(expected.id)
    claimed = [
        id if id not in found else f"{id} in stage {stage}"
        for id, stage in causes
        if (id, stage) not in known
    ]
    claimed += [f"unexplained {item['stage']} in {item['where']}" for item in report["unexplained"]]
    return Judgement(
        found=tuple(found),
        missing=tuple(missing),
        claimed=tuple(claimed),
        closed=bool(report["explained"]),
    )
