"""Brings a side's conventions into one form, in which equal behaviour looks equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from netparity.conventions import GradientFault, Slope, changed
from netparity.diagnosis.faulty_losses import behind
from netparity.diagnosis.twin import decay_coefficients, sign_coefficients
from netparity.nn import (
    L1,
    L2,
    SGD,
    Layer,
    Loss,
    Optimizer,
    Penalty,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    in_scope,
)

if TYPE_CHECKING:
    from netparity.diagnosis.identify import Identified


def make_canonical(known: Identified) -> None:
    """Moves every coupled decay into the penalties, and sets the loss's head apart."""
    twin = known.twin
    if twin is None:
        return
    conventions = twin.conventions
    names = list(twin.network.parameter_shapes())
    decay = decay_coefficients(conventions.penalties or (), names)
    optimizer: Optimizer | None = known.update.optimizer if known.update else None
    clipping = known.update.clipping if known.update else None
    if optimizer is not None and optimizer.weight_decay:
        plain = isinstance(optimizer, SGD) and optimizer.momentum == 0
        # A clip, or a mistake of the step, comes between what the loss adds to the gradient and
        # what the rule adds.
        between = clipping is not None or bool(conventions.step_faults)
        if not between and (plain or optimizer.decay == "coupled"):
            for name in names:
                if in_scope(optimizer.decay_scope, name):
                    decay[name] += optimizer.weight_decay
            optimizer = changed(optimizer, weight_decay=0.0, decay="coupled", decay_scope="all")
    penalties = penalties_of(
        decay,
        sign_coefficients(conventions.penalties or (), names),
        decay_coefficients(conventions.penalties or (), names, by_batch=True),
        sign_coefficients(conventions.penalties or (), names, by_batch=True),
    )
    known.twin = twin.with_(
        penalties=penalties,
        optimizer=optimizer,
        clipping=clipping,
        schedule=known.declared.schedule or (known.update.schedule if known.update else None),
        schedule_every=known.declared.schedule_every,
    )
    _set_head_apart(known)


def penalties_of(
    decay: Mapping[str, float],
    signs: Mapping[str, float],
    decay_by_batch: Mapping[str, float],
    signs_by_batch: Mapping[str, float],
) -> tuple[Penalty, ...]:
    """Penalties whose gradients are ``c·w`` and ``c·sign(w)``, or those over the batch's rows."""
    return (
        *l1_penalties(signs),
        *l1_penalties(signs_by_batch, by_batch=True),
        *l2_penalties(decay_by_batch, by_batch=True),
        *l2_penalties(decay),
    )


def l2_penalties(decay: Mapping[str, float], *, by_batch: bool = False) -> tuple[L2, ...]:
    """L2 penalties whose gradients are ``c·w``, or ``c·w/B``, with these coefficients."""
    return tuple(
        L2(c, factor=0.5, scope=names, scale_with_batch=by_batch) for c, names in _groups(decay)
    )


def l1_penalties(signs: Mapping[str, float], *, by_batch: bool = False) -> tuple[L1, ...]:
    """L1 penalties whose gradients are ``c·sign(w)``, or ``c·sign(w)/B``."""
    return tuple(L1(c, scope=names, scale_with_batch=by_batch) for c, names in _groups(signs))


def _groups(coefficients: Mapping[str, float]) -> list[tuple[float, tuple[str, ...]]]:
    """The parameters with the same coefficient, where it is not 0."""
    groups: dict[float, list[str]] = {}
    for name, coefficient in coefficients.items():
        if coefficient != 0:
            groups.setdefault(coefficient, []).append(name)
    return [(c, tuple(names)) for c, names in groups.items()]


def _on_logits(loss: SoftmaxCrossEntropy | SigmoidCrossEntropy) -> Loss:
    """The same loss on what comes before the head, whose rows are normalised already."""
    if isinstance(loss, SoftmaxCrossEntropy):
        return changed(loss, input="logits", renormalise=False)
    return changed(loss, input="logits")


def _set_head_apart(known: Identified) -> None:
    """Takes a final softmax or sigmoid out of the network where the loss undoes it."""
    twin = known.twin
    if twin is None or not twin.conventions.layers:
        return
    loss, layers = twin.conventions.loss, twin.conventions.layers
    last = layers[-1][1]
    undone = (last == Softmax() and isinstance(loss, SoftmaxCrossEntropy)) or (
        isinstance(last, Sigmoid) and isinstance(loss, SigmoidCrossEntropy)
    )
    if (
        undone
        and isinstance(loss, SoftmaxCrossEntropy | SigmoidCrossEntropy)
        and loss.input == "probabilities"
        and getattr(loss, "log_floor", None) is None
    ):
        known.head = last
        known.twin = twin.with_(
            layers=layers[:-1],
            loss=_on_logits(loss),
            faults=tuple(_of_head(f, layers[-1][0], last, loss) for f in twin.conventions.faults),
        )


def set_the_same_head_apart(one: Identified, other: Identified) -> None:
    """Sets apart on one side the head that the other's loss takes apart.

    Both networks end in the same layer; then the losses of what comes before it are compared.
    Where one ends in a softmax over something else, the other's is put back, to be compared.
    """
    twin, head = one.twin, other.head
    if twin is None or head is None or one.head is not None:
        return
    layers, loss = twin.conventions.layers or (), twin.conventions.loss
    if not layers or loss is None:
        return
    if isinstance(head, Softmax) and isinstance(layers[-1][1], Softmax) and layers[-1][1] != head:
        _put_head_back(other)
    if layers[-1][1] != head:
        return
    one.head = head
    one.twin = twin.with_(
        layers=layers[:-1],
        loss=behind(head, loss),
        faults=tuple(_of_head(f, layers[-1][0], head, loss) for f in twin.conventions.faults),
    )


def _put_head_back(known: Identified) -> None:
    """A final softmax as the last layer again, and the loss that of its probabilities."""
    twin, head = known.twin, known.head
    loss = None if twin is None else twin.conventions.loss
    if twin is None or head is None or not isinstance(loss, SoftmaxCrossEntropy):
        return
    layers = twin.conventions.layers or ()
    name = "softmax"
    while name in dict(layers):
        name += "_"
    known.head = None
    known.twin = twin.with_(
        layers=(*layers, (name, head)), loss=changed(loss, input="probabilities")
    )


def _of_head(fault: GradientFault, name: str, head: Layer, loss: Loss) -> GradientFault:
    """A peculiarity of the backward pass, said of the network without its head."""
    if isinstance(fault, Slope) and fault.layer == name:
        return replace(fault, head=head, loss=loss)
    return fault
