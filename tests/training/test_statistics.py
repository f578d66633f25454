import math

import numpy as np
import pytest

from netparity.training.statistics import _T, mean, standard_error


def test_by_hand():
    # Mean 46; deviations −1, 0, 1: variance 1; t(0.975, 2) = 4.303; 4.303·√(1/3) = 2.484.
    found = mean([0.45, 0.46, 0.47])
    assert found.value == pytest.approx(0.46)
    assert found.half_width == pytest.approx(0.02484, rel=1e-3)
    assert found.in_per_cent() == "46.0 % ± 2.5"
    assert mean([0.5]).in_per_cent() == "50.0 %"
    assert mean([1.0] * 40).half_width == 0.0


def test_the_points_are_those_of_the_law():
    """P(|t| < point) = 0.95, by integrating the density."""
    for freedom, point in enumerate(_T, 1):
        x = np.linspace(-point, point, 20_001)
        constant = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2)
        density = constant / math.sqrt(freedom * math.pi)
        density = density * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
        # The points are given to three decimals: 0.0005 of them times a density of at most
        # 0.06 there; the trapezia are off by less than a millionth.
        assert abs(np.trapezoid(density, x) - 0.95) < 2 * 0.0005 * 0.06 + 1e-5


def test_the_interval_covers():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.5, 0.1, (2000, 5))
    intervals = [mean(list(row)) for row in draws]
    covered = np.mean([abs(one.value - 0.5) <= one.half_width for one in intervals])
    # Of 2,000, a share of 0.95 has a deviation of 0.0049; four of them.
    assert abs(covered - 0.95) < 4 * 0.0049


def test_the_standard_error_of_a_share():
    assert standard_error(0.46, 1000) == pytest.approx(0.01576, rel=1e-3)
