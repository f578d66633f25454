"""Keras beside torch: channels last and first, gates in two orders, one bias and two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.diagnosis.networks_run"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize(
    ("name", "causes"),
    [
        ("images, torch's defaults", ["bn-epsilon", "bn-momentum", "bn-running-var-bias"]),
        ("images, kernel as it stands", ["bn-running-var-bias", "conv-kernel-layout"]),
        ("gru", []),
        ("gru, copied", ["gru-gate-order"]),
        ("lstm", ["rnn-weight-layout"]),
    ],
)
def test_what_differs_is_found_and_nothing_else(
    found: dict[str, Any], name: str, causes: list[str]
) -> None:
    told = found[name]
    assert told["causes"] == causes
    assert told["unexplained"] == []
    assert told["verdict"] == ("divergent" if causes else "parity")
    assert told["after"] <= told["floor"]
