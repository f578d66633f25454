from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def floating_point_errors_raise() -> Iterator[None]:
    """What overflows or is invalid is an error of ours.

    Underflow is not: exp(-1000) is 0, and that is the right value.
    """
    with np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
        yield
