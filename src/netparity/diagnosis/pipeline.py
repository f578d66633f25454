"""Runs a diagnosis from two objects to a report."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from netparity import catalogue, environment
from netparity.diagnosis import (
    align,
    attribute,
    blind,
    conclude,
    explain,
    feeding,
    freerun,
    identify,
    initial,
    observe,
    observe_forward,
    reported,
    streams,
    verify,
)
from netparity.diagnosis.bench import Bench, Stage, not_checked, stage_of
from netparity.diagnosis.candidates import Both, Candidate, Plan, start_from_left
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.sides import Pair, open_pair
from netparity.diagnosis.twin import Array
from netparity.errors import InputError
from netparity.loading import Loaded, load, load_data
from netparity.nn import MeanAbsoluteError, MeanSquaredError, SigmoidCrossEntropy
from netparity.report.model import STAGES, Report

#: Rows of the probes are drawn from the data as given; larger batches only cost time.
MAXIMUM_PROBE_ROWS = 32


class Reporter(Protocol):
    """Takes note of how far a diagnosis has come."""

    def stage(self, text: str, fraction: float) -> None:
        """Says what is being done and how much of the whole is done (0 to 1)."""


class _Silent:
    def stage(self, text: str, fraction: float) -> None:
        """Says nothing."""


@dataclass(slots=True)
class Diagnosis:
    """What is known so far, stage by stage."""

    bench: Bench
    pair: Pair
    stages: dict[str, Stage] = field(default_factory=dict)
    verified: list[verify.Verified] = field(default_factory=list)
    latent: list[Candidate] = field(default_factory=list)
    explained: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def fail(self, stage: str, reason: str) -> None:
        """Takes note that a side raised: the stage is not checked, and that is unexplained."""
        self.stages[stage] = not_checked(stage, reason)
        self.failures[stage] = reason

    def add(
        self, stage: Stage, candidates: Sequence[Candidate], explains: str | None = None
    ) -> None:
        """Takes a stage, verifies what was proposed for it, and keeps what holds."""
        self.stages.setdefault(stage.stage, stage)
        if stage.status != "different":
            self.latent += [c for c in candidates if c.latent is not None]
            return
        real = [c for c in candidates if c.latent is None]
        self.latent += [c for c in candidates if c.latent is not None]
        found = verify.verify(self.bench, explains or stage.stage, real)
        self.verified += found
        if found or (candidates and not real):
            self.explained.add(explains or stage.stage)


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
    left, right = load(left), load(right)
    pair = open_pair(left, right, seed)
    x, y = _data(data, left, right)
    _check_data(x, y)
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
    known_left, known_right = _identify_both(pair, x, y, rows, rng, told)
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
            pairs=pairs or {},
            told=told,
        )
        return conclude.accepted(replace(report, title=title), accept)
    align.check_wanted(pairs or {}, known_left.live.parameters(), known_right.live.parameters())
    pairing = align.pair(known_left.twin, known_right.twin)
    align.check_wanted_pairs(pairs or {}, pairing, known_left.twin, known_right.twin)
    bench = Bench(known_left, known_right, pairing, x, y, rows, rng)
    diagnosis = Diagnosis(bench, pair)
    _stages(diagnosis, told, steps=steps, batch_size=batch_size)
    told.stage("let both run freely", 0.75)
    runs = _let_go(diagnosis, steps, batch_size)
    told.stage("attribute", 0.92)
    report = conclude.report(
        diagnosis_parts(diagnosis, command or _command(left, right, steps)),
        runs,
        steps=steps,
        environment=environment.describe(),
        title=title,
    )
    told.stage("done", 1.0)
    return conclude.accepted(report, accept)


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
    )


def _data(data: Any, left: Loaded, right: Loaded) -> tuple[Array, Array | None]:
    if isinstance(data, tuple | list) and len(data) == 2 and not isinstance(data[0], str):
        x, y = data
        return np.asarray(x), None if y is None else np.asarray(y)
    got_x, got_y = load_data(data, left, right, None)
    return np.asarray(got_x), None if got_y is None else np.asarray(got_y)


def _check_data(x: Array, y: Array | None) -> None:
    for name, array in (("x", x), ("y", y)):
        if array is None:
            continue
        if array.dtype.kind not in "fiub":
            raise InputError(f"the data's {name} is of dtype {array.dtype}; expected numbers")
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            where = np.argwhere(~np.isfinite(array))[0]
            value = array[tuple(where)]
            raise InputError(
                f"the data's {name} holds {value} at index {tuple(int(i) for i in where)}; "
                "expected finite numbers",
                hint="find where it comes from, or leave that row out",
            )
    if len(x) == 0:
        raise InputError("the data holds no rows; expected at least one")
    if y is not None and len(x) != len(y):
        raise InputError(f"x has {len(x)} rows and y has {len(y)}; expected the same number")


def _identify_both(
    pair: Pair, x: Array, y: Array | None, rows: int, rng: np.random.Generator, told: Reporter
) -> tuple[Identified, Identified]:
    """The side that declares more is identified first and serves as first guess for the other."""
    declared = {s.which: identify.declare(s, x) for s in pair.sides()}
    order = sorted(pair.sides(), key=lambda s: declared[s.which].layers is None)
    known: dict[str, Identified] = {}
    for index, side in enumerate(order):
        told.stage(f"identify {side.which}", 0.1 + 0.2 * index)
        other = next(iter(known.values())).conventions if known else None
        known[side.which] = identify.identify(side, declared[side.which], x, y, rows, rng, other)
    return known["left"], known["right"]


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


def _stages(diagnosis: Diagnosis, told: Reporter, *, steps: int, batch_size: int) -> None:
    bench = diagnosis.bench
    both = Both(bench.left, bench.right)
    pairing = bench.pairing
    told.stage("compare structure and initial values", 0.5)
    diagnosis.add(observe.structure(bench), list(explain.structure(both, pairing)))
    _initial(diagnosis, both)
    told.stage("compare what is fed", 0.53)
    _data_stage(diagnosis, both, batch_size)
    told.stage("compare forward passes", 0.55)
    diagnosis.add(observe_forward.forward(bench), list(explain.forward(both, pairing)))
    told.stage("compare losses and gradients", 0.58)
    diagnosis.add(observe.loss(bench), list(explain.loss(both)))
    diagnosis.add(observe.regularization(bench), list(explain.regularization(both, pairing)))
    diagnosis.add(observe.gradient(bench), list(explain.gradient(both)))
    told.stage("compare updates", 0.62)
    diagnosis.add(observe.update_rule(bench), list(explain.update(both)))
    told.stage("watch what both report", 0.65)
    _reporting(diagnosis, steps, batch_size)
    if "rng" not in diagnosis.stages:
        diagnosis.stages["rng"] = stage_of("rng", [Measure("initial values", 0.0, 0.0)])


def _initial(diagnosis: Diagnosis, both: Both) -> None:
    bench, pair = diagnosis.bench, diagnosis.pair
    if any(c.candidate.id in {"layer-missing", "layer-width"} for c in diagnosis.verified):
        diagnosis.add(not_checked("init", "the layers themselves differ"), [])
        return
    stage = observe.initial_values(bench)
    turned = _turned(bench, stage)
    if turned:
        wrong = tuple(m for m in stage.measures if m.where in turned)
        diagnosis.stages["structure"] = Stage("structure", "different", wrong)
        diagnosis.verified += verify.verify(
            bench, "init", [explain.transposed(both, turned, stage)]
        )
        diagnosis.explained.add("structure")
        stage = replace(stage, measures=tuple(m for m in stage.measures if m.where not in turned))
        stage = stage_of("init", stage.measures)
    if stage.status == "different" and _rounded_copy(bench):
        diagnosis.latent.append(_dtype_default(both, stage))
        diagnosis.stages["init"] = replace(
            stage, status="equal", reason="a copy rounded to float32 on one side"
        )
        return
    if stage.status != "different":
        diagnosis.add(stage, [])
        return
    moved = list(streams.position(both, pair, bench.pairing))
    seeds = list(streams.seeds(both, pair))
    if moved or seeds:
        apart = max((m.difference for m in stage.measures), default=0.0)
        rng = Stage("rng", "different", (Measure("initial values", apart, 0.0),))
        diagnosis.add(rng, [*moved, *seeds])
    if moved:
        diagnosis.stages["init"] = stage
        diagnosis.explained.add("init")
        return
    places = stage.different_places
    diagnosis.add(stage, list(explain.initial_values(both, bench.pairing, places)))


def _turned(bench: Bench, stage: Stage) -> tuple[str, ...]:
    """Square weights whose transpose was handed over."""
    right = bench.pairing.to_left(bench.right.parameters)
    names = []
    for m in stage.measures:
        a, b = bench.left.parameters[m.where], right[m.where]
        if m.different and a.ndim == 2 and a.shape[0] == a.shape[1]:
            back = initial.compare({m.where: a}, {m.where: b.T}, bench.dtype)
            if not back[0].different:
                names.append(m.where)
    return tuple(names)


def _rounded_copy(bench: Bench) -> bool:
    """Whether the initial values are a copy that one side stores in float32."""
    right = bench.pairing.to_left(bench.right.parameters)
    return all(
        np.array_equal(
            np.asarray(bench.left.parameters[n], dtype=np.float32),
            np.asarray(right[n], dtype=np.float32),
        )
        for n in right
    )


def _dtype_default(both: Both, stage: Stage) -> Candidate:
    return Candidate(
        "dtype-default",
        "init",
        stage.different_places,
        "float64 values",
        "the same, rounded to float32",
        "The initial values are a copy that one side stores in float32.",
        (),
        both.fix("dtype-default", left="float32", right="float64"),
        start_from_left(both.left.parameters),
        latent="below float32 noise but real in float64",
    )


def _data_stage(diagnosis: Diagnosis, both: Both, batch_size: int) -> None:
    bench = diagnosis.bench
    if bench.y is None:
        diagnosis.add(not_checked("data", "no targets were given"), [])
        return
    lefts, rights = _fresh(diagnosis.pair)
    try:
        left = feeding.watch(lefts, bench.x, bench.y, batch_size)
        right = feeding.watch(rights, bench.x, bench.y, batch_size)
    except InputError:
        raise
    except Exception as error:
        diagnosis.fail("data", f"a side raised {type(error).__name__} while feeding: {error}")
        return
    fed = Both(both.left, both.right, {"left": left, "right": right})
    diagnosis.add(observe.data(left, right), list(explain.data(fed)))


def _fresh(pair: Pair) -> tuple[Any, Any]:
    """Both sides as handed over: built anew, or reset where they were handed over ready-made."""
    for side in pair.sides():
        side.reset()
    return pair.rebuild()


def _reporting(diagnosis: Diagnosis, steps: int, batch_size: int) -> None:
    bench = diagnosis.bench
    if bench.y is None:
        diagnosis.add(not_checked("reporting", "no targets were given"), [])
        return
    lefts, rights = _fresh(diagnosis.pair)
    looked = []
    for known, live in ((bench.left, lefts), (bench.right, rights)):
        try:
            looked.append(reported.look(known, live, bench.x, bench.y, batch_size, steps))
        except InputError:
            raise
        except Exception as error:
            reason = f"{known.side.which} raised {type(error).__name__}: {error}"
            diagnosis.fail("reporting", reason)
            return
    alike = not diagnosis.verified and all(
        s.status != "different" for s in diagnosis.stages.values()
    )
    stage, candidates, _ = reported.observe(looked[0], looked[1], alike=alike)
    diagnosis.add(stage, candidates)


def _let_go(diagnosis: Diagnosis, steps: int, batch_size: int) -> freerun.FreeRuns | None:
    bench = diagnosis.bench
    left, right = bench.left, bench.right
    if bench.y is None or left.twin is None or right.twin is None:
        return None
    if not all("step" in k.live.abilities for k in (left, right)):
        diagnosis.notes.append("no free run: a side gives no step")
        return None
    if any("training" in k.missing for k in (left, right)):
        diagnosis.notes.append("no free run: dropout masks cannot be matched")
        return None
    lefts, rights = _fresh(diagnosis.pair)
    rows = np.asarray(bench.x[freerun.rows_of(len(bench.x))])
    driven: dict[str, tuple[freerun.Run, freerun.Batches]] = {}
    order = [(left, lefts), (right, rights)]
    if "draws" in left.live.abilities and "draws" not in right.live.abilities:
        order.reverse()
    for known, live in order:
        draws = next((run.draws for run, _ in driven.values()), None)
        try:
            batches = freerun.own_batches(live, bench.x, bench.y, batch_size, steps)
            live.restore(known.side.built if live is known.live else live.state())
            run = freerun.drive(known, live, batches, rows, _fitting(draws, batches))
        except InputError:
            raise
        except Exception as error:
            diagnosis.fail("update", f"{known.side.which} raised {type(error).__name__}: {error}")
            continue
        driven[known.side.which] = (run, batches)
    if len(driven) < len(order):
        return None
    (first, left_batches), (second, right_batches) = driven["left"], driven["right"]
    floor = freerun.measured_floor(bench, driven, rows)
    if floor is None:
        diagnosis.notes.append("no free run: neither side's rule is known, so neither is its noise")
        return None
    taken = min(len(left_batches), len(right_batches))
    runs = freerun.FreeRuns(bench, taken, first, second, left_batches, right_batches, floor, rows)
    for known in (left, right):
        run, batches = driven[known.side.which]
        runs.twins_hold[known.side.which] = attribute.twin_holds(runs, known, run, batches)
    return runs


def _fitting(draws: freerun.Draws, batches: freerun.Batches) -> freerun.Draws:
    """Draws that fit a run's batches row for row, else none."""
    if draws is None or len(draws) != len(batches):
        return None
    for given, (x, _) in zip(draws, batches, strict=True):
        if any(len(d) != len(x) for d in given):
            return None
    return draws


__all__ = ["Diagnosis", "Plan", "compare"]
