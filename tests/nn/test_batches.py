from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.nn import Batches, Memory, split_rows
from netparity.nn.batches import gathered

ROWS = st.integers(1, 40)
SIZES = st.integers(1, 12)


def chained(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


def fed(batches: Batches, rows: int, seed: int = 0) -> list[list[int]]:
    order = batches.order(rows, np.random.default_rng(seed))
    return [batch.tolist() for batch in batches.cut(order)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=ROWS, size=SIZES, seed=st.integers(0, 9))
def test_each_row_once_whatever_the_order(rows: int, size: int, seed: int) -> None:
    shuffled, sequential = Batches(size), Batches(size, "sequential")
    got = fed(shuffled, rows, seed)
    assert sorted(chained(got)) == chained(fed(sequential, rows)) == list(range(rows))
    lengths = [size] * (rows // size) + ([rows % size] if rows % size else [])
    assert [len(batch) for batch in got] == lengths
    assert got == fed(shuffled, rows, seed)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=ROWS, size=SIZES, seed=st.integers(0, 9))
def test_the_partial_batch_is_dropped_by_name(rows: int, size: int, seed: int) -> None:
    for sampling in ("shuffled", "sequential"):
        batches = Batches(size, sampling, "dropped")
        if rows < size:
            with pytest.raises(InputError, match=f"at least {size} rows.*Received: {rows}"):
                fed(batches, rows, seed)
            continue
        got = fed(batches, rows, seed)
        assert [len(batch) for batch in got] == [size] * (rows // size)
        # What is dropped is the end of the same order.
        kept = chained(fed(Batches(size, sampling), rows, seed))
        assert chained(got) == kept[: rows // size * size]


def test_as_many_batches_as_a_torch_loader() -> None:
    data = torch.utils.data.TensorDataset(torch.zeros(10))
    for size in (1, 3, 5, 10, 11):
        for drop in (False, True):
            loader = torch.utils.data.DataLoader(data, batch_size=size, drop_last=drop)
            batches = Batches(size, partial="dropped" if drop else "kept")
            if len(loader):
                assert len(fed(batches, 10)) == len(loader)
                assert [len(batch) for batch in fed(batches, 10)] == [len(b) for (b,) in loader]


def test_replacement_draws_every_place_from_all_rows() -> None:
    counts: Counter[int] = Counter()
    rng = np.random.default_rng(0)
    epochs, rows = 400, 5
    for _ in range(epochs):
        counts.update(Batches(2, "replacement").order(rows, rng).tolist())
    assert set(counts) == set(range(rows))
    # Each count is binomial (2000 draws, 1/5): 5 deviations are √(2000 · 0.16) · 5 ≈ 89.
    assert all(abs(n - epochs) <= 89 for n in counts.values())
    repeated = [len(set(batch)) < len(batch) for batch in fed(Batches(5, "replacement"), 50)]
    assert any(repeated)


@pytest.mark.parametrize(("rows", "size", "number"), [(10, 4, 2), (3, 4, 1), (8, 4, 2)])
def test_the_cs231n_solver_by_name(rows: int, size: int, number: int) -> None:
    # It makes max(N // B, 1) iterations an epoch, each of B rows drawn with replacement.
    got = fed(Batches(size, "replacement", "dropped"), rows)
    assert [len(batch) for batch in got] == [size] * number


def test_orders_differ_between_epochs_and_go_with_the_generator() -> None:
    rng = np.random.default_rng(3)
    one, other = (Batches(4).order(20, rng) for _ in range(2))
    assert not np.array_equal(one, other)
    again = np.random.default_rng(3)
    np.testing.assert_array_equal(Batches(9).order(20, again), one)


def test_refuses_what_makes_no_batch() -> None:
    with pytest.raises(InputError, match="batch size.*at least 1.*0"):
        Batches(0)
    with pytest.raises(InputError, match="sampling.*shuffled.*'shuffle'"):
        Batches(2, "shuffle")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="partial.*kept.*'drop'"):
        Batches(2, "shuffled", "drop")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no row"):
        Batches(2).order(0, np.random.default_rng(0))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.integers(2, 60),
    fraction=st.floats(0.01, 0.99),
    held_out=st.sampled_from(["tail", "random"]),
)
def test_a_split_parts_the_rows(rows: int, fraction: float, held_out: str) -> None:
    trained = int(np.floor(rows * (1 - fraction)))
    rng = np.random.default_rng(0)
    if trained in (0, rows):
        with pytest.raises(InputError, match="at least one of each"):
            split_rows(rows, fraction, held_out, rng)  # type: ignore[arg-type]
        return
    train, held = split_rows(rows, fraction, held_out, rng)  # type: ignore[arg-type]
    assert len(train) == trained
    assert sorted([*train, *held]) == list(range(rows))
    if held_out == "tail":
        assert train.tolist() == list(range(trained))
        assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_a_random_split_is_drawn() -> None:
    held = [split_rows(100, 0.2, "random", np.random.default_rng(seed))[1] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(held[0], held[1])
    assert not np.array_equal(held[0], held[2])
    assert not np.array_equal(held[0], np.arange(80, 100))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 2.0, np.nan])
def test_refuses_a_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(InputError, match=f"more than 0 and less than 1.*{fraction}"):
        split_rows(10, fraction, "tail", np.random.default_rng(0))
    with pytest.raises(InputError, match="held_out.*'head'"):
        split_rows(10, 0.5, "head", np.random.default_rng(0))  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    shape=st.lists(st.integers(0, 3), min_size=0, max_size=3),
    chosen=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    dtype=st.sampled_from([np.uint8, np.int64, np.float32, np.float64]),
    fortran=st.booleans(),
)
def test_gathered_rows_are_those_of_indexing(
    shape: list[int], chosen: list[int], dtype: type, fortran: bool
) -> None:
    array = np.arange(5 * int(np.prod(shape))).reshape(5, *shape).astype(dtype)
    array = np.asfortranarray(array) if fortran else array
    rows, memory = np.array(chosen), Memory(reuse=True)
    got = gathered(array, rows, memory)
    np.testing.assert_array_equal(got, array[rows])
    assert got.dtype == dtype
    assert gathered(array, rows, memory) is got
    converted = gathered(array, rows, memory, np.dtype(np.float32))
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, array[rows].astype(np.float32))
