from __future__ import annotations

from typing import Any

from netparity.cases import Case, Expected
from netparity.judgement import judge

CASE = Case(
    id="a", title="", summary="", left="", right="", data="",
    expected=(Expected("init-value", ("same-seed-different-stream",)),
              Expected("l2-half-factor", stage="regularization")),
)  # fmt: skip


def report(*causes: tuple[str, str], unexplained: int = 0, explained: bool = True) -> dict:
    places: list[dict[str, Any]] = [{"stage": "loss", "where": "loss"}] * unexplained
    return {
        "causes": [{"id": id, "stage": stage} for id, stage in causes],
        "unexplained": places,
        "explained": explained,
    }


BOTH = (("same-seed-different-stream", "init"), ("l2-half-factor", "regularization"))


def test_all_that_is_known_under_any_of_its_names() -> None:
    judgement = judge(CASE, report(*BOTH))
    assert judgement.equal
    assert judgement.found == ("same-seed-different-stream", "l2-half-factor")
    # One cause at two places is one cause.
    assert judge(CASE, report(*BOTH, BOTH[0])).equal


def test_missing_wrong_stage_and_claimed() -> None:
    assert judge(CASE, report(BOTH[0])).missing == ("l2-half-factor",)
    wrong = judge(CASE, report(BOTH[0], ("l2-half-factor", "loss")))
    assert wrong.missing == ("l2-half-factor",)
    assert wrong.claimed == ("l2-half-factor",)
    more = judge(CASE, report(*BOTH, ("l2-half-factor", "loss"), ("mse-reduction", "loss")))
    assert more.claimed == ("l2-half-factor in stage loss", "mse-reduction")
    assert not more.equal
    assert "mse-reduction" in more.told()


def test_unexplained_and_an_open_gap_are_not_equal() -> None:
    assert judge(CASE, report(*BOTH, unexplained=1)).claimed == ("unexplained loss in loss",)
    assert not judge(CASE, report(*BOTH, explained=False)).equal
    assert "does not close" in judge(CASE, report(*BOTH, explained=False)).told()
