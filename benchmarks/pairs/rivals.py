"""The rules others use, on predictions and parameters after the same steps.

Each only says whether two runs are alike; which parameter is which it is told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np
from benchmarks.pairs.description import Array


def _allclose(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b))


def _assert_close(a: Array, b: Array) -> bool:
    try:
        import torch
    except ImportError:
        return False
    with contextlib.suppress(AssertionError):
        torch.testing.assert_close(
            torch.from_numpy(np.ascontiguousarray(a)), torch.from_numpy(np.ascontiguousarray(b)),
            check_dtype=False,
        )  # fmt: skip
        return True
    return False


def _means(a: Array, b: Array) -> bool:
    return bool(np.isclose(np.mean(a), np.mean(b), rtol=1e-7, atol=0))


def _mean_difference(a: Array, b: Array) -> bool:
    return bool(np.mean(np.abs(a - b)) <= 1e-6)


def _cosine(a: Array, b: Array) -> bool:
    a, b = np.ravel(a).astype(float), np.ravel(b).astype(float)
    sizes = float(np.linalg.norm(a) * np.linalg.norm(b))
    return sizes == 0 or float(a @ b) / sizes >= 0.99


RULES: dict[str, Callable[[Array, Array], bool]] = {
    "np.allclose": _allclose,
    "torch assert_close": _assert_close,
    "means rtol 1e-7": _means,
    "mean difference 1e-6": _mean_difference,
    "cosine 0.99": _cosine,
}


def judge(left: Sequence[Array], right: Sequence[Array]) -> dict[str, bool]:
    """Rule → whether it calls the two runs different."""
    if [a.shape for a in left] != [b.shape for b in right]:
        return dict.fromkeys(RULES, True)
    with np.errstate(all="ignore"):
        return {
            name: not all(rule(a, b) for a, b in zip(left, right, strict=True))
            for name, rule in RULES.items()
        }
