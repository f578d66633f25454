"""The mean of a few measurements, and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

#: The two-sided 95 % points of Student's t for 1, 2, … degrees of freedom.
_T: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its interval.

    Attributes:
        value: the mean.
        half_width: half the width of its 95 % interval; ``None`` for a single measurement.
    """

    value: float
    half_width: float | None

    def in_per_cent(self) -> str:
        """The mean and its interval, of shares.

        Example:
            >>> Mean(0.461, 0.0084).in_per_cent()
            '46.1 % ± 0.8'
        """
        text = f"{100 * self.value:.1f} %"
        return text if self.half_width is None else f"{text} ± {100 * self.half_width:.1f}"


def mean(values: Sequence[float]) -> Mean:
    """The mean and its 95 % interval by Student's t.

    Args:
        values: at least one measurement.

    Example:
        >>> mean([1.0, 2.0, 3.0])
        Mean(value=2.0, half_width=2.484...)

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    count = len(values)
    middle = math.fsum(values) / count
    if count == 1:
        return Mean(middle, None)
    variance = math.fsum((value - middle) ** 2 for value in values) / (count - 1)
    # Beyond the table the point lies between its last entry and that of the normal law, 1.96.
    quantile = _T[min(count - 1, len(_T)) - 1]
    return Mean(middle, quantile * math.sqrt(variance / count))


def standard_error(share: float, rows: int) -> float:
    """The standard error of a share that was measured on so many rows.

    Args:
        share: from 0 to 1.
        rows: how many.

    Example:
        >>> round(standard_error(0.46, 1000), 4)
        0.0158
    """
    return math.sqrt(share * (1.0 - share) / rows)
