"""The catalogue: one entry for each convention on which implementations differ.

``all_conventions`` lists the entries in the order of the causal chain, ``find`` looks one
up by its cause id, ``page`` renders them all as Markdown.
"""

from __future__ import annotations

import difflib
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from netparity.catalogue.data_feeding import DATA_FEEDING
from netparity.catalogue.data_values import DATA_VALUES
from netparity.catalogue.entry import Convention
from netparity.catalogue.forward_activations import FORWARD_ACTIVATIONS
from netparity.catalogue.forward_layers import FORWARD_LAYERS
from netparity.catalogue.forward_normalization import FORWARD_NORMALIZATION
from netparity.catalogue.gradient import GRADIENT
from netparity.catalogue.initialization import INITIALIZATION
from netparity.catalogue.initialization_layers import INITIALIZATION_LAYERS
from netparity.catalogue.loss_classification import LOSS_CLASSIFICATION
from netparity.catalogue.loss_regression import LOSS_REGRESSION
from netparity.catalogue.loss_weighting import LOSS_WEIGHTING
from netparity.catalogue.page import STAGE_TITLES, render, render_entry
from netparity.catalogue.regularization import REGULARIZATION
from netparity.catalogue.regularization_decay import REGULARIZATION_DECAY
from netparity.catalogue.reporting import REPORTING
from netparity.catalogue.rng_numerics import RNG_NUMERICS
from netparity.catalogue.rng_seeds import RNG_SEEDS
from netparity.catalogue.structure import STRUCTURE
from netparity.catalogue.structure_layouts import STRUCTURE_LAYOUTS
from netparity.catalogue.update_adaptive import UPDATE_ADAPTIVE
from netparity.catalogue.update_gradients import UPDATE_GRADIENTS
from netparity.catalogue.update_schedules import UPDATE_SCHEDULES
from netparity.catalogue.update_sgd import UPDATE_SGD
from netparity.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "STAGE_TITLES",
    "Convention",
    "all_conventions",
    "find",
    "for_switch",
    "page",
    "render_entry",
]

_CONVENTIONS: tuple[Convention, ...] = (
    *STRUCTURE,
    *STRUCTURE_LAYOUTS,
    *INITIALIZATION,
    *INITIALIZATION_LAYERS,
    *DATA_FEEDING,
    *DATA_VALUES,
    *FORWARD_LAYERS,
    *FORWARD_NORMALIZATION,
    *FORWARD_ACTIVATIONS,
    *LOSS_CLASSIFICATION,
    *LOSS_WEIGHTING,
    *LOSS_REGRESSION,
    *REGULARIZATION,
    *REGULARIZATION_DECAY,
    *GRADIENT,
    *UPDATE_SGD,
    *UPDATE_ADAPTIVE,
    *UPDATE_GRADIENTS,
    *UPDATE_SCHEDULES,
    *REPORTING,
    *RNG_SEEDS,
    *RNG_NUMERICS,
)


def all_conventions() -> tuple[Convention, ...]:
    """All entries, stage by stage in the order of the causal chain.

    Returns:
        The entries; their ids are unique.

    Example:
        >>> all_conventions()[0].stage
        'structure'
    """
    return _CONVENTIONS


@cache
def _by_id() -> Mapping[str, Convention]:
    return MappingProxyType({convention.id: convention for convention in _CONVENTIONS})


def find(id: str) -> Convention:
    """The entry of one cause id.

    Args:
        id: the cause id, such as ``"l2-half-factor"``.

    Returns:
        Its entry.

    Raises:
        InputError: there is no such id; the hint names the nearest one.

    Example:
        >>> find("l2-half-factor").stage
        'regularization'
    """
    known = _by_id()
    if id in known:
        return known[id]
    near = difflib.get_close_matches(id, known, n=1, cutoff=0.0)
    raise InputError(
        f"The catalogue has no cause {id!r}. Expected one of {len(known)} ids.",
        hint=f"Did you mean {near[0]!r}? `netparity explain` lists all ids.",
    )


@cache
def _by_switch() -> Mapping[str, tuple[Convention, ...]]:
    known: dict[str, list[Convention]] = {}
    for convention in _CONVENTIONS:
        for switch in convention.switches:
            known.setdefault(switch, []).append(convention)
    ordered = {s: sorted(c, key=lambda c: c.when is None) for s, c in known.items()}
    return MappingProxyType({switch: tuple(entries) for switch, entries in ordered.items()})


def for_switch(switch: str, left: object, right: object) -> Convention | None:
    """The entry that names a difference in one switch of the reference network.

    Args:
        switch: the name of a field of both pieces.
        left: a layer, loss, penalty or optimizer; its class and the field's name make the key.
        right: another of the same class.

    Returns:
        The entry, or ``None`` where the catalogue knows no convention behind that field.

    Example:
        >>> from netparity.nn import Dropout
        >>> for_switch("rate", Dropout(0.3), Dropout(0.7)).id
        'dropout-rate-vs-keep'
        >>> for_switch("rate", Dropout(0.3), Dropout(0.4)).id
        'dropout-rate-value'
    """
    for entry in _by_switch().get(f"{type(left).__name__}.{switch}", ()):
        if entry.when is None or entry.when(left, right):
            return entry
    return None


def page() -> str:
    """The whole catalogue as one Markdown page.

    Returns:
        The text of ``docs/catalogue.md``; ``python -m netparity.catalogue`` writes it.

    Example:
        >>> page().splitlines()[0]
        '# The catalogue of conventions'
    """
    return render(_CONVENTIONS)
