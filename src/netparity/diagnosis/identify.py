"""Identifies one side: what it declares, checked against what is measured.

Stage after stage a twin of the side is built and must reproduce the side to the noise floor
there; the next stage is read against the twin found so far. What comes out are the side's
conventions in one canonical form, in which equal behaviour looks equal however it was
written: a final softmax or sigmoid that belongs to the loss is set apart, and every L2 decay
that passes through the gradient (a penalty in the loss, coupled weight decay, a decay inside
a plain SGD step) stands as one penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, Piled
from netparity.diagnosis import gradient as gradients_
from netparity.diagnosis import loss as losses_
from netparity.diagnosis import masks as masks_
from netparity.diagnosis import stepping, structure, unshown, update
from netparity.diagnosis.canonical import make_canonical
from netparity.diagnosis.layout import in_one_layout
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import ULPS, Measure
from netparity.diagnosis.probes import probe_parameters, read
from netparity.diagnosis.sides import Side
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.diagnosis.update import steering
from netparity.errors import CannotError, InputError
from netparity.implementations.base import Implementation
from netparity.nn import Layer, Penalty, in_scope

DrawSource = Callable[[Implementation, Array], "list[Array] | None"]


@dataclass(slots=True)
class Identified:
    """One side as understood.

    Attributes:
        side: what was handed over.
        declared: what it says of itself.
        twin: its canonical conventions; ``None`` where its network could not be found.
        head: a final softmax or sigmoid that the loss takes apart again, set aside.
        loss_penalties: the penalties inside the loss value (the canonical ones are those that
            act on the update).
        gradient: how its backward pass compares with its own loss.
        update: its update rule as observed.
        draws: gives the dropout draws that match the side's masks, or draws to feed it.
        checks: stage → the twin against the side.
        missing: stage → why it could not be identified.
        raised: the stages in which the side itself raised.
        parameters: the values handed over, in the twin's layout.
    """

    side: Side
    declared: Conventions
    twin: Twin | None = None
    head: Layer | None = None
    loss: losses_.FoundLoss | None = None
    loss_penalties: tuple[Penalty, ...] = ()
    gradient: gradients_.FoundGradient | None = None
    gradient_probes: list[gradients_.Probe] = field(default_factory=list)
    update: update.FoundUpdate | None = None
    draws: DrawSource = lambda _live, _x: None
    checks: dict[str, tuple[Measure, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    raised: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    parameters: Values = field(default_factory=dict)

    @property
    def live(self) -> Implementation:
        """The implementation at hand."""
        return self.side.live

    @property
    def conventions(self) -> Conventions:
        """The canonical conventions, or what is declared where there is no twin."""
        return self.twin.conventions if self.twin is not None else self.declared

    @property
    def decays(self) -> bool:
        """Whether weights decay inside its update rule."""
        return self.update is not None and self.update.optimizer.weight_decay != 0

    @property
    def may_decay(self) -> bool:
        """Whether it updates by a rule that is not known, which may decay weights."""
        return self.update is None and not self.live.abilities.isdisjoint({"update", "step"})


def declare(side: Side, x: Array) -> Conventions:
    """What a side says of itself; nothing where reading it fails."""
    saved = side.live.state()
    try:
        return side.live.declared(x[: min(3, len(x))])
    finally:
        side.live.restore(saved)


def identify(
    side: Side,
    declared: Conventions,
    x: Array,
    y: Array | None,
    batch_size: int,
    rng: np.random.Generator,
    other: Conventions | None = None,
) -> Identified:
    """Finds a side's conventions, stage after stage.

    Args:
        side: the side; its live implementation is reset afterwards.
        declared: what it says of itself.
        x: the data.
        y: its targets (``None``: forward only).
        batch_size: rows in the larger probes.
        rng: for the probes.
        other: the other side's conventions, first guess for what this one does not declare.
    """
    known = Identified(side, declared)
    batch = x[: min(len(x), batch_size)]
    _network(known, batch, rng, other)
    if known.twin is not None and y is not None:
        batches = losses_.probe_batches(x, y, batch_size)
        for stage, find in (
            ("loss", _loss),
            ("gradient", _gradient),
            ("update", _update),
        ):
            try:
                find(known, batches, rng, other)
            except CannotError as error:
                known.missing.setdefault(stage, f"{side.which} has no {error}")
            except InputError:
                raise
            except Exception as error:
                known.missing[stage] = _raised(known, error)
                known.raised.add(stage)
            finally:
                side.reset()
        make_canonical(known)
    side.reset()
    return known


def _network(
    known: Identified, x: Array, rng: np.random.Generator, other: Conventions | None
) -> None:
    templates = (other,) if other is not None and other.layers is not None else ()
    try:
        found = structure.find(known.live, known.declared, x, rng, templates)
    except (CannotError, InputError):
        raise
    except Exception as error:
        known.missing["structure"] = _raised(known, error)
        known.raised.add("forward")
        return
    finally:
        known.side.reset()
    if found is None:
        known.missing["structure"] = f"no chain of known layers reproduces {known.side.which}"
        return
    known.checks["forward"] = (found.measure,)
    live = known.live
    conventions = replace(_in_one_layout(live, found.conventions, x, rng), trains=live.trains)
    base = Twin(conventions)
    if "draws" in live.abilities and live.dropouts(x[:2]):
        generator = np.random.default_rng(int(rng.integers(2**31)))

        def feed(live: Implementation, x: Array) -> list[Array]:
            own = [generator.random(shape) for shape in live.dropouts(x)]
            return masks_.taken(base, own)

        known.draws = feed
    elif _depends_on_mode(known, x) and not _trains_as(live, base, x, rng):
        seen = masks_.see_masks(live, base, x)
        if seen:
            conventions = masks_.with_dropout(conventions, seen)

            def shown(live: Implementation, x: Array) -> list[Array] | None:
                masks = masks_.see_masks(live, base, x)
                return masks_.as_draws(masks) if masks else None

            known.draws = shown
        else:
            known.missing["training"] = (
                f"{known.side.which} differs between training and inference, and its dropout "
                "masks can neither be fed nor be seen in its activations"
            )
    elif base.dropout_layers() and not found.declared:
        known.missing["training"] = (
            f"{known.side.which} scales in inference as for a dropout, of which nothing is seen "
            "in training"
        )
    known.twin = Twin(conventions)
    known.parameters = read(live, known.twin)


def _in_one_layout(
    live: Implementation, conventions: Conventions, x: Array, rng: np.random.Generator
) -> Conventions:
    """The network in the one layout, if it is the same function still."""
    arranged = in_one_layout(conventions, x)
    if arranged == conventions:
        return conventions
    saved = live.state()
    try:
        return conventions if structure.confirm(live, arranged, x, rng) is None else arranged
    finally:
        live.restore(saved)


def _trains_as(live: Implementation, twin: Twin, x: Array, rng: np.random.Generator) -> bool:
    """Whether the twin reproduces the side in training mode as well."""
    saved = live.state()
    try:
        return structure.confirm(live, twin.conventions, x, rng, training=True) is not None
    except CannotError:
        return False
    finally:
        live.restore(saved)


def _raised(known: Identified, error: Exception) -> str:
    return f"{known.side.which} raised {type(error).__name__}: {error}"


def _depends_on_mode(known: Identified, x: Array) -> bool:
    """Whether training and inference give different values anywhere we can look."""
    live = known.live
    saved = live.state()
    looks: list[Callable[[bool], list[Array]]] = [
        lambda training: [np.asarray(live.predict(x, training=training))]
    ]
    if "activations" in live.abilities:
        looks.append(lambda training: list(live.activations(x, training=training).values()))
    try:
        for look in looks:
            values = []
            for training in (False, True):
                live.restore(saved)
                try:
                    values.append(look(training))
                except CannotError as error:
                    values.append([])
                    if "inference mode" in str(error):
                        return True
                except Exception as error:
                    known.notes.append(_raised(known, error))
                    values.append([])
            inference, trained = values
            if inference and trained and len(inference) != len(trained):
                return True
            if any(not np.array_equal(a, b) for a, b in zip(inference, trained, strict=False)):
                return True
        return False
    finally:
        live.restore(saved)


def _wide(values: Mapping[str, Array]) -> Values:
    return {n: np.array(v, dtype=np.float64) for n, v in values.items()}


def _loss(
    known: Identified,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    other: Conventions | None,
) -> None:
    twin = known.twin
    if twin is None or "training" in known.missing:
        known.missing.setdefault("loss", known.missing.get("training", "no twin"))
        return
    if "loss" not in known.live.abilities:
        known.missing["loss"] = f"{known.side.which} gives no loss"
        return
    hints = [other.loss] if other is not None and other.loss is not None else []
    found = losses_.identify(known.live, twin.conventions, batches, rng, known.draws, hints)
    if found is None:
        known.missing["loss"] = f"no known loss reproduces that of {known.side.which}"
        return
    known.loss = found
    known.loss_penalties = found.penalties
    known.checks["loss"] = (found.measure,)
    known.twin = twin.with_(loss=found.loss, penalties=found.penalties)


def _gradient(
    known: Identified,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    other: Conventions | None,
) -> None:
    twin = known.twin
    if twin is None or "training" in known.missing:
        known.missing.setdefault("gradient", known.missing.get("training", "no twin"))
        return
    if "gradients" not in known.live.abilities:
        known.missing["gradient"] = f"{known.side.which} gives no gradients"
        return
    if twin.conventions.loss is not None:
        found, probes = _gradient_of(known, twin, batches, rng)
    else:
        given = None if other is None else other.loss
        losses = unshown.possible(twin.conventions, given, batches[0][1])
        if given is None and "loss" in known.live.abilities:
            losses = []  # it shows one, which is none of these
        tried = (
            _gradient_of(known, twin.with_(loss=loss, penalties=()), batches, rng)
            for loss in losses
        )
        first = next(tried, None)
        if first is None:
            known.missing["gradient"] = f"the loss of {known.side.which} is not known"
            return
        found, probes = next((t for t in (first, *tried) if t[0].understood), first)
        found = unshown.with_its_factor(found) if given is None else found
    known.gradient = found
    known.gradient_probes = probes
    known.checks["gradient"] = found.residual
    if found.understood:
        known.twin = Twin(found.conventions)
    elif known.loss is None:
        known.missing["gradient"] = f"the loss of {known.side.which} is not known"
    if found.understood and any(p.piled for p in probes):
        known.twin = Twin(replace(found.conventions, step_faults=(Piled(in_step=False),)))


def _gradient_of(
    known: Identified, twin: Twin, batches: Sequence[tuple[Array, Array]], rng: np.random.Generator
) -> tuple[gradients_.FoundGradient, list[gradients_.Probe]]:
    """The backward pass of a twin's loss, as the side makes it."""
    probes = gradients_.observe(known.live, twin, batches, rng, known.draws)
    return gradients_.identify(known.live, twin.conventions, probes, rng), probes


def _update(
    known: Identified,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    other: Conventions | None,
) -> None:
    twin = known.twin
    if twin is None:
        return
    live = known.live
    if not {"update", "step"} & live.abilities:
        known.missing["update"] = f"{known.side.which} has neither update nor step"
        return
    declared = _rule(known.declared)
    guess = None if other is None else _rule(other)
    hints = [] if guess is None else [guess]
    start = probe_parameters(twin, rng)
    found = None
    if "update" in live.abilities:
        made = update.feed(live, twin, update.calls_to_make(start, rng))
        made = update.at_rates(made, known.declared)
        seen, _ = _without_frozen(made, live.dtype)
        found = update.identify(seen, live.dtype, rng, declared, hints)
        known.side.reset()
    stepped = None
    # Gradients that pile up whenever they are asked for cannot be followed beside the steps.
    follows = not any(p.piled for p in known.gradient_probes)
    if "step" in live.abilities and "training" not in known.missing and follows:
        own = None if found is None else (found.optimizer, found.clipping)
        if "update" in live.abilities:
            walk = (*batches, *batches)[: update.STEPS]
            rows = [len(x) for x, _ in walk]
            followed = _follow_steps(known, twin, start, walk)
            if followed is not None and _grown(known, followed, walk):
                known.side.reset()
                followed = _follow_steps(known, twin, start, walk, fresh=True)
            if followed is not None:
                said = known.declared
                if found is not None and found.schedule is not None:
                    said = replace(said, schedule=found.schedule)
                followed = update.at_rates(followed, said)
                followed, frozen = _without_frozen(followed, live.dtype)
                if frozen and "gradients" in live.abilities:
                    known.twin = twin = twin.with_(frozen=frozen)
                rules = [rule for rule in (own, declared) if rule is not None]
                faults = stepping.faults_of(followed, rows, rules, live.dtype, rng)
                known.twin = twin.with_(step_faults=faults)
                calls = stepping.received(followed.calls, faults, rows)
                followed = update.Updates(tuple(calls), followed.after)
                stepped = update.identify_steps(followed, live.dtype, rng, declared, hints, own)
                if stepped is not None and found is not None:
                    stepped = replace(stepped, schedule=found.schedule)
        else:
            stepped = _steps_alone(known, twin, batches, rng, declared, hints, other)
    known.update = stepped or found
    if stepped is not None and known.gradient is None and "loss" in known.checks:
        known.checks["gradient through step"] = stepped.measures
    if known.update is None:
        known.missing["update"] = f"no known update rule repeats that of {known.side.which}"
        return
    known.checks["update"] = known.update.measures


def _rule(conventions: Conventions) -> update.Rule | None:
    optimizer = conventions.optimizer
    return None if optimizer is None else (optimizer, conventions.clipping)


def _steps_alone(
    known: Identified,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    declared: update.Rule | None,
    hints: Sequence[update.Rule],
    other: Conventions | None,
) -> update.FoundUpdate | None:
    """The rule of a side that shows whole steps alone, by gradients steered through its data.

    Where its loss is not shown either, those that fit its targets are tried; its factor and the
    learning rate are then one constant.
    """
    losses = [twin.conventions.loss]
    if twin.conventions.loss is None:
        near = [] if other is None or other.loss is None else [other.loss]
        losses = [*near, *steering.guessed_losses(twin, batches[0][1])]
    for loss in losses:
        guess = twin.with_(loss=loss, penalties=twin.conventions.penalties or ())
        made, probes = _steered_steps(known, guess, batches, rng)
        seen, frozen = _without_frozen(made, known.live.dtype)
        known.side.reset()
        rules = [rule for rule in (declared, *hints) if rule is not None]
        for start in _decaying(guess, other):
            wrong = stepping.wrong_twin(start, seen, probes, rules, known.live.dtype, rng)
            if wrong is not None:
                known.twin = wrong.twin.with_(frozen=frozen)
                _see_gradient(known, start, wrong, rng)
                return wrong.update
        found = update.identify_steps(seen, known.live.dtype, rng, declared, hints)
        if found is not None:
            known.twin = guess.with_(frozen=frozen)
            return found
    return None


def _decaying(twin: Twin, other: Conventions | None) -> list[Twin]:
    """The twin, and with the other side's decay, where it shows none in its loss."""
    if other is None or not other.penalties or twin.conventions.penalties:
        return [twin]
    theirs, own = (list(t.network.parameter_shapes()) for t in (Twin(other), twin))
    if len(theirs) != len(own):
        return [twin]
    names = dict(zip(theirs, own, strict=True))
    renamed: list[Penalty] = []
    for term in other.penalties:
        within = tuple(names[n] for n in theirs if in_scope(term.scope, n))
        renamed.append(replace(term, scope=within))  # type: ignore[type-var]
    return [twin, twin.with_(penalties=tuple(renamed))]


def _see_gradient(
    known: Identified, correct: Twin, wrong: stepping.Wrong, rng: np.random.Generator
) -> None:
    """What the gradients, with which a rule repeats a side's steps, have wrong."""
    if wrong.twin.conventions.step_faults:
        return
    found = gradients_.identify(known.live, correct.conventions, wrong.probes, rng)
    if found.understood:
        known.gradient, known.gradient_probes = found, list(wrong.probes)
        known.missing.pop("gradient", None)


def _steered_steps(
    known: Identified, twin: Twin, batches: Sequence[tuple[Array, Array]], rng: np.random.Generator
) -> tuple[update.Updates, list[gradients_.Probe]]:
    live = known.live
    native = live.parameters()
    calls, after, probes = [], [], []
    for step in steering.plan(twin, batches, rng):
        live.set_parameters(twin.native(step.before, native))
        before = _wide(twin.values(live.parameters()))
        step = replace(step, before=before)
        if step.exact:
            shown = np.asarray(live.predict(step.x))
            step = replace(step, y=shown.reshape(step.y.shape))
        draws = known.draws(live, step.x)
        noise = steering.noise_of(twin, step, live.dtype, rng, draws)
        gradient = twin.evaluate(before, step.x, step.y, draws=draws).gradients
        if step.exact:
            gradient = {n: np.zeros_like(g) for n, g in gradient.items()}
        live.step(step.x, step.y, draws=fed(live, twin, draws))
        calls.append(update.Call(before, _wide(gradient), noise=noise))
        given = None if draws is None else tuple(draws)
        probes.append(gradients_.Probe(before, step.x, step.y, given, calls[-1].gradient))
        after.append(_wide(twin.values(live.parameters())))
    return update.Updates(tuple(calls), tuple(after)), probes


#: Gradients further than this from the twin's are others, whatever the noise.
OTHER = 1e-3


def _grown(known: Identified, seen: update.Updates, batches: Sequence[tuple[Array, Array]]) -> bool:
    """Whether gradients that the twin repeats at first are others after some steps."""
    twin, found = known.twin, known.gradient
    if twin is None or found is None or not found.understood or twin.dropout_layers():
        return False
    call, (x, y) = seen.calls[-1], batches[len(seen.calls) - 1]
    own = twin.evaluate(call.before, x, y).gradients
    return any(
        float(np.max(np.abs(own[n] - g))) > OTHER * float(np.max(np.abs(own[n])))
        for n, g in call.gradient.items()
    )


def _follow_steps(
    known: Identified,
    twin: Twin,
    start: Values,
    batches: Sequence[tuple[Array, Array]],
    *,
    fresh: bool = False,
) -> update.Updates | None:
    """Whole steps of the side, with the gradients it had at each.

    ``fresh``: with those that it gives as it was built, whatever it kept since.
    """
    live = known.live
    native = live.parameters()
    live.set_parameters(twin.native(start, native))
    before = _wide(twin.values(live.parameters()))
    calls, after = [], []
    for x, y in batches:
        draws = known.draws(live, x)
        saved = live.state()
        if not twin.conventions.trains and twin.conventions.loss is not None:
            # Its own gradients are asked for in training mode; its steps are in the other.
            gradient = twin.evaluate(before, x, y, training=False).gradients
        elif "gradients" in live.abilities:
            if fresh:
                live.restore(known.side.built)
                live.set_parameters(twin.native(before, native))
            gradient = gradients_.twin_layout(
                twin, live.gradients(x, y, draws=fed(live, twin, draws)), native
            )
            live.restore(saved)
        elif twin.conventions.loss is not None:
            bare = twin.with_(penalties=())
            gradient = bare.evaluate(before, x, y, draws=draws).gradients
        else:
            return None
        live.step(x, y, draws=fed(live, twin, draws))
        calls.append(update.Call(before, _wide(gradient)))
        before = _wide(twin.values(live.parameters()))
        after.append(before)
    return update.Updates(tuple(calls), tuple(after))


def _would_move(
    seen: update.Updates, name: str, named: Sequence[str], dtype: np.dtype[Any]
) -> bool:
    """Whether a parameter's gradient, at the least rate seen elsewhere, is more than rounding."""
    largest = {
        n: max(float(np.max(np.abs(c.gradient[n]), initial=0.0)) for c in seen.calls) for n in named
    }
    moved = {
        n: max(
            float(np.max(np.abs(values[n] - call.before[n]), initial=0.0))
            for call, values in zip(seen.calls, seen.after, strict=True)
        )
        for n in named
    }
    rates = [moved[n] / largest[n] for n in named if largest[n] > 0 and moved[n] > 0]
    size = float(np.max(np.abs(seen.after[0][name]), initial=0.0))
    expected = largest[name] * min(rates, default=np.inf) if largest[name] else 0.0
    return expected > ULPS * float(np.finfo(dtype).eps) * size


def _without_frozen(
    seen: update.Updates, dtype: np.dtype[Any]
) -> tuple[update.Updates, tuple[str, ...]]:
    """The updates of the parameters that have gradients, without those that never move."""
    named = [n for n in seen.after[0] if all(n in c.gradient for c in seen.calls)]
    frozen = tuple(
        n
        for n in seen.after[0]
        if all(
            np.array_equal(values[n], call.before[n])
            for call, values in zip(seen.calls, seen.after, strict=True)
        )
        and (n not in named or _would_move(seen, n, named, dtype))
    )
    kept = [n for n in named if n not in frozen]
    return (seen.only(kept), frozen) if kept else (seen, ())
