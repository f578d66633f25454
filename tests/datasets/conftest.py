import os
from pathlib import Path

import pytest

from netparity.datasets import DATA_VARIABLE

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def real_data() -> Path:
    """A folder with real MNIST and CIFAR-10 files: the variable's, or one beside the checkout."""
    named = os.environ.get(DATA_VARIABLE)
    folder = Path(named).expanduser() if named else BESIDE_THE_CHECKOUT
    if not folder.is_dir():
        pytest.skip(f"no real data: {DATA_VARIABLE} names no folder")
    return folder


@pytest.fixture(autouse=True)
def no_named_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests name their folders themselves; ``real_data`` has read the variable before."""
    if "real_data" in request.fixturenames:
        request.getfixturevalue("real_data")
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
