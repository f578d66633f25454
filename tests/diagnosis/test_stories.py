"""The seven stories, told through the command line: what is known is found, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.diagnosis.runs import Ahead, Done, netparity, run

from netparity.cases import IDS, find
from netparity.catalogue import all_conventions
from netparity.report.model import STAGES

for framework in ("torch", "tensorflow", "keras"):
    pytest.importorskip(framework)

#: Written down here again, so that no story can lower what is asked of it. A cause that goes by
#: one of several names is a tuple of them.
KNOWN: dict[str, list[tuple[str, ...]]] = {
    "keras-l2": [("l2-half-factor",)],
    "keras-l2-deep": [("layer-gradient-misplaced",)],
    "tf1-keras-dropout": [
        ("dropout-rate-vs-keep",),
        ("train-metrics-dropout-on",),
        ("train-loss-running-average",),
        ("same-seed-different-stream", "init-value"),
    ],
    "keras-twins": [("rng-stream-position",), ("seed-scope",)],
    "xor-torch": [("reported-quantity",), ("init-law",), ("bias-absent",), ("mse-reduction",)],
    "cs231n-torch": [
        ("multiclass-hinge-margin",),
        ("weight-decay-bias",),
        ("penalty-in-reported-loss",),
        ("sampling-with-replacement",),
        ("best-parameters-aliased",),
    ],
    "cs231n-dropout": [("dropout-gradient-missing",)],
}
SIDE = {"name", "framework", "version"}
KEYS: dict[str, set[str]] = {
    "report": {
        "schema", "netparity", "verdict", "explained", "left", "right", "gap", "first_divergence",
        "stages", "causes", "latent", "innocent", "unexplained", "environment",
    },
    "left": SIDE,
    "right": SIDE,
    "gap": {"metric", "before", "after", "noise_floor", "steps", "horizon"},
    "first_divergence": {"stage", "where", "step", "difference", "noise_floor"},
    "stages": {"stage", "status", "where", "difference", "noise_floor", "reason"},
    "causes": {
        "id", "also", "relation", "with", "stage", "where", "left", "right", "statement",
        "evidence", "fix", "verdict", "verified_on", "residual", "noise_floor", "effect",
        "accepted",
    },
    "evidence": {"relation", "fitted", "expected", "residual"},
    "fix": {"left", "right"},
    "latent": {"id", "stage", "where", "left", "right", "statement", "reason"},
    "innocent": {"id", "why"},
    "unexplained": {"stage", "where", "difference", "noise_floor"},
}  # fmt: skip

#: Tells all variants of one story in one process: their sides, built by the story's own builders.
VARIANTS = """
import json, sys
from netparity import compare, datasets
from netparity.cases import find
from netparity.errors import InputError
from netparity.loading import load

case = find(sys.argv[1])
arrays = load(case.data).target(datasets.load(case.dataset))
told = {}
for variant in case.variants:
    try:
        report = compare(
            variant.left, variant.right, data=arrays, steps=case.steps,
            batch_size=case.batch_size, seed=case.seed,
        )
    except InputError as error:
        told[variant.name] = {"verdict": "error", "message": error.message}
    except Exception as error:
        told[variant.name] = {"verdict": "fault", "message": repr(error)}
    else:
        told[variant.name] = report.to_dict()
with open(sys.argv[2], "w") as file:
    json.dump(told, file)
"""


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Done]]:
    ahead = Ahead(request, "told")
    yield lambda id: ahead.get(id, lambda one: netparity("case", one, "--format", "json"))
    ahead.close()


def check_shape(report: dict[str, Any]) -> None:
    """Keys, words and numbers as the contract says them."""
    assert set(report) == KEYS["report"]
    assert report["schema"] == 1
    assert report["verdict"] in {"parity", "divergent", "incomparable"}
    assert isinstance(report["explained"], bool)
    for name in ("left", "right", "gap"):
        assert set(report[name]) == KEYS[name], name
    if report["first_divergence"] is not None:
        assert set(report["first_divergence"]) == KEYS["first_divergence"]
    for name in ("stages", "causes", "latent", "innocent", "unexplained"):
        for record in report[name]:
            assert set(record) == KEYS[name], name
    assert [stage["stage"] for stage in report["stages"]] == [
        stage for stage in STAGES if stage in {s["stage"] for s in report["stages"]}
    ]
    for stage in report["stages"]:
        assert stage["status"] in {"equal", "different", "not-checked"}
        if stage["status"] == "not-checked":
            assert stage["reason"]
        else:
            floor, difference = number(stage["noise_floor"]), number(stage["difference"])
            assert (difference > floor) == (stage["status"] == "different"), stage
    for cause in report["causes"]:
        assert cause["stage"] in STAGES
        assert cause["verdict"] in {"root-cause", "contributes"}
        assert cause["verified_on"] in {"live", "twin"}
        assert cause["relation"] in {None, "compensates", "masks"}
        assert set(cause["fix"]) == KEYS["fix"]
        assert cause["evidence"]
        for evidence in cause["evidence"]:
            assert set(evidence) == KEYS["evidence"]


def number(value: float | str) -> float:
    """A number of the report; the contract's words for those that are not finite."""
    if isinstance(value, str):
        assert value in {"inf", "-inf", "nan"}
    return float(value)


@pytest.mark.slow
@pytest.mark.parametrize("id", IDS)
def test_the_story_tells_what_is_known_and_nothing_else(
    id: str, told: Callable[[str], Done]
) -> None:
    done = told(id)
    assert done.status == 0, done.err
    report = strict(done.out)  # stdout is JSON, and JSON alone
    check_shape(report)
    assert report["verdict"] == "divergent"
    causes = report["causes"]
    found = [cause["id"] for cause in causes]
    for names in KNOWN[id]:
        assert [name for name in found if name in names], f"{names} not among {found}"
    allowed = {name for names in KNOWN[id] for name in names}
    assert set(found) <= allowed
    assert report["unexplained"] == []
    assert report["explained"] is True
    gap = report["gap"]
    assert number(gap["after"]) <= number(gap["noise_floor"])
    different = {s["stage"] for s in report["stages"] if s["status"] == "different"}
    for cause in causes:
        assert cause["id"] in {entry.id for entry in all_conventions()}
        assert cause["stage"] in different
        assert cause["verified_on"] in {"live", "twin"}
        assert number(cause["residual"]) <= number(cause["noise_floor"]), cause["id"]
        assert cause["fix"]["left"] or cause["fix"]["right"]
        assert cause["statement"]
        if cause["stage"] == "reporting":
            assert cause["effect"] is None
    assert report["first_divergence"]["stage"] in different
    # What is known of a story is also what `netparity cases` says of it.
    assert {e.id for e in find(id).expected} <= allowed


@pytest.fixture(scope="module")
def variants(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Any]]:
    ahead = Ahead(request, "variants")
    folder = tmp_path_factory.mktemp("variants")
    (folder / "variants.py").write_text(VARIANTS)

    def start(id: str) -> Done:
        return run([str(folder / "variants.py"), id, str(folder / f"{id}.json")])

    def get(id: str) -> Any:
        done = ahead.get(id, start)
        assert done.status == 0, done.err
        return strict((folder / f"{id}.json").read_text())

    yield get
    ahead.close()


#: What stays to be found in a variant that is divergent, by the stage it stands in.
STAYS = {
    ("keras-l2-deep", "unequal"): {},
    ("tf1-keras-dropout", "rate"): {
        "train-metrics-dropout-on": "reporting",
        "train-loss-running-average": "reporting",
    },
    ("keras-twins", "other-order"): {"rng-stream-position": "rng", "seed-scope": "rng"},
}
OPTIONAL = {"same-seed-different-stream", "init-value"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "id",
    [id for id in IDS if find(id).variants],
)
def test_the_variants_give_their_verdicts(id: str, variants: Callable[[str], Any]) -> None:
    reports = variants(id)
    assert set(reports) == {variant.name for variant in find(id).variants}
    for variant in find(id).variants:
        report = reports[variant.name]
        assert report["verdict"] == variant.verdict, f"{variant.name}: {report}"
        check_shape(report)
        if variant.verdict == "parity":
            assert report["causes"] == []
            assert report["unexplained"] == []
            assert report["explained"] is True
            gap = report["gap"]
            assert number(gap["after"]) <= number(gap["noise_floor"])
            assert gap["steps"] >= 1
        else:
            found = {cause["id"]: cause["stage"] for cause in report["causes"]}
            stays = STAYS[id, variant.name]
            assert stays.items() <= found.items(), variant.name
            assert set(found) <= set(stays) | OPTIONAL, variant.name
            assert report["causes"] or report["unexplained"], variant.name
