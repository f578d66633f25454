from __future__ import annotations

from dataclasses import replace

import pytest
from tests.report.example import make

from netparity.report.model import SideSummary
from netparity.report.text import WIDEST, render_text
from netparity.report.told import Told


def test_says_everything_the_model_holds() -> None:
    text = " ".join(render_text(make(), width=WIDEST).split())
    for said in (
        "DIVERGENT", "scratch.py:build", "numpy 2.4.0", "0.31", "2.1e-16 once the causes",
        "1. mse-reduction", "½Σ(ŷ−y)² over the batch", "mean of (ŷ−y)²",
        "loss_R / loss_L: 0.5, expected 0.5, residual 1.1e-16", "root cause",
        "verified on the live implementation", "83 % of the gap", "learning-rate-value",
        "cancels exactly with init-law", 'MSELoss(reduction="sum")',
        "loss = np.mean((p - y) ** 2)", "(accepted)", "contributes", "Unexplained",
        "gradient, dense1.weight: difference ∞", "grad-clip-kind", "inactive on this data",
        "both use 0.3", "left has no `update`", "mean [squared] error", "91.4 %",
        "netparity compare scratch.py:build torch_side.py:build --data xor",
        "it will then say: parity",
    ):  # fmt: skip
        assert said in text


def test_ends_with_what_to_do() -> None:
    lines = render_text(make()).rstrip().splitlines()
    assert lines[-1].strip() == "it will then say: parity"
    assert "What to do" in lines[-4]


def test_without_colour_there_is_no_escape_sequence_and_with_it_the_same_words() -> None:
    import re

    plain = render_text(make())
    coloured = render_text(make(), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    without = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert without.split() == plain.split()


@pytest.mark.parametrize("width", [10, 60, 80, 110, 400])
def test_keeps_to_its_width(width: int) -> None:
    limit = max(60, min(width, WIDEST))
    assert all(len(line) <= limit for line in render_text(make(), width=width).splitlines())


def test_markup_in_names_is_text() -> None:
    report = replace(make(), left=SideSummary("[bold]x[/bold]", "numpy", ""), title="[red]t")
    text = render_text(report)
    assert "[bold]x[/bold]" in text
    assert text.startswith("[red]t\n")


def test_a_story_tells_its_summary_and_suspects() -> None:
    told = Told("a", "t", "Somebody wrote it.", (("the metrics", "never fed back"),), "It departs.")
    text = render_text(make(), told)
    assert "Somebody wrote it." in text
    assert "the metrics: never fed back" in text
    assert "It departs." in text


def test_parity_says_that_there_are_no_causes() -> None:
    report = replace(make(), verdict="parity", causes=(), unexplained=(), latent=())
    assert "PARITY  no causes, nothing unexplained" in render_text(report)
