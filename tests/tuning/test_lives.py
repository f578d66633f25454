"""Workers that die: noticed by whoever looks on, in every storage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")

from netparity.tuning.lives import (  # noqa: E402 (only where Optuna is there)
    MOST_RETRIES,
    RETRY_OF,
    SIGN,
    WORKER,
    Signs,
    Watch,
    position,
    try_again,
)
from netparity.tuning.storage import open_storage, quiet  # noqa: E402 (the same)

RUNNING, FAIL, WAITING, COMPLETE = (
    optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.FAIL,
    optuna.trial.TrialState.WAITING, optuna.trial.TrialState.COMPLETE,
)  # fmt: skip


@pytest.fixture(params=["sqlite", "journal", "grpc"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[optuna.Study]:
    """A study in each kind of storage; the proxy is a server of its own, on a free port."""
    if request.param != "grpc":
        end = "study.db" if request.param == "sqlite" else "study.log"
        yield optuna.create_study(storage=open_storage(f"{request.param}:///{tmp_path / end}"))
        return
    grpc = pytest.importorskip("grpc")
    from optuna.storages._grpc.auto_generated import api_pb2_grpc
    from optuna.storages._grpc.servicer import OptunaStorageProxyService

    # `run_grpc_proxy_server` is this, but never returns and takes no free port.
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    behind = open_storage(f"sqlite:///{tmp_path / 'study.db'}")
    api_pb2_grpc.add_StorageServiceServicer_to_server(OptunaStorageProxyService(behind), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    storage = open_storage(f"grpc://localhost:{port}")
    try:
        yield optuna.create_study(storage=storage)
    finally:
        storage.close()
        server.stop(None).wait()


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_trial_without_signs_is_dead_and_tried_again(study):
    clock = Clock()
    watch = Watch(grace=10.0, clock=clock)
    dying, living = study.ask(), study.ask()
    x = dying.suggest_float("x", 0, 1)
    trials = lambda: study.get_trials(deepcopy=False, states=(RUNNING,))  # noqa: E731 (a glance)
    assert watch.dead(trials()) == []
    clock.now = 9.0
    living.set_user_attr(SIGN, 1)
    assert watch.dead(trials()) == []
    clock.now = 10.0
    (dead,) = watch.dead(trials())
    assert dead.number == dying.number
    assert try_again(study, dead)
    # Somebody else has seen it, too.
    assert not try_again(study, dead)
    states = [one.state for one in study.get_trials()]
    assert states == [FAIL, RUNNING, WAITING]
    again = study.ask()
    assert again.suggest_float("x", 0, 1) == x
    assert again.user_attrs[RETRY_OF] == dying.number
    assert WORKER not in again.user_attrs
    # Reports are signs, too.
    clock.now = 15.0
    living.report(0.5, 1)
    clock.now = 19.5
    assert watch.dead(trials()) == []


def test_signs_are_given_until_the_trial_is_taken_away(study):
    trial = study.ask()
    with Signs(trial, "me", 0.02) as signs:
        deadline = time.monotonic() + 20.0
        while study.trials[0].user_attrs.get(SIGN, 0) < 2:
            assert time.monotonic() < deadline
        assert study.trials[0].user_attrs[WORKER] == "me"
        assert not signs.lost
        assert try_again(study, study.trials[0])
        while not signs.lost:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert threading.active_count() < 50


def test_a_trial_that_kills_its_workers_is_given_up(study):
    first = study.ask()
    first.suggest_float("x", 0, 1)
    for _ in range(MOST_RETRIES):
        assert try_again(study, study.trials[-1])
        again = study.ask()
        assert again.user_attrs[RETRY_OF] == first.number
    assert not try_again(study, study.trials[-1])
    assert [one.state for one in study.trials] == [FAIL] * (1 + MOST_RETRIES)


def test_retries_take_no_place():
    with quiet():
        study = optuna.create_study()
    one, _, three = study.ask(), study.ask(), None
    try_again(study, study.trials[0])
    again, three = study.ask(), study.ask()
    trials = study.trials
    assert [position(trials, number) for number in (0, 1, three.number)] == [0, 1, 2]
    assert position(trials, again.user_attrs[RETRY_OF]) == position(trials, one.number)
