"""What the tests of convolution and pooling have in common."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from netparity.nn import Context, Layer, Memory

#: Whether a framework of a case, by the beginning of its name, is there.
INSTALLED = {
    "keras": {"keras", "tensorflow"},
    "tf": {"keras", "tensorflow"},
    "tf1": {"keras", "tensorflow"},
    "flax": {"keras", "tensorflow", "jax", "flax"},
    "jax": {"keras", "tensorflow", "jax", "flax"},
}


def skip_without(name: str) -> None:
    """Skips a case whose framework is not installed (all run in a process with Keras)."""
    missing = [m for m in INSTALLED[name.split("/")[0]] if importlib.util.find_spec(m) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def run_frameworks(inputs: Mapping[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    """What the frameworks compute in a process of their own."""
    if any(importlib.util.find_spec(name) is None for name in INSTALLED["keras"]):
        return {}
    np.savez(folder / "inputs.npz", **inputs)
    script = Path(__file__).with_name("convolution_run.py")
    run = subprocess.run(
        [sys.executable, script, folder / "inputs.npz", folder / "outputs.npz"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.fail(run.stderr)
    return dict(np.load(folder / "outputs.npz"))


def pair(length: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width."""
    return length if isinstance(length, tuple) else (length, length)


def same_padding(length: int, reach: int, stride: int) -> tuple[int, int]:
    """TensorFlow's rule, as its documentation states it.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    remainder = length % stride
    total = max(reach - stride if remainder == 0 else reach - remainder, 0)
    return total // 2, total - total // 2


def both_sides(
    padding: str | int | tuple[tuple[int, int], tuple[int, int]],
    lengths: tuple[int, int],
    reach: tuple[int, int],
    stride: tuple[int, int],
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding written out."""
    if padding == "same":
        return tuple(same_padding(*axis) for axis in zip(lengths, reach, stride, strict=True))
    if isinstance(padding, tuple):
        return padding
    width = 0 if padding == "valid" else padding
    return ((width, width), (width, width))


def to_layout(images: np.ndarray, layout: str) -> np.ndarray:
    """NHWC images in the layout."""
    return np.ascontiguousarray(images if layout == "NHWC" else images.transpose(0, 3, 1, 2))


def assert_reuse_changes_nothing(
    layer: Layer, parameters: Mapping[str, np.ndarray], xs: list[np.ndarray]
) -> None:
    """The same bits with memory that is used again, inputs untouched, backward twice the same."""
    again = Context(memory=Memory(reuse=True).within("layer"))
    for x in (*xs, *xs):
        rng = np.random.default_rng(0)
        y, backward = layer.apply(parameters, x)
        dy = rng.normal(size=y.shape).astype(x.dtype)
        before = x.copy(), dy.copy()
        other, backward_again = layer.apply(parameters, x, again)
        np.testing.assert_array_equal(y, other)
        for run in (backward, backward_again, backward_again):
            dx, gradients = run(dy)
            if run is backward:
                expected = dx, gradients
            np.testing.assert_array_equal(expected[0], dx)
            assert dx.dtype == y.dtype == x.dtype
            assert dx.flags.c_contiguous
            assert set(gradients) == set(layer.shapes())
            for key, gradient in gradients.items():
                np.testing.assert_array_equal(expected[1][key], gradient)
                assert gradient.shape == layer.shapes()[key]
                assert gradient.dtype == x.dtype
        np.testing.assert_array_equal(y, other)
        np.testing.assert_array_equal(before[0], x)
        np.testing.assert_array_equal(before[1], dy)
