from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from tests.report.example import make

from netparity.report.json import render_json


@pytest.fixture
def document() -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(render_json(make()), parse_constant=refuse)


def test_keys_are_those_of_the_contract_in_its_order(document: dict[str, Any]) -> None:
    assert list(document) == [
        "schema", "netparity", "verdict", "explained", "left", "right", "gap",
        "first_divergence", "stages", "causes", "latent", "innocent", "unexplained",
        "environment",
    ]  # fmt: skip
    assert set(document["gap"]) == {"metric", "before", "after", "noise_floor", "steps", "horizon"}
    assert list(document["causes"][0]) == [
        "id", "also", "relation", "with", "stage", "where", "left", "right", "statement",
        "evidence", "fix", "verdict", "verified_on", "residual", "noise_floor", "effect",
        "accepted",
    ]  # fmt: skip
    assert set(document["stages"][0]) == {
        "stage", "status", "where", "difference", "noise_floor", "reason"
    }  # fmt: skip
    assert set(document["latent"][0]) == {
        "id", "stage", "where", "left", "right", "statement", "reason"
    }  # fmt: skip


def test_non_finite_numbers_are_strings(document: dict[str, Any]) -> None:
    differences = {stage["stage"]: stage["difference"] for stage in document["stages"]}
    assert differences["gradient"] == "inf"
    assert differences["reporting"] == "nan"
    assert document["unexplained"][0]["difference"] == "inf"


def test_text_is_readable_and_ends_with_a_newline() -> None:
    text = render_json(make())
    assert "½Σ(ŷ−y)²" in text
    assert text.endswith("}\n")
