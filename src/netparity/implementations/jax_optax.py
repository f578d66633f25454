"""The update rule behind an optax transformation, read from the closures of its parts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Final

import jax
import numpy as np

from netparity import nn
from netparity.conventions import changed
from netparity.errors import InputError


@dataclass(frozen=True, slots=True)
class Part:
    """One link of a chain of transformations: its name in optax, and its settings."""

    name: str
    settings: Mapping[str, Any]


def parts(transformation: Any) -> list[Part] | None:
    """The links of a transformation in order, or ``None`` where it holds one not of optax.

    Args:
        transformation: anything with ``init`` and ``update``.

    Example:
        >>> import optax
        >>> [part.name for part in parts(optax.sgd(0.1, momentum=0.5))]
        ['trace', 'scale']
    """
    init, update = getattr(transformation, "init", None), getattr(transformation, "update", None)
    name = getattr(update, "__qualname__", "").partition(".")[0]
    if not getattr(update, "__module__", "").startswith("optax.") or not inspect.isfunction(update):
        return None
    held = {**_held(init), **_held(update)}
    if name == "with_extra_args_support":
        return parts(held["tx"])
    if name == "chain":
        links: list[Part] = []
        for first, then in zip(held["init_fns"], held["update_fns"], strict=True):
            found = parts(SimpleNamespace(init=first, update=then))
            if found is None:
                return None
            links += found
        return links
    if name == "identity":
        return []
    if name == "masked":
        inner = parts(held["inner"])
        if inner is None or len(inner) != 1:
            return None
        return [replace(inner[0], settings={**inner[0].settings, "mask": held["mask"]})]
    return [Part(name, held)]


def _held(function: Any) -> dict[str, Any]:
    """What a function, and those made beside it, keep of the scope they were made in."""
    if not inspect.isfunction(function):
        return {}
    held = dict(inspect.getclosurevars(function).nonlocals)
    maker = function.__qualname__.partition(".")[0]
    for value in list(held.values()):
        if inspect.isfunction(value) and value.__qualname__.startswith(f"{maker}.<locals>"):
            held = {**_held(value), **held}
    return held


def read(
    transformation: Any, params: Any, names: list[tuple[str, int]], twins: Mapping[str, str]
) -> nn.Optimizer | None:
    """The rule of the reference network that a transformation is behind its clip, or ``None``.

    Args:
        transformation: an optax transformation.
        params: the parameters, for a mask of decay that is a function of them.
        names: of the parameters, and their places among the leaves.
        twins: the twin's name of each parameter, where it is known.

    Example:
        >>> import optax
        >>> read(optax.sgd(0.5), {}, [], {})
        SGD(learning_rate=0.5, momentum=0.0, form='rate-outside', nesterov=False, dampening=0.0, \
weight_decay=0.0, decay='coupled', decay_scope='all')
    """
    try:
        return _read(transformation, params, names, twins)
    except (KeyError, TypeError, ValueError, InputError):
        # A version of optax that keeps its settings elsewhere, values out of range, or a mask
        # for other parameters.
        return None


def clipping(transformation: Any) -> nn.Clipping | None:
    """The clip that a chain begins with, or ``None``.

    Example:
        >>> import optax
        >>> clipping(optax.chain(optax.clip(0.5), optax.sgd(0.1)))
        ClipByValue(limit=0.5)
    """
    links = parts(transformation)
    first = links[0] if links else None
    if first is None or first.name not in CLIPS:
        return None
    setting, make = CLIPS[first.name]
    try:
        return make(float(first.settings[setting]))
    except (KeyError, TypeError, ValueError, InputError):
        return None


#: optax's name of a clip → its setting, and what it is.
CLIPS: Final[Mapping[str, tuple[str, Callable[[float], nn.Clipping]]]] = {
    "clip": ("max_delta", nn.ClipByValue),
    "clip_by_global_norm": ("max_norm", nn.ClipByNorm),
}


def _read(
    transformation: Any, params: Any, names: list[tuple[str, int]], twins: Mapping[str, str]
) -> nn.Optimizer | None:
    links = parts(transformation)
    if links is None:
        return None
    if clipping(transformation) is not None:
        links = links[1:]
    links = [link for link in links if not _idle(link)]
    rates = [i for i, link in enumerate(links) if link.name in ("scale", "scale_by_schedule")]
    decays = [i for i, link in enumerate(links) if link.name == "add_decayed_weights"]
    rules = [i for i, link in enumerate(links) if link.name in _KINDS]
    masked = any("mask" in link.settings for link in links if link.name != "add_decayed_weights")
    known = len(rates) + len(decays) + len(rules) == len(links) and not masked
    if not known or len(rates) != 1 or len(decays) > 1 or not _plain(links):
        return None
    # What a schedule gives is told apart.
    rate = -float(links[rates[0]].settings.get("step_size", -0.0))
    rule = _rule([links[i] for i in rules], rate, rates[0] < rules[-1] if rules else False)
    if rule is None or not decays:
        return rule
    decay = links[decays[0]]
    first = min([*rules, rates[0]])
    # Between the rule and the rate the decay stands beside the step, before both it enters it.
    if decays[0] > first and (decays[0] > rates[0] or decays[0] < max([*rules, 0])):
        return None
    scope = _scope(decay.settings.get("mask"), params, names, twins)
    if scope is None:
        return None
    changes = {
        "weight_decay": float(decay.settings["weight_decay"]),
        "decay": "coupled" if decays[0] < first else "decoupled",
        "decay_scope": scope,
    }
    return changed(rule, **changes)


def _idle(link: Part) -> bool:
    settings = link.settings
    if link.name == "add_decayed_weights":
        return _is_number(settings["weight_decay"]) and float(settings["weight_decay"]) == 0.0
    return link.name == "trace" and _is_number(settings["decay"]) and settings["decay"] == 0.0


def _plain(links: list[Part]) -> bool:
    """Whether every setting is a plain one: numbers, no schedule, no dtype of its own."""
    for link in links:
        for key, value in link.settings.items():
            if key in ("accumulator_dtype", "mu_dtype") and value is not None:
                return False
            if key in _NUMBERS and not _is_number(value):
                return False
    return True


_NUMBERS: Final = frozenset(
    {
        "step_size", "weight_decay", "decay", "b1", "b2", "eps", "eps_root", "rho",
        "initial_scale", "initial_accumulator_value", "threshold", "max_delta", "max_norm",
    }
)  # fmt: skip


def _is_number(value: Any) -> bool:
    return not callable(value) and np.shape(value) == () and not isinstance(value, str | bytes)


def _rule(links: list[Part], rate: float, rate_first: bool) -> nn.Optimizer | None:
    """The rule of the links without decay and rate."""
    if not links:
        return nn.SGD(rate)
    first, rest = links[0], links[1:]
    if first.name == "trace" and not rest:
        form: Any = "rate-inside" if rate_first else "rate-outside"
        settings = first.settings
        momentum, nesterov = float(settings["decay"]), bool(settings["nesterov"])
        return nn.SGD(rate, momentum, form=form, nesterov=nesterov)
    rule = _KINDS[first.name](first.settings, rate)
    if not rest:
        return None if rate_first else rule
    if isinstance(rule, nn.RMSProp) and [link.name for link in rest] == ["trace"]:
        settings = rest[0].settings
        return replace(
            rule,
            momentum=float(settings["decay"]),
            nesterov=bool(settings["nesterov"]),
            form="rate-inside" if rate_first else "rate-outside",
        )
    return None


def _roots(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """ε and where it stands, of the two that optax's Adam has."""
    outside, inside = float(settings["eps"]), float(settings.get("eps_root", 0.0))
    if inside == 0.0:
        return {"epsilon": outside, "epsilon_placement": "outside"}
    return {"epsilon": inside, "epsilon_placement": "inside"} if outside == 0.0 else None


def _betas(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"beta1": float(settings["b1"]), "beta2": float(settings["b2"])}


def _adam(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    roots = _roots(settings)
    if roots is None:
        return None
    if not settings.get("nesterov", False):
        return nn.Adam(rate, **_betas(settings), **roots)
    if roots["epsilon_placement"] == "inside":
        return None
    return nn.NAdam(rate, **_betas(settings), epsilon=roots["epsilon"], momentum_decay=None)


def _amsgrad(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    roots = _roots(settings)
    corrected = [settings.get(f"bias_correction_{m}", True) for m in ("mu", "nu")]
    if roots is None or not all(corrected):
        return None
    return nn.Adam(rate, **_betas(settings), **roots, amsgrad=True, amsgrad_form="corrected")


def _rms(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    return nn.RMSProp(
        rate,
        rho=float(settings["decay"]),
        epsilon=float(settings["eps"]),
        epsilon_placement="inside" if settings.get("eps_in_sqrt", True) else "outside",
        initial_accumulator=float(settings["initial_scale"]),
        bias_correction=bool(settings.get("bias_correction", False)),
    )


def _stddev(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    rule = _rms(settings, rate)
    return replace(rule, centered=True) if isinstance(rule, nn.RMSProp) else None


def _rss(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    epsilon = float(settings["eps"])
    start = float(settings["initial_accumulator_value"])
    if epsilon == 0.0 and start == 0.0:
        return None
    return nn.AdaGrad(rate, epsilon, "inside", start)


def _adadelta(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    return nn.Adadelta(rate, rho=float(settings["rho"]), epsilon=float(settings["eps"]))


def _adamax(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    return nn.Adamax(rate, **_betas(settings), epsilon=float(settings["eps"]))


def _radam(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    roots = _roots(settings)
    if roots is None or roots["epsilon_placement"] == "inside" or settings.get("nesterov", False):
        return None
    return nn.RAdam(rate, **_betas(settings), **roots, threshold=float(settings["threshold"]))


def _lion(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    hard = settings.get("mode", "hard") == "hard"
    return nn.Lion(rate, **_betas(settings)) if hard else None


def _no_rule(settings: Mapping[str, Any], rate: float) -> nn.Optimizer | None:
    return None


#: optax's name of a link → the rule it is.
_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], float], nn.Optimizer | None]]] = {
    "trace": _no_rule,
    "scale_by_adam": _adam,
    "scale_by_amsgrad": _amsgrad,
    "scale_by_rms": _rms,
    "scale_by_stddev": _stddev,
    "scale_by_rss": _rss,
    "scale_by_adadelta": _adadelta,
    "scale_by_adamax": _adamax,
    "scale_by_radam": _radam,
    "scale_by_lion": _lion,
}


def _scope(
    mask: Any, params: Any, names: list[tuple[str, int]], twins: Mapping[str, str]
) -> nn.Scope | None:
    """Which parameters decay: all, the weights, or those named; ``None`` where it is not known.

    Weights are the arrays of two and more axes, by which a twin's weights are found as well.
    """
    if mask is None:
        return "all"
    answer = mask(params) if callable(mask) else mask
    spread = jax.tree_util.tree_map(
        lambda m, below: jax.tree_util.tree_map(lambda _: bool(m), below), answer, params
    )
    decaying = jax.tree_util.tree_leaves(spread)
    leaves = jax.tree_util.tree_leaves(params)
    if all(decaying):
        return "all"
    if all(bool(d) == (np.ndim(leaf) > 1) for d, leaf in zip(decaying, leaves, strict=True)):
        return "weights"
    if all(name in twins for name, _ in names):
        return tuple(twins[name] for name, place in names if decaying[place])
    return None


def texts(transformation: Any) -> dict[str, str]:
    """How the transformation is written, as far as it can be told."""
    links = parts(transformation)
    if links is None:
        return {"optimizer": "an optax transformation"}
    shown = []
    for link in links:
        numbers = {
            key: value for key, value in link.settings.items()
            if key in _NUMBERS and _is_number(value)
        }  # fmt: skip
        arguments = ", ".join(f"{key}={float(value):g}" for key, value in numbers.items())
        shown.append(f"optax.{link.name}({arguments})")
    written = {"optimizer": f"optax.chain({', '.join(shown)})"}
    fields = {
        "step_size": "learning_rate", "decay": "momentum", "b1": "beta1", "b2": "beta2",
        "eps": "epsilon", "weight_decay": "weight_decay",
    }  # fmt: skip
    if clipping(transformation) is not None:
        written["clipping"] = shown[0]
    for link in links:
        for key, value in link.settings.items():
            if key in fields and key in _NUMBERS and _is_number(value):
                number = -float(value) if key == "step_size" else float(value)
                word = "learning_rate" if key == "step_size" else key
                written[f"optimizer.{fields[key]}"] = f"{word}={number:g}"
    return written
