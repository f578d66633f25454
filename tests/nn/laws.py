"""Whether numbers follow a law."""

import math

import numpy as np

from netparity.nn import Law

#: Of samples that do follow the law, one in a million would fail.
_LEVEL = 1e-6


def follows(values: np.ndarray, law: Law, *, fan_in: int, fan_out: int) -> bool:
    """Whether all values lie in the support and their distribution is that of the law.

    The largest distance between the two distribution functions (Kolmogorov and Smirnov)
    exceeds √(ln(2/level)/(2n)) with at most the probability ``level`` (Dvoretzky, Kiefer,
    Wolfowitz, with Massart's constant). It is blind to cut-off tails, so the ends must fit too:
    all n values lie below the largest with the probability F(largest)ⁿ.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    n = ordered.size
    low, high = law.support(fan_in, fan_out)
    # A draw made or kept in float32 may be rounded past the end by half an ulp.
    slack = float(np.finfo(np.float32).eps)
    if ordered[0] < low - slack * abs(low) or ordered[-1] > high + slack * abs(high):
        return False
    probability = law.cdf(ordered, fan_in, fan_out)
    if max(probability[0], 1.0 - probability[-1]) > -math.log(_LEVEL) / n:
        return False
    above = np.abs(probability - np.arange(1, n + 1) / n).max()
    below = np.abs(probability - np.arange(n) / n).max()
    return bool(max(above, below) <= math.sqrt(math.log(2.0 / _LEVEL) / (2.0 * n)))
