"""What two sides feed: taken apart, named part by part, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Program, in_numpy, in_torch

import netparity
from netparity.conventions import Conventions
from netparity.diagnosis import explain, feeding, matching
from netparity.diagnosis.candidates import Both, Candidate, Plan
from netparity.diagnosis.exchange import Exchange
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.sides import open_pair

Array = np.ndarray[Any, np.dtype[Any]]
Batches = Callable[[Array, Array, int], Any]

PROGRAM = Program(sizes=(4, 5, 3))
X, Y = PROGRAM.data()
ROWS = len(X)


def permuted(epoch: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, epoch]).permutation(ROWS)


def portions(x: Array, y: Array, order: Array, size: int = 32, *, drop: bool = False) -> list[Any]:
    made = [(x[order[s : s + size]], y[order[s : s + size]]) for s in range(0, len(order), size)]
    return [batch for batch in made if len(batch[0]) == size or not drop]


def in_buffer(size: int, epoch: int) -> Array:
    """As tf.data shuffles: from a window of some rows."""
    rng = np.random.default_rng(epoch)
    window, order = list(range(size)), []
    for following in [*range(size, ROWS), *[None] * size]:
        order.append(window.pop(int(rng.integers(len(window)))))
        if following is not None:
            window.append(following)
    return np.array(order)


def standardized(x: Array, ddof: int) -> Array:
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0, ddof=ddof))


def proposed(
    left: Batches | None,
    right: Batches | None,
    frameworks: Sequence[str] = ("numpy", "numpy"),
    epochs: int = 4,
) -> tuple[Exchange, list[Candidate]]:
    """What is proposed, after a look at whether it accounts for what left feeds."""
    given = [{} if b is None else {"batches": b} for b in (left, right)]
    pair = open_pair(in_numpy(PROGRAM, **given[0]), in_numpy(PROGRAM, **given[1]), 0)
    for side, framework in zip(pair.sides(), frameworks, strict=True):
        side.live.framework = framework
    watched = [feeding.watch(s.live, X, Y, 32, epochs=epochs) for s in pair.sides()]
    exchange = Exchange(*watched)
    if not feeding.compare(*watched).different:
        return exchange, []
    both = Both(*(Identified(s, Conventions()) for s in pair.sides()))
    found = list(explain.data(both, exchange))
    plan = Plan(Conventions())
    for candidate in found:
        plan = candidate.change(plan)
    together = exchange.put_together(plan.feeding)
    assert not feeding.apart(exchange.left.batches, together).different
    for candidate in found if len(found) > 1 else ():
        others = Plan(Conventions())
        for c in found:
            others = others if c is candidate else c.change(others)
        rest = exchange.put_together(others.feeding)
        assert feeding.apart(exchange.left.batches, rest).different, candidate.id
    return exchange, found


ALL = np.arange(ROWS)
FEEDS: dict[str, tuple[Batches | None, Batches | None, list[str]]] = {
    "size": (None, lambda x, y, _: portions(x, y, ALL, 16), ["batch-size-value"]),
    "order": (None, lambda x, y, e: portions(x, y, permuted(e)), ["batch-order"]),
    "partial of a shuffle": (
        lambda x, y, e: portions(x, y, permuted(e)),
        lambda x, y, e: portions(x, y, permuted(e), drop=True), ["partial-batch-kept"],
    ),
    "partial of a shuffle, dropped on the left": (
        lambda x, y, e: portions(x, y, permuted(e), drop=True),
        lambda x, y, e: portions(x, y, permuted(e)), ["partial-batch-kept"],
    ),
    "partial": (
        None, lambda x, y, _: portions(x, y, ALL, drop=True), ["partial-batch-kept"],
    ),
    "replacement": (
        lambda x, y, e: portions(x, y, permuted(e)),
        lambda x, y, e: portions(x, y, np.random.default_rng(e).integers(0, ROWS, ROWS)),
        ["sampling-with-replacement"],
    ),
    "epochs": (None, lambda x, y, e: portions(x, y, ALL) if e < 3 else [], ["epochs-value"]),
    "stopped within an epoch": (
        None, lambda x, y, e: portions(x, y, ALL)[: 2 if e < 2 else 1] if e < 3 else [],
        ["epochs-value"],
    ),
    "the tail held out": (
        None, lambda x, y, _: portions(x[:35], y[:35], ALL[:35]), ["validation-split-tail"],
    ),
    "rows from anywhere held out": (
        lambda x, y, _: portions(x, y, ALL, 10),
        lambda x, y, _: portions(x, y, np.sort(permuted(0)[:30]), 10),
        ["validation-split-tail"],
    ),
    "scale": (None, lambda x, y, _: portions(x / 255, y, ALL), ["pixel-scaling"]),
    "scale and centre": (
        None, lambda x, y, e: portions(x / 127.5 - 1, y, permuted(e)),
        ["pixel-scaling", "batch-order"],
    ),
    "ddof": (
        lambda x, y, _: portions(standardized(x, 0), y, ALL),
        lambda x, y, _: portions(standardized(x, 1), y, ALL),
        ["std-ddof"],
    ),
    "standardized": (
        None, lambda x, y, _: portions(standardized(x, 0), y, ALL), ["preprocessing"],
    ),
    "augmented": (
        None,
        lambda x, y, e: portions(x + np.random.default_rng(e).random(x.shape), y, ALL),
        ["preprocessing"],
    ),
    "labels": (None, lambda x, y, _: portions(x, (y + 1) % 3, ALL), ["label-encoding"]),
    "weights": (
        None, lambda x, y, _: [(*b, 1.0 + (b[1] == 2)) for b in portions(x, y, ALL)],
        ["preprocessing"],
    ),
    "buffer": (
        lambda x, y, e: portions(x, y, permuted(e)),
        lambda x, y, e: portions(x, y, in_buffer(8, e)),
        ["shuffle-buffer"],
    ),
    "one permutation for all epochs": (
        lambda x, y, e: portions(x, y, permuted(e)),
        lambda x, y, e: portions(x, y, permuted(0)),
        ["shuffle-reshuffle"],
    ),
    "five at once": (
        None,
        lambda x, y, e: portions(2 * x, y, permuted(e), 16, drop=True) if e < 3 else [],
        ["pixel-scaling", "batch-order", "batch-size-value", "partial-batch-kept",
         "epochs-value"],
    ),
    # ---- near misses: nothing that reaches the network differs
    "one-hot": (None, lambda x, y, _: portions(x, np.eye(3)[y], ALL), []),
    "a column of targets": (None, lambda x, y, _: portions(x, y[:, None], ALL), []),
    "weights of one": (
        None, lambda x, y, _: [(*b, np.ones(len(b[0]))) for b in portions(x, y, ALL)], [],
    ),
    "scaled in another order of operations": (
        lambda x, y, _: portions(x / 255, y, ALL),
        lambda x, y, _: portions(x * (1 / 255), y, ALL),
        [],
    ),
    "the same in float32": (None, lambda x, y, _: portions(np.float32(x), y, ALL), []),
}  # fmt: skip


@pytest.mark.parametrize("name", FEEDS)
def test_every_part_has_its_name(name: str) -> None:
    left, right, expected = FEEDS[name]
    _, found = proposed(left, right)
    assert [c.id for c in found] == expected


@pytest.mark.parametrize("name", [n for n, f in FEEDS.items() if f[2] and n != "ddof"])
def test_the_other_way_round(name: str) -> None:
    left, right, expected = FEEDS[name]
    _, found = proposed(right, left)
    assert [c.id for c in found] == expected


def test_which_side_divides_by_which_deviation() -> None:
    left, right, _ = FEEDS["ddof"]
    for one, two, said in ((left, right, ("n", "n − 1")), (right, left, ("n − 1", "n"))):
        _, (cause,) = proposed(one, two)
        assert cause.left.endswith(f"with {said[0]}")
        assert cause.right.endswith(f"with {said[1]}")


def test_what_frameworks_do_by_default_is_called_so() -> None:
    shuffled: Batches = lambda x, y, e: portions(x, y, permuted(e))  # noqa: E731
    _, (cause,) = proposed(None, shuffled, ("torch", "sklearn"))
    assert cause.id == "shuffle-default"
    _, (cause,) = proposed(None, shuffled, ("keras", "sklearn"))
    assert cause.id == "batch-order"  # Keras's own is to shuffle: in order was somebody's choice
    whole: Batches = lambda x, y, _: portions(x, y, ALL, 200)  # noqa: E731
    single: Batches = lambda x, y, _: portions(x, y, ALL, 1)  # noqa: E731
    _, (cause,) = proposed(single, whole, ("torch", "sklearn"))
    assert cause.id == "batch-size-default"
    _, (cause,) = proposed(single, None, ("torch", "keras"))
    assert cause.id == "batch-size-default"
    _, (cause,) = proposed(None, whole, ("torch", "sklearn"))
    assert cause.id == "batch-size-value"  # a DataLoader's own is 1


def test_a_replayed_order_of_keras() -> None:
    once: Batches = lambda x, y, e: portions(x, y, permuted(0))  # noqa: E731
    anew: Batches = lambda x, y, e: portions(x, y, permuted(e))  # noqa: E731
    _, (cause,) = proposed(anew, once, ("torch", "keras"))
    assert (cause.id, cause.also) == ("keras-fit-shuffle-replay", ("shuffle-reshuffle",))


def test_permutations_of_chance_have_no_buffer() -> None:
    def shuffled(seed: int) -> Batches:
        return lambda x, y, e: portions(x, y, permuted(e, seed))

    for seed in range(10):
        _, (cause,) = proposed(shuffled(seed), shuffled(seed + 100), epochs=2)
        assert cause.id == "batch-order"


# ---- rows of the data ---------------------------------------------------------------------------
def test_rows_are_found_however_they_were_scaled() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 6))
    order = rng.permutation(50)
    for made in (x, x / 255, -3 * x, 2 * x + 1, np.float32(x), (x - x.mean(0)) / x.std(0)):
        assert np.array_equal(matching.find(x, made[order]), order)
    assert np.all(matching.find(x, (x**2)[order]) == matching.UNKNOWN)
    images = rng.standard_normal((20, 4, 5, 3))
    moved = np.moveaxis(images, 3, 1)[::-1]
    assert np.array_equal(matching.find(images, moved), np.arange(20)[::-1])


# ---- the whole way ------------------------------------------------------------------------------
def test_three_at_once_are_verified_and_close_the_gap() -> None:
    feed: Batches = lambda x, y, e: portions(x / 4, y, permuted(e), 16)  # noqa: E731
    report = netparity.compare(
        in_torch(PROGRAM), in_numpy(PROGRAM, batches=feed), data=(X, Y), steps=6
    )
    assert {c.id for c in report.causes} == {"pixel-scaling", "batch-order", "batch-size-value"}
    assert report.unexplained == ()
    assert report.explained
    gap = report.gap
    assert gap.before > gap.noise_floor >= gap.after  # type: ignore[operator]
    assert all(cause.effect for cause in report.causes)


def test_a_side_that_stops_early_is_compared_where_it_stopped() -> None:
    feed: Batches = lambda x, y, e: portions(x, y, ALL) if e < 2 else []  # noqa: E731
    report = netparity.compare(
        in_torch(PROGRAM), in_numpy(PROGRAM, batches=feed), data=(X, Y), steps=8
    )
    (cause,) = report.causes
    assert cause.id == "epochs-value"
    assert report.gap.steps == 8
    assert report.gap.before > report.gap.noise_floor  # type: ignore[operator]
    assert report.explained


def test_targets_in_another_form_are_parity() -> None:
    feed: Batches = lambda x, y, _: portions(x, np.eye(3)[y], ALL)  # noqa: E731
    report = netparity.compare(
        in_numpy(PROGRAM), in_torch(PROGRAM, batches=feed), data=(X, Y), steps=4
    )
    assert report.verdict == "parity"
