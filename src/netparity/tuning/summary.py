"""A search in plain data: what its plots, its text and ``study.json`` are views of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, final

import msgspec

from netparity.tuning.lives import RETRY_OF
from netparity.tuning.orders import FAILURE, SURPLUS
from netparity.tuning.space import LABELS, Value
from netparity.tuning.storage import optuna, quiet

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

#: Fewer different outcomes say nothing of what made them.
_FEWEST: Final = 4


@final
class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One trial.

    Attributes:
        number: of the trial in its study.
        state: ``complete``, ``pruned``, ``failed`` (its worker died) or ``diverged``.
        value: its validation accuracy; of a pruned one the last that was seen.
        point: where in the space.
        curve: the validation accuracy after each epoch.
        retry_of: the first trial that this one is a retry of.
    """

    number: int
    state: Literal["complete", "pruned", "failed", "diverged"]
    value: float | None
    point: dict[str, Value]
    curve: tuple[float, ...]
    retry_of: int | None


def trials(study: Study) -> tuple[Tried, ...]:
    """The trials of a study that have ended.

    Args:
        study: the study.
    """
    return tuple(
        _tried(one)
        for one in study.get_trials(deepcopy=False)
        if one.state.is_finished() and SURPLUS not in one.user_attrs
    )


def _tried(trial: FrozenTrial) -> Tried:
    states = optuna().trial.TrialState
    curve = tuple(trial.intermediate_values[step] for step in sorted(trial.intermediate_values))
    value = curve[-1] if curve else None
    state: Literal["complete", "pruned", "failed", "diverged"] = "failed"
    if trial.state == states.COMPLETE:
        state = "diverged" if FAILURE in trial.user_attrs else "complete"
        value = float(trial.values[0])
    elif trial.state == states.PRUNED:
        state = "pruned"
    return Tried(
        number=trial.number,
        state=state,
        value=value,
        point=dict(trial.params),
        curve=curve,
        retry_of=trial.user_attrs.get(RETRY_OF),
    )


def importances(study: Study) -> dict[str, float]:
    """How much each dimension matters for being among the best, most first; shares of 1.

    A trial that was ended early counts with the last accuracy that was seen of it.

    Args:
        study: of the coarse stage, whose ranges are wide.

    Returns:
        By label; empty where too few trials came to something.

    Source: S. Watanabe, A. Bansal, F. Hutter, "PED-ANOVA: efficiently quantifying
    hyperparameter importance in arbitrary subspaces", IJCAI 2023.
    """
    module = optuna()
    ended = [one for one in study.get_trials(deepcopy=False) if one.state.is_finished()]
    told = [(one, _tried(one).value) for one in ended if _tried(one).state != "failed"]
    # Without a difference there is nothing that could have made it.
    if len({value for _, value in told if value is not None}) < _FEWEST:
        return {}
    with quiet():
        seen = module.create_study(direction="maximize")
        for one, value in told:
            if value is not None:
                seen.add_trial(
                    module.trial.create_trial(
                        params=one.params, distributions=one.distributions, value=value
                    )
                )
        evaluator = module.importance.PedAnovaImportanceEvaluator()
        found = module.importance.get_param_importances(seen, evaluator=evaluator)
    return {label(name): float(share) for name, share in found.items() if math.isfinite(share)}


def label(dimension: str) -> str:
    """What a dimension is called in plots and text.

    Args:
        dimension: its name.

    Example:
        >>> label("batch_norm")
        'batch norm'
    """
    return LABELS.get(dimension, dimension.replace("_", " "))


def plain(value: Any) -> Any:
    """Structs as what JSON holds.

    Args:
        value: any.
    """
    return msgspec.json.decode(msgspec.json.encode(value))
