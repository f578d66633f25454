"""The benchmark: its pairs are what they say, its scores are right, and a small draw of it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.pairs import classes, drawing, renderers, scoring, table, truth
from benchmarks.pairs.changes import MAKERS, not_made
from benchmarks.pairs.description import Change, Description, Pair, Style, only

from netparity import catalogue, nn

torch = pytest.importorskip("torch")
PLAIN = ("numpy", "torch", "solver")
ROOT = Path(__file__).parent.parent.parent


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def description(**changed: Any) -> Description:
    """A small network with everything at its plainest."""
    bend = changed.pop("bend", nn.Tanh())
    layers = (
        ("dense1", nn.Affine(5, 8)), ("bend1", bend),
        ("dense2", nn.Affine(8, 8)), ("bend2", bend),
        ("dense3", nn.Affine(8, 3)),
    )  # fmt: skip
    base = Description(
        layers=layers, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.05),
        initial=drawing.initial(layers, rng()),
    )  # fmt: skip
    return dataclasses.replace(base, **changed)


def pair(
    base: Description, ids: tuple[str, ...], left: str = "numpy", right: str = "numpy",
    styles: tuple[Style, Style] = (Style(), Style(product="backwards")),
) -> Pair:  # fmt: skip
    stages: list[Description] = [base]
    changes: list[Change] = []
    for id in ids:
        change = MAKERS[id](stages[-1], rng(1))
        assert change is not None
        changes.append(change)
        stages.append(change.apply(stages[-1]))
    x, y = drawing.data(rng(2), base, 1.0)
    return Pair(0, 0, left, right, *styles, tuple(stages), tuple(changes), x, y, "mlp", 1.0, 10, 12)


# ---- what pairs are ---------------------------------------------------------------------------
def test_every_way_of_writing_a_description_down_computes_the_same() -> None:
    compared = 0
    for index in range(25):
        drawn = drawing.draw(3, index, (), PLAIN, most=0, families=("mlp",))
        base = dataclasses.replace(drawn.base, dtype="float64")
        style = dataclasses.replace(drawn.left_style, threads=1)
        kept_apart = base.of_kind(nn.Dropout) or base.of_kind(nn.BatchNorm)
        if kept_apart:  # Masks differ; a bias before a batch norm has a gradient of rounding alone.
            continue
        runs = [
            truth.run_once(kind, base, style, drawn)
            for kind in PLAIN
            if renderers.can(kind, base, style)
        ]
        for prediction, values, _ in runs[1:]:
            compared += 1
            for one, two in zip([runs[0][0], *runs[0][1]], [prediction, *values], strict=True):
                size = float(np.sqrt(np.mean(np.square(one))))
                assert np.max(np.abs(one - two)) <= 1e-6 * size, (index, drawn.network)
    assert compared > 10


@pytest.mark.parametrize("family", ["cnn", "rnn"])
def test_images_and_sequences_by_hand_are_those_of_the_others(family: str) -> None:
    compared = 0
    for index in range(14):
        drawn = drawing.draw(9, index, most=0, families=(family,), kinds=("numpy", "solver"))
        base = dataclasses.replace(drawn.base, dtype="float64")
        if base.of_kind(nn.Dropout):
            continue  # Masks differ.
        style = dataclasses.replace(drawn.left_style, threads=1)
        runs = [
            truth.run_once(kind, base, style, drawn)[0]
            for kind in PLAIN
            if renderers.can(kind, base, style)
        ]
        for other in runs[1:]:
            compared += 1
            size = float(np.sqrt(np.mean(np.square(runs[0]))))
            assert np.max(np.abs(runs[0] - other)) <= 1e-6 * size, (index, drawn.network)
    assert compared >= 12


def test_a_drawn_pair_is_always_the_same_and_right_is_left_with_the_changes() -> None:
    for index in range(30):
        one, two = (drawing.draw(5, index, kinds=PLAIN) for _ in range(2))
        assert one.kinds == two.kinds
        assert [c.what for c in one.changes] == [c.what for c in two.changes]
        assert np.array_equal(one.x, two.x)
        assert len(one.stages) == len(one.changes) + 1
        assert all(catalogue.find(c.id) for c in one.changes)


@pytest.mark.parametrize("id", MAKERS)
def test_a_change_of_each_id_shows(id: str) -> None:
    states = []
    for index in range(4):
        drawn = drawing.draw(11, index, (id,), ("numpy",), most=1)
        assert [c.id for c in drawn.changes] == [id]
        states += truth.states(drawn)
        if "visible" in states:
            return
    pytest.fail(f"{id}: {states}")


def test_a_change_that_does_nothing_here_is_latent() -> None:
    same = pair(description(clipping=nn.ClipByNorm(1e9)), ("clip-value",))
    stages = (same.base, dataclasses.replace(same.base, clipping=nn.ClipByNorm(1e8)))
    # Probes feed gradients up to 1e3, far below either limit.
    assert truth.states(dataclasses.replace(same, stages=stages)) == ["latent"]


def test_a_setting_that_a_renderer_forgets_is_refused() -> None:
    only(nn.SGD(0.1, momentum=0.9), "learning_rate", "momentum")
    with pytest.raises(renderers.Unable, match="dampening"):
        only(nn.SGD(0.1, dampening=0.5), "learning_rate", "momentum")
    assert not renderers.can("torch", description(optimizer=nn.Adam(0.1, epsilon_placement="hat")),
                             Style())  # fmt: skip
    assert not renderers.can("torch", description(bugs=("softmax-twice",)), Style())
    assert not renderers.can("numpy", description(loss=nn.GaussianNegativeLogLikelihood()), Style())


def test_every_id_is_made_or_its_reason_is_told() -> None:
    for entry in catalogue.all_conventions():
        assert (entry.id in MAKERS) != bool(not_made().get(entry.id))
        assert entry.injectable or entry.id not in MAKERS
    assert not_made()["matmul-precision"] == "it needs a GPU"
    assert catalogue.find("beta-value").injectable


# ---- scores ------------------------------------------------------------------------------------
def row(changes: list[tuple[str, str]], found: list[Any], unexplained: Any = ()) -> dict[str, Any]:
    return {
        "changes": [{"id": i, "stage": "update", "state": s, "any_of": [i]} for i, s in changes],
        "found": [
            {"id": f, "also": [], "verified": True} if isinstance(f, str) else f for f in found
        ],
        "unexplained": list(unexplained),
        "seconds": 1.0, "once_seconds": 0.5, "kinds": "numpy-torch", "index": 0,
        "exposure": ["step", "all"],
    }  # fmt: skip


def test_scores() -> None:
    both = [("beta-value", "visible"), ("loss-factor", "visible")]
    exact = scoring.score(row(both, ["loss-factor", "beta-value"]))
    assert (exact["hits"], exact["missed"], exact["false"], exact["exact"]) == (2, [], [], True)
    one = scoring.score(row(both, ["loss-factor", "momentum-value"]))
    assert (one["hits"], one["missed"], one["false"]) == (1, [["beta-value"]], ["momentum-value"])
    assert not one["exact"]
    assert not scoring.score(row([], [], ["gradient: b"]))["exact"]
    twice = scoring.score(row(both[:1], ["beta-value", "beta-value"]))
    assert (twice["hits"], twice["false"]) == (1, ["beta-value"])
    also = {"id": "momentum-value", "also": ["beta-value"], "verified": False}
    assert (scoring.score(row(both[:1], [also]))["verified"]) == 0
    latent = scoring.score(row([("beta-value", "latent")], ["beta-value"]))
    assert (latent["hits"], latent["false"]) == (0, ["beta-value"])
    assert scoring.score(row([("beta-value", "borderline")], ["beta-value"]))["exact"]


def test_what_steps_cannot_tell_is_one_class() -> None:
    step = (Style(), Style(exposure="step"))
    both = pair(description(), ("learning-rate-value", "loss-factor"), styles=step)
    rate, factor = (classes.of(c, both) for c in both.changes)
    assert rate == factor
    merged = scoring.score(
        {
            "changes": [
                {"id": c.id, "state": "visible", "any_of": sorted(classes.of(c, both))}
                for c in both.changes
            ],
            "found": [{"id": "learning-rate-value", "also": [], "verified": True}],
            "unexplained": [],
        }
    )
    assert merged["exact"]
    shown = pair(description(), ("learning-rate-value", "loss-factor"))
    assert [classes.of(c, shown) for c in shown.changes] == [
        {"learning-rate-value"}, {"loss-factor"},
    ]  # fmt: skip


def test_a_common_symptom_makes_no_class() -> None:
    changes = [("batch-order", "visible"), ("init-value", "visible")]
    found = row(changes, ["batch-order", "init-value"])
    for change in found["changes"]:
        change["any_of"].append("rng-stream-position")
    assert scoring.score(found)["exact"]
    found["found"].pop()
    assert scoring.score(found)["missed"] == [["init-value", "rng-stream-position"]]


def test_what_a_claim_says_itself_counts_before_what_it_could_be() -> None:
    changes = [("learning-rate-value", "visible"), ("loss-factor", "visible")]
    factor = {"id": "loss-factor", "also": ["learning-rate-value"], "verified": True}
    assert scoring.score(row(changes, [factor, "learning-rate-value"]))["exact"]


def test_figures() -> None:
    rows = [row([("beta-value", "visible")], ["beta-value"]), row([], ["loss-factor"])]
    rows += [row([("loss-factor", "visible")], [])]
    rivals = dict.fromkeys(table.RULES, False)
    rows = [r | scoring.score(r) | {"rivals": rivals, "verdict": "divergent"} for r in rows]
    rows.append(row([("beta-value", "visible")], []) | {"crash": "x", "fault": "netparity"})
    found = table.summary(rows)
    assert (found["one"]["pairs"], found["one"]["crashes"], found["one"]["recall"]) == (3, 1, 0.5)
    assert found["one"]["exact"] == pytest.approx(1 / 3)
    assert found["nothing"]["false alarms"] == [0]
    assert found["conventions"]["beta-value"] == {"changes": 2, "found": 1, "false": 0}
    assert found["conventions"]["loss-factor"] == {"changes": 1, "found": 0, "false": 1}
    assert found["shown"].keys() == {"steps alone"}
    assert (found["not run"], found["slow"]) == (0, 0)
    table.show(found)
    unrun = table.summary([*rows, rows[0] | {"crash": "inf", "fault": "generator"}])
    assert unrun["not run"] == 1
    assert unrun["one"] == found["one"]


def test_a_pair_that_raises_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Pair) -> Any:
        raise ValueError("no report")

    monkeypatch.setattr(scoring, "diagnose", fails)
    found = scoring.examine(pair(description(), ("loss-factor",)))
    assert found["fault"] == "netparity"
    assert "no report" in found["crash"]


def test_a_run_goes_on_from_its_rows_and_leaves_one_whole_file(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    kept = tmp_path / "found.json.rows"
    known = row([], []) | scoring.score(row([], []))
    known |= {"rivals": dict.fromkeys(table.RULES, False), "verdict": "parity", "network": "seen"}
    kept.write_text(json.dumps(known) + "\n", encoding="utf-8")
    command = [sys.executable, str(ROOT / "benchmarks" / "diagnosis.py"), "--pairs", "2",
               "--kind", "numpy", "--most", "0", "--json", str(out)]  # fmt: skip
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    whole = json.loads(out.read_text("utf-8"))
    assert [r["index"] for r in whole["rows"]] == [0, 1]
    assert whole["rows"][0]["network"] == "seen"
    assert list(tmp_path.iterdir()) == [out]
    assert "false alarms" in done.stdout
    assert "[2/2" in done.stderr


# ---- a small draw ------------------------------------------------------------------------------
SGD, ADAM = nn.SGD(0.05, momentum=0.9), nn.Adam(0.01)
REACHED: tuple[tuple[Any, tuple[str, ...], str, str], ...] = (
    ({}, (), "numpy", "torch"),
    ({"optimizer": ADAM}, (), "numpy", "solver"),
    ({"dtype": "float32"}, (), "numpy", "numpy"),
    ({}, ("activation-kind",), "numpy", "torch"),
    ({"bend": nn.GELU()}, ("gelu-variant",), "torch", "numpy"),
    ({}, ("loss-factor",), "numpy", "numpy"),
    ({}, ("ce-reduction",), "torch", "numpy"),
    ({}, ("penalty-absent",), "numpy", "torch"),
    ({"penalties": (nn.L2(0.05),)}, ("l2-half-factor",), "numpy", "numpy"),
    ({}, ("learning-rate-value",), "numpy", "torch"),
    ({"optimizer": SGD}, ("momentum-value",), "numpy", "solver"),
    ({"optimizer": ADAM}, ("beta-value",), "numpy", "torch"),
    ({"optimizer": ADAM}, ("adam-defaults",), "numpy", "numpy"),
    ({}, ("init-value",), "numpy", "torch"),
    ({}, ("bias-absent",), "numpy", "numpy"),
    ({}, ("gradient-factor",), "torch", "numpy"),
    ({}, ("activation-kind", "loss-factor", "learning-rate-value"), "torch", "numpy"),
)


@pytest.mark.parametrize(("changed", "ids", "left", "right"), REACHED)
def test_a_small_draw(changed: Any, ids: tuple[str, ...], left: str, right: str) -> None:
    found = scoring.examine(pair(description(**changed), ids, left, right))
    assert "crash" not in found, found.get("crash")
    assert [c["state"] for c in found["changes"]] == ["visible"] * len(ids)
    told = {k: found[k] for k in ("found", "missed", "false", "unexplained")}
    assert found["exact"], told
    assert found["verified"] == len(found["wanted"])
