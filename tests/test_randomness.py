"""Global random generators: captured, restored, told apart."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from netparity import randomness
from netparity.errors import InputError

# These are the global generators, and the legacy one of NumPy is among them.
# ruff: noqa: NPY002

DRAWS = {
    "python": random.random,
    "numpy": np.random.rand,
    "torch": lambda: torch.rand(1).item(),
    "tensorflow": lambda: float(tf.random.uniform([])),
    "keras": lambda: float(keras.ops.convert_to_numpy(keras.random.uniform(()))),
}


@pytest.fixture(autouse=True)
def _leave_no_mark():
    before = randomness.capture()
    yield
    before.restore()


@pytest.mark.parametrize("name", DRAWS)
def test_restore_repeats_the_draws(name):
    randomness.seed(name, 1)
    DRAWS[name]()
    before = randomness.capture()
    first = [DRAWS[name]() for _ in range(3)]
    before.restore()
    assert [DRAWS[name]() for _ in range(3)] == first
    assert len(set(first)) == 3


@pytest.mark.parametrize("name", DRAWS)
def test_a_fingerprint_shows_which_stream_moved(name):
    randomness.seed(name, 1)
    before = randomness.fingerprint()
    DRAWS[name]()
    after = randomness.fingerprint()
    assert {key for key in after if after[key] != before[key]} == {name}
    assert set(DRAWS) <= set(after)


@pytest.mark.parametrize("name", DRAWS)
def test_seeding_is_that_of_the_program(name):
    randomness.seed(name, 5)
    first = DRAWS[name]()
    randomness.seed(name, 6)
    assert DRAWS[name]() != first
    randomness.seed(name, 5)
    assert DRAWS[name]() == first


def test_seeds_equal_the_frameworks_own():
    randomness.seed("numpy", 3)
    first = np.random.rand()
    np.random.seed(3)
    assert np.random.rand() == first
    randomness.seed("torch", 3)
    first = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), first)
    randomness.seed("tensorflow", 3)
    first = float(tf.random.uniform([]))
    tf.random.set_seed(3)
    assert float(tf.random.uniform([])) == first


def test_disturbing_moves_every_stream_to_a_seeded_place():
    before = randomness.fingerprint()
    randomness.disturb(1)
    one = randomness.fingerprint()
    assert all(one[name] != before[name] for name in before)
    randomness.disturb(2)
    two = randomness.fingerprint()
    assert all(two[name] != one[name] for name in one)
    randomness.disturb(1)
    assert randomness.fingerprint() == one


def test_tensorflows_global_generator_and_no_keras_generator():
    tf.random.set_global_generator(tf.random.Generator.from_seed(1))
    before = randomness.capture()
    first = tf.random.get_global_generator().uniform([]).numpy()
    before.restore()
    assert tf.random.get_global_generator().uniform([]).numpy() == first
    keras.utils.clear_session()
    keras.utils.set_random_seed(4)
    before = randomness.capture()
    first = DRAWS["keras"]()
    before.restore()
    assert DRAWS["keras"]() == first


def test_only_some_can_be_captured():
    before = randomness.capture(["numpy"])
    assert list(before.states) == ["numpy"]
    with pytest.raises(InputError, match="received 'cuda'"):
        randomness.seed("cuda", 1)
