"""Runs a diagnosis from two objects to a report."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from netparity import catalogue, environment
from netparity.diagnosis import (
    align,
    attribute,
    blind,
    conclude,
    determinism,
    identify,
    repeating,
)
from netparity.diagnosis.bench import Bench
from netparity.diagnosis.candidates import Plan
from netparity.diagnosis.canonical import set_the_same_head_apart
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.sides import Pair, Side, Which, open_pair
from netparity.diagnosis.stages import Diagnosis, Reporter, compare_stages, let_go
from netparity.diagnosis.twin import Array
from netparity.errors import InputError
from netparity.loading import Loaded, load_data
from netparity.nn import MeanAbsoluteError, MeanSquaredError, SigmoidCrossEntropy
from netparity.report.model import STAGES, Report

#: Rows of the probes are drawn from the data as given; larger batches only cost time.
MAXIMUM_PROBE_ROWS = 32


#: What a side may show of its loss and its rule.
_TELLING: Final = frozenset({"loss", "gradients", "update"})


class _Silent:
    def stage(self, text: str, fraction: float) -> None:
        """Says nothing."""


def compare(
    left: Any,
    right: Any,
    *,
    data: Any = None,
    steps: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    pairs: Mapping[str, str] | None = None,
    accept: Sequence[str] = (),
    shapley: bool = False,
    progress: Reporter | None = None,
    title: str = "",
    command: str | None = None,
) -> Report:
    """Finds where two implementations part, names why, and proves each cause.

    Args:
        left: the reference: an implementation, anything ``netparity.adapt`` takes, a callable
            that returns one (with no argument or with ``seed``), or a ``file.py:name``.
        right: the one compared with it.
        data: ``(x, y)`` arrays, ``x`` of shape ``(N, …)``; a name (``"digits"``, …), a path to
            an ``.npz``, or ``file.py:name``; by default what a side's own file calls ``data``.
        steps: updates of the free run.
        batch_size: rows per batch where a side does not feed itself.
        seed: handed to callables that take ``seed``, and for netparity's own draws.
        pairs: left parameter → right parameter, where they do not pair by themselves.
        accept: cause ids or stages whose differences are known and accepted.
        shapley: whether to divide the gap among the causes by their Shapley values as well.
        progress: told how far the work has come.
        title: shown in the views.
        command: the command line to name as the one to run again.

    Returns:
        The report: ``verdict``, ``causes``, ``to_dict()`` and the rest.

    Raises:
        InputError: a side or the data cannot be used.

    Example:
        >>> import numpy as np, netparity
        >>> def program(scale):
        ...     w = np.ones((2, 1))
        ...     return netparity.Scratch(parameters={"w": w}, predict=lambda x: scale * (x @ w))
        >>> x = np.array([[1.0, 2.0], [3.0, 5.0], [0.5, 0.25]])
        >>> same = netparity.compare(lambda: program(1.0), lambda: program(1.0), data=(x, None))
        >>> same.verdict
        'parity'
    """
    told = progress or _Silent()
    told.stage("build both sides", 0.02)
    pair = open_pair(left, right, seed)
    try:
        report = _compared(
            pair,
            data=data,
            steps=steps,
            batch_size=batch_size,
            pairs=pairs or {},
            accept=accept,
            shapley=shapley,
            told=told,
            title=title,
            command=command,
        )
        where = {**report.environment, "processes": pair.where()}
        report = replace(report, environment=where, notes=(*_apart(pair), *report.notes))
    finally:
        pair.close()
    told.stage("done", 1.0)
    return conclude.accepted(report, accept)


def _apart(pair: Pair) -> list[str]:
    """A note of the processes the sides ran in, where that is not this one for both."""
    away = [side.which for side in pair.sides() if side.process is not None]
    if not away:
        return []
    whose = " and ".join(away)
    if len(away) == 1:
        ran = f"{whose} ran in a process of its own"
    elif pair.shared:
        ran = f"{whose} ran together in a process beside this one"
    else:
        ran = f"{whose} ran in processes of their own"
    return [f"{ran}: {pair.why}"]


def _compared(
    pair: Pair,
    *,
    data: Any,
    steps: int,
    batch_size: int,
    pairs: Mapping[str, str],
    accept: Sequence[str],
    shapley: bool,
    told: Reporter,
    title: str,
    command: str | None,
) -> Report:
    """The report of two sides that have been built."""
    seed, left, right = pair.seed, pair.left.loaded, pair.right.loaded
    x, y = _data(data, left, right)
    _check_data(x, y)
    pair.show(x, y)
    for which in pair.data:
        _check_data(*pair.data[which], of=f"{which}'s data")
    rng = np.random.default_rng(seed)
    rows = min(batch_size, MAXIMUM_PROBE_ROWS)
    known_names = {c.id for c in catalogue.all_conventions()} | set(STAGES)
    for name in accept:
        if name not in known_names:
            near = difflib.get_close_matches(name, sorted(known_names), n=1)
            raise InputError(
                f"--accept {name}: no cause and no stage has that name",
                hint=f"did you mean {near[0]!r}?" if near else "netparity explain lists the causes",
            )
    told.stage("read both sides", 0.08)
    repeated = {
        s.which: determinism.look(pair, s, *_rows(*pair.data[s.which], rows)) for s in pair.sides()
    }
    known_left, known_right = _identify_both(pair, rows, rng, told)
    x, y = pair.data["left"]
    sides = (known_left, known_right)
    varying = _varying(repeated, sides)
    _check_labels((known_left, known_right), y)
    if known_left.twin is None or known_right.twin is None:
        report = blind.compare(
            pair,
            known_left,
            known_right,
            x,
            y,
            steps=steps,
            batch_size=batch_size,
            rng=rng,
            pairs=pairs,
            told=told,
        )
        return repeating.applied(replace(report, title=title), varying, sides)
    align.check_wanted(pairs, known_left.live.parameters(), known_right.live.parameters())
    pairing = align.pair(known_left.twin, known_right.twin)
    align.check_wanted_pairs(pairs, pairing, known_left.twin, known_right.twin)
    bench = Bench(known_left, known_right, pairing, x, y, rows, rng)
    diagnosis = Diagnosis(bench, pair)
    compare_stages(diagnosis, told, steps=steps, batch_size=batch_size)
    told.stage("let both run freely", 0.75)
    runs = let_go(diagnosis, steps, batch_size)
    told.stage("attribute", 0.92)
    report = conclude.report(
        replace(
            diagnosis_parts(diagnosis, command or _command(left, right, steps)), shapley=shapley
        ),
        runs,
        steps=steps,
        environment=environment.describe(),
        title=title,
    )
    return repeating.applied(report, varying, sides)


def _rows(x: Array, y: Array | None, rows: int) -> tuple[Array, Array | None]:
    return x[:rows], None if y is None else y[:rows]


def _varying(
    repeated: Mapping[Which, determinism.Repeated], sides: Sequence[Identified]
) -> list[determinism.Varying]:
    """What of the two sides varies without dropout; the notes go where the report finds them."""
    for known in sides:
        note = repeated[known.side.which].note
        if note:
            known.notes.append(note)
    return repeating.unaccounted(repeated, sides)


def _command(left: Loaded, right: Loaded, steps: int) -> str:
    return f"netparity compare {left.spec} {right.spec} --steps {steps}"


def diagnosis_parts(diagnosis: Diagnosis, command: str) -> attribute.Parts:
    """What the attribution needs of a diagnosis."""
    ordered = {s: diagnosis.stages[s] for s in STAGES if s in diagnosis.stages}
    return attribute.Parts(
        diagnosis.bench,
        ordered,
        tuple(diagnosis.verified),
        tuple(diagnosis.latent),
        frozenset(diagnosis.explained),
        tuple(diagnosis.notes),
        command,
        diagnosis.failures,
        diagnosis.rest,
        tuple(diagnosis.innocent),
        diagnosis.masks,
    )


def _data(data: Any, left: Loaded, right: Loaded) -> tuple[Array, Array | None]:
    if isinstance(data, tuple | list) and len(data) == 2 and not isinstance(data[0], str):
        x, y = data
        return np.asarray(x), None if y is None else np.asarray(y)
    got_x, got_y = load_data(data, left, right, None)
    return np.asarray(got_x), None if got_y is None else np.asarray(got_y)


def _check_data(x: Array, y: Array | None, *, of: str = "the data") -> None:
    for name, array in (("x", x), ("y", y)):
        if array is None:
            continue
        if array.dtype.kind not in "fiub":
            raise InputError(f"{of}'s {name} is of dtype {array.dtype}; expected numbers")
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            where = np.argwhere(~np.isfinite(array))[0]
            value = array[tuple(where)]
            raise InputError(
                f"{of}'s {name} holds {value} at index {tuple(int(i) for i in where)}; "
                "expected finite numbers",
                hint="find where it comes from, or leave that row out",
            )
    if len(x) == 0:
        raise InputError(f"{of} holds no rows; expected at least one")
    if y is not None and len(x) != len(y):
        raise InputError(f"x has {len(x)} rows and y has {len(y)}; expected the same number")


def _identify_both(
    pair: Pair, rows: int, rng: np.random.Generator, told: Reporter
) -> tuple[Identified, Identified]:
    """Both sides, that first which declares, or else shows, more: a first guess for the other."""
    declared = {s.which: identify.declare(s, pair.data[s.which][0]) for s in pair.sides()}

    def shown(side: Side) -> tuple[bool, int]:
        return declared[side.which].layers is None, -len(_TELLING & side.live.abilities)

    order = sorted(pair.sides(), key=shown)
    known: dict[str, Identified] = {}
    for index, side in enumerate(order):
        told.stage(f"identify {side.which}", 0.1 + 0.2 * index)
        other = next(iter(known.values())).conventions if known else None
        x, y = pair.data[side.which]
        known[side.which] = identify.identify(side, declared[side.which], x, y, rows, rng, other)
    left, right = known["left"], known["right"]
    set_the_same_head_apart(left, right)
    set_the_same_head_apart(right, left)
    return left, right


def _check_labels(known: Sequence[Identified], y: Array | None) -> None:
    """Raises where integer classes do not fit the outputs; a regression takes any number."""
    regressions = (MeanSquaredError, MeanAbsoluteError, SigmoidCrossEntropy)
    if y is None or y.ndim != 1 or y.dtype.kind not in "iu":
        return
    if any(isinstance(k.conventions.loss, regressions) for k in known):
        return
    for side in known:
        layers = [a for _, a in align.affines(side.twin)] if side.twin is not None else []
        classes = layers[-1].outputs if layers else 1
        wrong = np.flatnonzero((y < 0) | (y >= classes))
        if classes > 1 and len(wrong):
            raise InputError(
                f"the data's y holds the label {int(y[wrong[0]])} at row {int(wrong[0])}; "
                f"{side.side.which} has {classes} outputs: expected 0 to {classes - 1}",
                hint="classes are counted from 0",
            )


__all__ = ["Diagnosis", "Plan", "compare"]
