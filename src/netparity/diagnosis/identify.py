"""Identifies one side: what it declares, checked against what is measured.

Stage after stage a twin of the side is built and must reproduce the side to the noise floor
there; the next stage is read against the twin found so far. What comes out are the side's
conventions in one canonical form, in which equal behaviour looks equal however it was
written: a final softmax or sigmoid that belongs to the loss is set apart, and every L2 decay
that passes through the gradient (a penalty in the loss, coupled weight decay, a decay inside
a plain SGD step) stands as one penalty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from netparity.conventions import Conventions, Piled
from netparity.diagnosis import gradient as gradients_
from netparity.diagnosis import identify_update, running, sent_back, structure, unshown, update
from netparity.diagnosis import loss as losses_
from netparity.diagnosis import masks as masks_
from netparity.diagnosis.canonical import make_canonical
from netparity.diagnosis.gradient_probes import Probe, observe
from netparity.diagnosis.layout import in_one_layout
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.probes import read
from netparity.diagnosis.sides import Side
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.errors import CannotError, InputError
from netparity.implementations.base import Implementation
from netparity.nn import Layer, Loss, Penalty

#: Losses read from gradients that are held to them, noise and all.
READ: Final = 3

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
    gradient_probes: list[Probe] = field(default_factory=list)
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
    def shows_its_loss(self) -> bool:
        """Whether its loss is known by its value, or by its gradients, or by whole steps."""
        if self.loss is not None:
            return True
        # A value that is shown and not understood is no less so for gradients that are.
        hidden = "loss" not in self.live.abilities
        by_gradients = hidden and self.gradient is not None and self.gradient.understood
        by_steps = self.gradient is None and self.update is not None
        return (by_gradients or by_steps) and self.conventions.loss is not None

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

    def with_twin(self, twin: Twin) -> Identified:
        """The same side followed by another twin.

        Args:
            twin: in the place of its own.
        """
        return replace(self, twin=twin)


def declare(side: Side, x: Array) -> Conventions:
    """What a side says of itself; nothing where reading it fails."""
    saved = side.live.state()
    try:
        return side.live.declared(x[: min(3, len(x))])
    except InputError:
        raise
    except Exception:  # the program cannot take the data: its forward pass will say so
        return Conventions()
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
        if declared.layers is None and not known.twin.dropout_layers():
            rows = y[: len(batch)]
            known.twin = Twin(running.identify(side.live, known.conventions, batch, rows, rng))
            side.reset()
        batches = losses_.probe_batches(x, y, batch_size)
        for stage, find in (
            ("loss", _loss),
            ("gradient", _gradient),
            ("update", identify_update.identify),
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
            conventions = dropping = masks_.with_dropout(conventions, seen)

            def shown(live: Implementation, x: Array) -> list[Array] | None:
                masks = masks_.see_masks(live, base, x)
                return masks_.as_draws(masks, dropping) if masks else None

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
    hints: list[Loss] = []
    if other is not None and other.loss is not None:
        last = (twin.conventions.layers or (("", None),))[-1][1]
        hints = list(dict.fromkeys((unshown.behind(other.loss, last), other.loss)))
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
        if not losses:
            known.missing["gradient"] = f"the loss of {known.side.which} is not known"
            return
        found, probes = _of_unshown(known, twin, batches, rng, losses, given)
        found = unshown.with_its_factor(found) if given is None else found
    known.gradient = found
    known.gradient_probes = probes
    known.checks["gradient"] = found.residual
    if found.understood:
        known.twin = Twin(found.conventions)
    elif known.loss is None:
        known.missing["gradient"] = f"the loss of {known.side.which} is not known"
    if found.understood and any(p.piled is not None for p in probes):
        known.twin = Twin(replace(found.conventions, step_faults=(Piled(in_step=False),)))


def _of_unshown(
    known: Identified,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    losses: Sequence[Loss],
    given: Loss | None,
) -> tuple[gradients_.FoundGradient, list[Probe]]:
    """The backward pass with the first loss that gives it: of these, or read from it."""
    first = _gradient_of(known, twin.with_(loss=losses[0], penalties=()), batches, rng)
    if first[0].understood:
        return first
    hints = losses if given is None else (given, *losses)
    read_ = sent_back.losses(twin, first[1], hints, known.live.dtype)
    for loss in (*itertools.islice(read_, READ), *losses[1:]):
        tried = _gradient_of(known, twin.with_(loss=loss, penalties=()), batches, rng)
        if tried[0].understood:
            return tried
    return first


def _gradient_of(
    known: Identified, twin: Twin, batches: Sequence[tuple[Array, Array]], rng: np.random.Generator
) -> tuple[gradients_.FoundGradient, list[Probe]]:
    """The backward pass of a twin's loss, as the side makes it."""
    probes = observe(known.live, twin, batches, rng, known.draws)
    return gradients_.identify(known.live, twin.conventions, probes, rng), probes
