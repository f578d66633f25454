"""How numbers and verdicts are put into words, the same in every view."""

from __future__ import annotations

import math
from typing import Any, Final

from netparity.report.model import Cause, Divergence, Evidence, Gap, Report

VERDICTS: Final = {
    "root-cause": "root cause: removing it alone brings its stage to the noise floor",
    "contributes": "contributes: its stage reaches the noise floor only together with others",
}
ON: Final = {
    "live": "verified on the live implementation",
    "twin": "verified on a twin that reproduces that side to the noise floor",
}


def number(value: Any) -> str:
    """A number with three significant digits; ``–`` where there is none.

    Example:
        >>> number(0.0123456), number(2.2e-16), number(3), number(None), number(float("nan"))
        ('0.0123', '2.2e-16', '3', '–', 'NaN')
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.3g}"


def exact(value: Any) -> str:
    """A fitted number, with the digits that show how well it holds.

    Example:
        >>> exact(0.5000000000000001), exact(2.0), exact("√(v̂+ε)"), exact(None)
        ('0.5', '2', '√(v̂+ε)', '–')
    """
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.10g}"
    return number(value)


def evidence(found: Evidence) -> tuple[str, str, str]:
    """A relation, what was measured and what stands against it; of two sides, whose each is.

    Example:
        >>> from netparity.report.model import Evidence
        >>> evidence(Evidence("rows in a batch, left against right", 32, 16, None))
        ('rows in a batch', 'left 32', 'right 16')
        >>> evidence(Evidence("loss_R / loss_L", 0.5, 0.5, 0.0))
        ('loss_R / loss_L', '0.5', 'expected 0.5')
    """
    relation, fitted = found.relation, exact(found.fitted)
    for ending in (", left against right", ": left against right"):
        if relation.endswith(ending):
            return relation.removesuffix(ending), f"left {fitted}", f"right {exact(found.expected)}"
    expected = "" if found.expected is None else f"expected {exact(found.expected)}"
    return relation, fitted, expected


def share(effect: Any) -> str:
    """An effect as a share of the gap.

    Example:
        >>> share(0.834), share(0.0002)
        ('83 % of the gap', '0.02 % of the gap')
        >>> share(None)
        'not measured on the gap (reporting, or the gap is at the noise floor)'
    """
    if effect is None:
        return "not measured on the gap (reporting, or the gap is at the noise floor)"
    if not math.isfinite(effect):
        return f"{number(effect)} times the gap"
    percent = 100 * effect
    digits = f"{percent:.0f}" if abs(percent) >= 10 or percent == 0 else f"{percent:.1g}"
    return f"{digits} % of the gap"


def count(amount: int, what: str) -> str:
    """An amount with its noun.

    Example:
        >>> count(1, "cause"), count(0, "cause")
        ('1 cause', 'no causes')
    """
    return f"1 {what}" if amount == 1 else f"{amount or 'no'} {what}s"


def summary(report: Report) -> str:
    """The verdict in one sentence."""
    if report.verdict == "incomparable":
        return "no stage could be compared"
    causes = count(len(report.causes), "cause")
    accepted = sum(cause.accepted for cause in report.causes)
    parts = [f"{causes}, each verified" if report.causes else causes]
    if accepted:
        parts.append(f"{accepted} of them accepted")
    unexplained = len(report.unexplained)
    parts.append(
        f"{count(unexplained, 'difference')} unexplained"
        if unexplained
        else ("nothing unexplained")
    )
    if report.latent:
        parts.append(count(len(report.latent), "latent convention"))
    return ", ".join(parts)


def gap(gap: Gap) -> str:
    """The gap before and after, in one sentence."""
    if gap.before is None:
        return f"{gap.metric}: not measured"
    horizon = (
        "rounding alone does not part the runs within these steps"
        if gap.horizon is None
        else f"rounding alone parts the runs after step {gap.horizon}"
    )
    after = "" if gap.after is None else f", {number(gap.after)} once the causes are removed"
    return (
        f"{gap.metric}: {number(gap.before)}{after} "
        f"(noise floor {number(gap.noise_floor)}; {count(gap.steps, 'step')}; {horizon})"
    )


def first(divergence: Divergence | None) -> str | None:
    """The first place where the sides part, in one sentence."""
    if divergence is None:
        return None
    step = "" if divergence.step is None else f", step {divergence.step}"
    return (
        f"they part in {divergence.stage}, {divergence.where}{step}: difference "
        f"{number(divergence.difference)}, noise floor {number(divergence.noise_floor)}"
    )


def relation(cause: Cause) -> str | None:
    """What it says of a cause that it compensates or masks others."""
    if cause.relation is None:
        return None
    others = ", ".join(cause.related_to) or "others"
    if cause.relation == "compensates":
        return f"cancels exactly with {others}: changing one alone opens a gap"
    return f"masks {others}: that one shows only once this is removed"


def place(where: tuple[str, ...], most: int = 4) -> str:
    """Places in a few words.

    Example:
        >>> place(("a", "b", "c"), most=2)
        'a, b and 1 more'
    """
    if len(where) > most:
        return f"{', '.join(where[:most])} and {len(where) - most} more"
    return ", ".join(where)
