from __future__ import annotations

import io
import math
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from tests.report.example import make

from netparity.report.model import Curves, Measured, Picture, Report
from netparity.report.plots import _MOST_PER_STAGE, _cut, _worst, render_plots


def pixels(image: bytes) -> np.ndarray:
    return np.asarray(matplotlib.image.imread(io.BytesIO(image)))


def test_three_plots_are_drawn() -> None:
    plots = render_plots(make())
    assert list(plots) == ["curves", "differences", "effects"]
    for image in plots.values():
        drawn = pixels(image)
        assert drawn.shape[1] > 1000
        # Something is drawn, on white paper.
        assert drawn[..., :3].std() > 0.02
        assert drawn[0, 0, :3].tolist() == [1.0, 1.0, 1.0]


def test_the_dark_theme_has_dark_paper() -> None:
    for image in render_plots(make(), theme="dark").values():
        assert pixels(image)[0, 0, :3].max() < 0.2


def test_nothing_to_draw_gives_no_plot() -> None:
    assert render_plots(replace(make(), picture=Picture(), causes=())) == {}


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_plots(make()) == render_plots(make())


@pytest.mark.parametrize(
    "curves",
    [
        Curves("loss", (0.0,), (0.0,), (0.0,)),
        Curves("loss", (1.0, math.nan), (1.0, math.inf), ()),
        Curves("loss", (1.0, 1e-9, -1.0), (1.0, 1e9, 2.0), (1.0, 2.0, 3.0)),
        Curves("loss $x^$", (math.nan,), (math.nan,), (math.nan,)),
    ],
)
def test_awkward_curves_are_drawn(curves: Curves) -> None:
    assert "curves" in render_plots(replace(make(), picture=Picture(curves=curves)))


@pytest.mark.parametrize("effect", [None, 0.0, -0.5, 40.0, math.inf])
def test_awkward_effects_are_drawn(effect: float | None) -> None:
    report = make()
    causes = tuple(replace(cause, effect=effect) for cause in report.causes)
    assert "effects" in render_plots(replace(report, causes=causes))


def test_only_the_worst_of_a_stage_are_drawn_and_the_rest_counted() -> None:
    many = tuple(Measured("gradient", f"layer{i}", i * 1e-16, 1e-15) for i in range(20))
    broken = Measured("gradient", "broken", math.nan, 1e-15)
    rows, left_out = _worst((*many[:3], broken, *many[3:]))
    assert len(rows) == _MOST_PER_STAGE
    assert left_out == 21 - _MOST_PER_STAGE
    assert broken in rows
    assert many[-1] in rows
    assert many[0] not in rows


def test_all_zero_differences_and_floors_are_drawn() -> None:
    picture = Picture(measured=(Measured("init", "w", 0.0, 0.0),))
    report: Report = replace(make(), picture=picture)
    assert "differences" in render_plots(report)


def test_long_names_keep_both_ends() -> None:
    cut = _cut("gradient: " + "x" * 80 + ".weight")
    assert len(cut) <= 44
    assert cut.startswith("gradient: ")
    assert cut.endswith(".weight")
