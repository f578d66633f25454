"""Observes every stage with equal inputs on both sides.

Each function returns one stage: how far the sides are apart there, and the floor. What a
side does live is used where the stage can be driven alone; where it cannot, its twin stands
in, which has been shown to reproduce it at that stage.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Sequence
from dataclasses import replace

import numpy as np

from netparity.conventions import Piled
from netparity.diagnosis import feeding, initial, stepping, update
from netparity.diagnosis.bench import Bench, Stage, merge, not_checked, stage_of, why
from netparity.diagnosis.exchange import Exchange
from netparity.diagnosis.noise import (
    Measure,
    measure,
    reference,
)
from netparity.diagnosis.observe_live import loss_and_gradient
from netparity.diagnosis.observe_live import update_rule as live_update_rule
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Twin, Values, decay_of_rule
from netparity.nn import Loss
from netparity.nn.optimizers import Decay


# ---- structure ---------------------------------------------------------------------------------
def structure(bench: Bench) -> Stage:
    """Weight layers, their widths and biases, in order of execution."""
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return not_checked("structure", why(bench, "structure"))
    measures = [Measure(name, 0.0, 0.0) for name in bench.pairing.names]
    measures += [Measure(f"left: {n}", float("inf"), 0.0) for n in bench.pairing.left_only]
    measures += [Measure(f"right: {n}", float("inf"), 0.0) for n in bench.pairing.right_only]
    return stage_of("structure", measures)


# ---- init --------------------------------------------------------------------------------------
def initial_values(bench: Bench) -> Stage:
    """The parameters handed over."""
    right = bench.pairing.to_left(bench.right.parameters)
    mine = bench.pairing.summed(bench.left.parameters)
    left = {n: v for n, v in mine.items() if n in right}
    return stage_of("init", initial.compare(left, right, bench.dtype))


# ---- data --------------------------------------------------------------------------------------
def data(exchange: Exchange) -> Stage:
    """What both sides feed in two epochs, or in as many as the free run takes."""
    return stage_of("data", [feeding.compare(exchange.left, exchange.right)])


# ---- loss --------------------------------------------------------------------------------------
def loss(bench: Bench) -> Stage:
    """The data loss of the same predictions, at two batch sizes."""
    left, right = bench.left, bench.right
    shown = left.shows_its_loss and right.shows_its_loss
    if not shown or left.twin is None or right.twin is None:
        return _live(bench, "loss", "loss", lambda: loss_and_gradient(bench, gradient=False))
    if bench.y is None:
        return not_checked("loss", "no targets were given")
    silent = [
        f"that of {k.side.which} by its "
        + ("steps, up to a factor" if k.gradient is None else "gradients, up to a constant")
        for k in (left, right)
        if k.loss is None
    ]
    reason = "; ".join(silent) or None
    return stage_of("loss", loss_measures(bench, left.twin, right.twin), reason)


def loss_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Two twins' losses on predictions of our choosing, and on those that training leads to."""
    one, two = left.conventions.loss, right.conventions.loss
    if one is None or two is None or bench.y is None:
        return []
    return losses_apart(bench, left, one, two)


def losses_apart(bench: Bench, left: Twin, one: Loss, two: Loss) -> list[Measure]:
    """Two losses of the same predictions: at random parameters, as handed over, once trained."""
    if bench.y is None:
        return []
    measures = []
    rows = min(len(bench.x), bench.batch_size)
    looks = [
        (probe_parameters(left, bench.rng), size)
        for size in dict.fromkeys((rows, min(len(bench.x), 7), 1))
    ]
    looks += [(values, min(len(bench.x), REACHED_ROWS)) for values in _reached(bench, left)]
    for values, size in looks:
        x, y = bench.x[:size], bench.y[:size]
        known = reference(
            left.with_(penalties=(), loss=one),
            values,
            x,
            y,
            dtype=bench.dtype,
            rng=bench.rng,
            training=False,
            backward=False,
        )
        prediction = known.evaluation.prediction
        with np.errstate(all="ignore"):
            a, b = one.value(prediction, y), two.value(prediction, y)
        if "loss" in known.floors:
            measures.append(known.measure("loss", np.asarray(a), np.asarray(b), "loss"))
    return merge(measures)


#: Updates and rows after which it is seen what a run's predictions come to.
REACHED_STEPS, REACHED_ROWS = 20, 128


def _reached(bench: Bench, left: Twin) -> list[Values]:
    """Parameters as handed over, and after some updates of the twin."""
    start = {n: np.asarray(v, dtype=np.float64) for n, v in bench.left.parameters.items()}
    if set(start) != set(left.network.parameter_shapes()):
        return []
    if bench.y is None or left.conventions.optimizer is None or left.dropout_layers():
        return [start]
    rows = min(len(bench.x), bench.batch_size)
    starts = [(rows * step) % max(len(bench.x) - rows + 1, 1) for step in range(REACHED_STEPS)]
    batches = [(bench.x[s : s + rows], bench.y[s : s + rows]) for s in starts]
    with np.errstate(all="ignore"):
        end = left.run(start, batches)[-1]
    finite = all(np.all(np.isfinite(v)) for v in end.values())
    return [start, end] if finite else [start]


def loss_shows(bench: Bench) -> Callable[[Loss, Loss], bool]:
    """Whether two losses give other values for what this data makes the left side predict."""

    def shows(one: Loss, two: Loss) -> bool:
        if bench.left.twin is None:
            return True
        return any(m.different for m in losses_apart(bench, bench.left.twin, one, two))

    return shows


# ---- regularization ----------------------------------------------------------------------------
def regularization(bench: Bench) -> Stage:
    """The penalty's pull on each parameter, at equal parameters."""
    left, right = bench.left, bench.right
    if left.twin is None or right.twin is None:
        return not_checked("regularization", why(bench, "structure"))
    understood = all(
        (k.gradient is not None and k.gradient.understood)
        or k.loss is not None
        or (k.update is not None and k.conventions.loss is not None)
        for k in (left, right)
    )
    if not understood or left.twin.conventions.loss is None or bench.y is None:
        return not_checked("regularization", why(bench, "gradient"))
    found = stage_of("regularization", penalty_measures(bench, left.twin, right.twin))
    for one, two in ((left, right), (right, left)):
        if found.status == "different" and one.decays and two.may_decay:
            unknown = f"{two.side.which} may decay inside its update, whose rule is not known"
            return not_checked("regularization", unknown)
    return found


def penalty_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Two twins' penalty gradients, parameter by parameter.

    The floor is that of the whole gradient there, from which the penalty was read.
    """
    x, y = bench.batch
    values = probe_parameters(left, bench.rng)
    # Left's floor needs no mask of right's, whose layers may be fewer or of other widths.
    draws = left.new_draws(x, bench.rng)
    known = reference(left, values, x, y, dtype=bench.dtype, rng=bench.rng, draws=draws)
    others = bench.pairing.to_right(values, right)
    # At two sizes: what is divided by the rows can be equal at one.
    pulls = [
        (_pull(left, values, rows), bench.pairing.to_left(_pull(right, others, rows)))
        for rows in dict.fromkeys((len(x), max(1, len(x) // 2)))
    ]
    beside = _pull_of_rule(left, values, "decoupled")
    other = bench.pairing.to_left(_pull_of_rule(right, others, "decoupled"))
    measures = []
    for name, value in values.items():
        if name not in bench.pairing.names or f"gradients/{name}" not in known.floors:
            continue
        zero = np.zeros_like(value)
        for a, b in (*pulls, (beside, other)):
            got = measure(
                a.get(name, zero),
                b.get(name, zero),
                known.floors[f"gradients/{name}"],
                known.values[f"gradients/{name}"],
                name,
            )
            measures.append(replace(got, conditioned=True))
    return merge(measures)


def _pull_of_rule(twin: Twin, values: Values, kind: Decay) -> Values:
    decay = decay_of_rule(twin.conventions.optimizer, values, kind)
    return {n: decay[n] * v for n, v in values.items() if decay[n]}


def _pull(twin: Twin, values: Values, rows: int) -> Values:
    """What pulls through the gradient: the penalties, and a decay that the rule adds to it."""
    total = _pull_of_rule(twin, values, "coupled")
    for penalty in twin.conventions.penalties or ():
        for name, gradient in penalty.gradients(values, rows=rows).items():
            total[name] = total.get(name, np.zeros_like(gradient)) + gradient
    return total


# ---- gradient ----------------------------------------------------------------------------------
def gradient(bench: Bench) -> Stage:
    """Each side's backward pass against the true gradient of its own loss."""
    measures: list[Measure] = []
    missing = []
    for known in (bench.left, bench.right):
        if known.gradient is None:
            through = known.checks.get("gradient through step")
            if through:
                measures += [replace(m, where=f"{known.side.which}: {m.where}") for m in through]
                continue
            missing.append(known.missing.get("gradient", f"{known.side.which}: not exposed"))
            continue
        for m in known.gradient.measures:
            measures.append(replace(m, where=f"{known.side.which}: {m.where}"))
        if any(p.piled is not None for p in known.gradient_probes):
            measures.append(Measure(f"{known.side.which}: the same batch again", 1.0, 0.0))
    if missing and not any(m.different for m in measures):
        return _live(
            bench, "gradient", "gradients", lambda: loss_and_gradient(bench, gradient=True)
        )
    return stage_of("gradient", measures, "; ".join(missing) or None)


def _live(bench: Bench, stage: str, ability: str, look: Callable[[], list[Measure]]) -> Stage:
    """The live sides against each other, where both can and one was not identified."""
    reason = why(bench, stage)
    unmatched = "training" in bench.left.missing | bench.right.missing
    exposed = all(ability in k.live.abilities for k in (bench.left, bench.right))
    if exposed and not unmatched and bench.y is not None:
        with contextlib.suppress(Exception):
            return stage_of(stage, look(), f"compared live: {reason}")
    return not_checked(stage, reason)


# ---- update ------------------------------------------------------------------------------------
def update_rule(bench: Bench) -> Stage:
    """Both optimizers, given the same parameters and gradients for several steps."""
    left, right = bench.left, bench.right
    if left.twin is None or right.twin is None:
        return not_checked("update", why(bench, "structure"))
    if left.update is None or right.update is None:
        return _live(bench, "update", "update", lambda: live_update_rule(bench))
    return stage_of("update", update_measures(bench, left.twin, right.twin))


def update_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Two twins' optimizers, and their clips, on the same gradients."""
    one, two = left.conventions.optimizer, right.conventions.optimizer
    if one is None or two is None:
        return []
    one, two = update.without_decay(one), update.without_decay(two)
    if bench.dtype == np.float32:
        one, two = update.as_written(one), update.as_written(two)
    start = {n: v for n, v in probe_parameters(left, bench.rng).items() if n in bench.pairing.names}
    calls = update.calls_to_make(start, bench.rng)
    if one.elementwise and two.elementwise:
        calls = update.sampled(update.Updates(calls, ()), bench.rng).calls
    theirs = update.rated(calls, right.conventions)
    calls = update.rated(calls, left.conventions)
    noise = update.floors(one, calls, bench.dtype, bench.rng, left.conventions.clipping)
    back = {r: n for n, r in bench.pairing.names.items()}
    still = {back.get(n, n) for n in right.conventions.frozen}
    rows = len(bench.batch[0])
    a = update.repeat(
        one, _moving(calls, left, left.conventions.frozen, rows), left.conventions.clipping
    )
    b = update.repeat(two, _moving(theirs, right, still, rows), right.conventions.clipping)
    return update.compare(a, b, noise, calls)


def _moving(
    calls: Sequence[update.Call], twin: Twin, frozen: Container[str], rows: int
) -> list[update.Call]:
    """The calls with the gradients that come to a side's rule in its steps.

    Of parameters that it never moves there are none.
    """
    faults = [f for f in twin.conventions.step_faults if not isinstance(f, Piled) or f.in_step]
    return [
        replace(c, gradient={n: g for n, g in c.gradient.items() if n not in frozen})
        for c in stepping.as_received(calls, faults, [rows] * len(calls))
    ]
