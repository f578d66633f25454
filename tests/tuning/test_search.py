"""Real searches on the digits, small: with several workers, killed ones, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from netparity import cli  # noqa: E402 (only where Optuna is there)
from netparity.errors import InputError  # noqa: E402 (the same)
from netparity.progress import NullProgress  # noqa: E402 (the same)
from netparity.tuning.command import as_text, run  # noqa: E402 (the same)
from netparity.tuning.lives import PROCESS, RETRY_OF  # noqa: E402 (the same)
from netparity.tuning.search import Plan  # noqa: E402 (the same)
from netparity.tuning.storage import open_storage, sqlite_in  # noqa: E402 (the same)

#: The coarse stage's trials must last long enough for one to be caught in the middle.
SMALL: dict[str, Any] = {"rows": 600, "validation": 0.3, "hidden": [20], "epochs": 18}
PLAN = Plan(study="small", trials=6, finalists=2, seeds=2, timeout=None)
STATES = optuna.trial.TrialState
EVERYTHING = {
    "best.toml", "study.db", "study.json", "study.png", "curves.png", "weights.png", "seeds",
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


def studies(storage: str) -> dict[str, optuna.Study]:
    opened = open_storage(storage)
    return {
        one.study_name: optuna.load_study(study_name=one.study_name, storage=opened)
        for one in optuna.get_all_study_summaries(opened)
    }


def ended(study: optuna.Study) -> int:
    return sum(one.state in (STATES.COMPLETE, STATES.PRUNED) for one in study.trials)


def counts(storage: str) -> dict[str, int]:
    return {name: len(study.trials) for name, study in studies(storage).items()}


def running(storage: str) -> list[tuple[optuna.Study, optuna.trial.FrozenTrial]]:
    """The trials that a worker has signed, with their studies."""
    if not Path(storage.removeprefix("sqlite:///")).exists():
        return []
    try:
        return [
            (study, trial)
            for study in studies(storage).values()
            for trial in study.get_trials(states=(STATES.RUNNING,))
            if PROCESS in trial.user_attrs
        ]
    except InputError:
        # The tables are being made.
        return []


def process_of(trial: optuna.trial.FrozenTrial) -> int:
    return int(trial.user_attrs[PROCESS].rpartition(":")[2])


@dataclass
class Search:
    """A search on the digits by two workers, the first of which was killed in a trial."""

    folder: Path
    killed: int
    result: dict[str, Any]

    @property
    def storage(self) -> str:
        return sqlite_in(self.folder)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp("search") / "out"
    results: list[dict[str, Any]] = []
    search = threading.Thread(
        target=lambda: results.append(run(SMALL, folder, PLAN, workers=2, progress=NullProgress()))
    )
    search.start()
    while True:
        assert search.is_alive()
        found = running(sqlite_in(folder))
        if found:
            os.kill(process_of(found[0][1]), signal.SIGKILL)
            # On a busy machine the trial may have ended before the signal came.
            study = studies(sqlite_in(folder))[found[0][0].study_name]
            if study.trials[found[0][1].number].state in (STATES.RUNNING, STATES.FAIL):
                break
    search.join()
    return Search(folder, found[0][1].number, results[0])


def test_a_killed_worker_loses_its_trial_which_is_tried_again(searched):
    study = studies(searched.storage)["small/coarse"]
    lost = study.trials[searched.killed]
    assert lost.state == STATES.FAIL
    (again,) = (one for one in study.trials if one.user_attrs.get(RETRY_OF) == lost.number)
    assert again.state in (STATES.COMPLETE, STATES.PRUNED)
    # What was not yet drawn of its point is drawn anew.
    assert lost.params.items() <= again.params.items()
    assert ended(study) == 4
    assert "1 lost with their worker and tried again" in as_text(searched.result, searched.folder)


def test_a_search_chooses_by_validation_and_tests_once(searched):
    folder, result = searched.folder, searched.result
    assert {file.name for file in folder.iterdir()} >= EVERYTHING
    trials = studies(searched.storage)
    (confirm,) = (study for name, study in trials.items() if "/confirm/" in name)
    (final,) = (study for name, study in trials.items() if "/final/" in name)
    assert [ended(trials[f"small/{name}"]) for name in ("coarse", "fine")] == [4, 2]
    assert (ended(confirm), ended(final)) == (4, 2)
    # Only the last stage has looked at the test rows.
    for name, study in trials.items():
        tested = ["result" in trial.user_attrs for trial in study.trials]
        assert sum(tested) == (2 if "/final/" in name else 0)
    assert len(result["final"]["test"]["each"]) == 2
    assert result["final"]["test"]["rows"] == 360
    assert result == json.loads((folder / "study.json").read_text(encoding="utf-8"))
    told = as_text(result, folder)
    assert f"{100 * result['final']['test']['mean']:.1f} % ±" in told
    assert f"netparity train {folder / 'best.toml'}" in told


def test_the_coarse_stage_has_a_third_of_the_epochs(searched):
    trials = studies(searched.storage)
    for name, epochs in (("coarse", 6), ("fine", 18)):
        lengths = {
            len(trial.intermediate_values)
            for trial in trials[f"small/{name}"].trials
            if trial.state == STATES.COMPLETE
        }
        assert lengths == {epochs}


def test_the_fine_ranges_lie_within_the_coarse_ones_and_begin_with_their_best(searched):
    trials = studies(searched.storage)
    spaces = [
        trials[f"small/{name}"].user_attrs["settings"]["space"] for name in ("coarse", "fine")
    ]
    wide, narrow = spaces
    assert wide.keys() == narrow.keys()
    assert "width" not in wide
    for name, dimension in narrow.items():
        if dimension["type"] == "numbers":
            assert wide[name]["low"] <= dimension["low"] <= dimension["high"] <= wide[name]["high"]
        else:
            assert set(dimension["values"]) <= set(wide[name]["values"])
    best = max(
        (one for one in trials["small/coarse"].trials if one.state == STATES.COMPLETE),
        key=lambda one: one.value,
    )
    assert trials["small/fine"].trials[0].params == best.params


def test_what_was_chosen_can_be_trained_to_the_same_result(searched, tmp_path, capsys):
    folder, result = searched.folder, searched.result
    words = ["train", str(folder / "best.toml"), "--output", str(tmp_path), "--format", "json"]
    assert cli.main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"]["accuracy"] == result["final"]["test"]["each"][0]
    assert found["configuration"] == result["chosen"]


def test_the_same_search_again_begins_no_trial(searched):
    before = counts(searched.storage)
    again = run(SMALL, searched.folder, PLAN, workers=2, progress=NullProgress())
    assert again == searched.result
    assert counts(searched.storage) == before


def test_a_search_of_the_same_name_about_something_else_is_refused(searched, capsys):
    words = ["tune", "--validation", "0.3", "--hidden", "20", "--study", "small",
             "--output", str(searched.folder)]  # fmt: skip
    assert cli.main([*words, "--rows", "600", "--epochs", "21"]) == 2
    error = capsys.readouterr().err
    assert "the study `small/coarse` is about something else: epochs is 6 there and 7 here" in error
    assert "--study" in error
    assert cli.main([*words, "--rows", "599", "--epochs", "18"]) == 2
    assert "rows is 600 there and 599 here; its data are others" in capsys.readouterr().err


def begun(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "netparity", "tune", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


TINY = ["--validation", "0.3", "--hidden", "20", "--epochs", "18", "--trials", "2",
        "--finalists", "1", "--seeds", "1", "--study", "tiny"]  # fmt: skip


def test_the_only_worker_is_replaced(tmp_path):
    storage = sqlite_in(tmp_path)
    search = begun([*TINY, "--output", str(tmp_path)])
    while not (found := running(storage)):
        assert search.poll() is None
    os.kill(process_of(found[0][1]), signal.SIGKILL)
    out, error = search.communicate()
    assert search.returncode == 0, error
    assert "best.toml" in out
    assert ended(studies(storage)["tiny/coarse"]) == 1


def test_an_interrupted_search_puts_its_trial_back(tmp_path):
    storage = sqlite_in(tmp_path)
    search = begun([*TINY, "--output", str(tmp_path)])
    while not (found := running(storage)):
        assert search.poll() is None
    search.send_signal(signal.SIGINT)
    out, error = search.communicate()
    assert (search.returncode, out) == (130, "")
    assert "the study stays: the same command goes on" in error
    study, lost = found[0]
    if study.trials[lost.number].state == STATES.FAIL:
        assert study.trials[-1].state == STATES.WAITING
        assert study.trials[-1].user_attrs[RETRY_OF] == lost.number
    assert not [one for one in study.trials if one.state == STATES.RUNNING]


def test_a_search_that_is_killed_as_a_whole_goes_on(tmp_path):
    """By the same command; its trial is tried again once it has given no signs for a while."""
    storage = sqlite_in(tmp_path)
    words = [*TINY, "--grace", "1", "--output", str(tmp_path)]
    search = begun(words)
    while not (found := running(storage)):
        assert search.poll() is None
    study, lost = found[0]
    # Together: each would put the trial back if it saw that the other is gone.
    search.send_signal(signal.SIGSTOP)
    os.kill(process_of(lost), signal.SIGKILL)
    search.kill()
    search.communicate()
    assert cli.main(["tune", *words]) == 0
    assert study.trials[lost.number].state in (STATES.FAIL, STATES.COMPLETE)
    if study.trials[lost.number].state == STATES.FAIL:
        assert any(one.user_attrs.get(RETRY_OF) == lost.number for one in study.trials)


@pytest.mark.slow
def test_two_machines_share_a_study(tmp_path):
    """Two searches at once, as on two machines: each trial is run once, and both tell the same."""
    storage = f"journal://{tmp_path / 'study.log'}"
    words = ["--validation", "0.3", "--hidden", "20", "--epochs", "18", "--trials", "6",
             "--finalists", "1", "--seeds", "2", "--study", "shared", "--storage", storage,
             "--format", "json"]  # fmt: skip
    searches = [begun([*words, "--output", str(tmp_path / name)]) for name in ("one", "other")]
    told = [search.communicate() for search in searches]
    assert [search.returncode for search in searches] == [0, 0], told
    results = [json.loads(out) for out, _ in told]
    assert results[0] == results[1]
    for name, study in studies(storage).items():
        count = {"coarse": 4, "fine": 2}.get(name.rpartition("/")[2], 2)
        assert ended(study) == count
    workers = {
        trial.user_attrs[PROCESS] for study in studies(storage).values() for trial in study.trials
    }
    assert len(workers) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--validation", "0"], "no row is held out to choose by"),
        (["--storage", "sqllite:///a.db"], "did you mean `sqlite:///path/study.db`?"),
        (["--trails", "3"], "Did you mean --trials"),
        (["--trials", "1"], "trials"),
        (["--workers", "0"], "workers"),
        (["--optimizer", "admm"], "did you mean `adam`?"),
        (["--learning-rate", "1e30", "--optimizer", "sgd", "--trials", "2", "--hidden", "5"],
         "every trial of `netparity/coarse` failed, the last with: the loss is not finite"),
        (["--timeout", "1e-9"], "no trial of `netparity/coarse` has been run to its end"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_status_2(words, said, tmp_path, capsys):
    assert cli.main(["tune", "--rows", "50", "--output", str(tmp_path), *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err
