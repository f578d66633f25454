"""Flax models as pure functions: NNX modules, and Linen modules with their variables.

Both kinds have the same shape: ``read`` gives parameters and the rest as pytrees, ``write``
puts them back, ``forward`` runs the network on them, ``seen`` says which layers were called.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import flax.linen as linen
import jax
import numpy as np
from flax import nnx

from netparity import nn
from netparity.conventions import Place
from netparity.implementations import flax_layers
from netparity.implementations.jax_program import named_leaves
from netparity.implementations.jax_side import mode_of

Array = np.ndarray[Any, np.dtype[Any]]
Layers = tuple[tuple[str, nn.Layer], ...] | None


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a layer: its path in the model, the layer, and the arrays in and out."""

    path: tuple[str, ...]
    layer: Any
    entering: Any
    leaving: Any


class NnxModel:
    """An NNX module; it stays the author's own and is written to.

    Args:
        module: the ``nnx.Module``.
        trained: which of its variables are trained, as ``nnx.Optimizer`` says it.
    """

    functions = "nnx"

    def __init__(self, module: Any, trained: Any = nnx.Param) -> None:
        self.module = module
        self.trained = trained
        self._mode = mode_of(type(module).__call__)
        self._structure: Any = None

    def read(self) -> tuple[Any, Any]:
        """Parameters and everything else of the module as it is now."""
        self._structure, params, rest = nnx.split(self.module, self.trained, ...)
        return _apart(params), _apart(rest)

    def statistics(self, rest: Any) -> list[tuple[str, int]]:
        """What is kept but not trained, by path, and its place among the leaves of the rest."""
        flat = nnx.to_flat_state(rest)
        return [
            (".".join(map(str, path)), place)
            for place, (path, variable) in enumerate(flat)
            if isinstance(variable, nnx.BatchStat)
        ]

    def write(self, params: Any, rest: Any) -> None:
        """Puts values into the author's module."""
        nnx.update(self.module, params, rest)

    def names(self, params: Any) -> list[tuple[str, int]]:
        """The parameters by their attributes, in the order in which these were set."""
        flat = [path for path, _ in nnx.to_flat_state(params)]
        order = sorted(range(len(flat)), key=lambda place: self._rank(flat[place]))
        return [(".".join(map(str, flat[place])), place) for place in order]

    def _rank(self, path: tuple[Any, ...]) -> tuple[int, ...]:
        node, ranks = self.module, []
        for key in path:
            held = getattr(node, "__dict__", {})
            if isinstance(key, str) and key in held:
                ranks.append(list(held).index(key))
                node = held[key]
            else:
                ranks.append(key if isinstance(key, int) else 0)
                with contextlib.suppress(KeyError, IndexError, TypeError):
                    node = node[key]
        return tuple(ranks)

    def forward(
        self, params: Any, rest: Any, x: Any, training: bool | None, key: Any,
        calls: list[Called] | None = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """The network on a copy; ``training=None`` leaves every layer its mode.

        With ``calls``, the calls of layers without layers of their own are noted there.
        """
        # A pass writes to the variables it is given.
        module = nnx.merge(self._structure, _apart(params), _apart(rest))
        if training is not None:
            module.train() if training else module.eval()
        with _watched(module, calls):
            prediction = module(x, **self._mode(training is not False))
        return prediction, nnx.split(module, self.trained, ...)[2]

    def trains(self) -> bool | None:
        """The mode of its layers as they are; ``None`` where none of them has one."""
        held = [vars(layer) for _, layer in nnx.iter_modules(self.module)]
        still = [v[n] for v in held for n in ("deterministic", "use_running_average") if n in v]
        return not all(still) if still else None

    def dropouts(self) -> bool:
        """Whether it holds dropout layers."""
        return any(isinstance(layer, nnx.Dropout) for _, layer in nnx.iter_modules(self.module))

    def other_rates(self, now: Layers, wanted: Layers) -> list[tuple[Any, float]] | None:
        """The dropouts that must have another rate, or ``None`` where more would have to change."""
        if wanted is None or now == wanted:
            return []
        if now is None or [name for name, _ in now] != [name for name, _ in wanted]:
            return None
        held = {"_".join(map(str, path)): layer for path, layer in nnx.iter_modules(self.module)}
        changes = []
        for (name, before), (_, after) in zip(now, wanted, strict=True):
            if before == after:
                continue
            both = isinstance(before, nn.Dropout) and isinstance(after, nn.Dropout)
            layer = held.get(name)
            if not both or not isinstance(layer, nnx.Dropout):
                return None
            if replace(before, rate=after.rate) != after:  # type: ignore[type-var, attr-defined]
                return None
            changes.append((layer, float(after.rate)))  # type: ignore[attr-defined]
        return changes

    def seen(self, call: Called) -> tuple[nn.Layer | None, Mapping[str, Place], str]:
        """The layer of the reference network that was called, its places, and how it is written."""
        return flax_layers.seen(call.layer, np.shape(call.entering), call.path, self.functions)

    def laws(self, call: Called) -> Mapping[str, nn.Law]:
        """Nothing: an NNX layer forgets how it was drawn."""
        return {}


def _apart(state: Any) -> Any:
    """The same values in variables of their own."""
    return jax.tree_util.tree_map(lambda value: value, state)


@contextlib.contextmanager
def _watched(module: Any, calls: list[Called] | None) -> Iterator[None]:
    """Notes the calls of the innermost layers of a module."""
    if calls is None:
        yield
        return
    paths = {id(layer): tuple(map(str, path)) for path, layer in nnx.iter_modules(module)}
    outer = {path[:depth] for path in paths.values() for depth in range(len(path))}
    inner = {i: path for i, path in paths.items() if path not in outer}
    kinds = {type(layer) for _, layer in nnx.iter_modules(module) if id(layer) in inner}
    own = {kind: kind.__call__ for kind in kinds if hasattr(kind, "__call__")}  # noqa: B004

    def noting(called: Callable[..., Any]) -> Callable[..., Any]:
        def noted(layer: Any, *args: Any, **kwargs: Any) -> Any:
            leaving = called(layer, *args, **kwargs)
            if id(layer) in inner:
                entering = args[0] if args else None
                calls.append(Called(inner[id(layer)], layer, entering, leaving))
            return leaving

        return noted

    try:
        for kind, called in own.items():
            kind.__call__ = noting(called)
        yield
    finally:
        for kind, called in own.items():
            kind.__call__ = called


class LinenModel:
    """A Linen module with its variables, which stay as they were handed over.

    Args:
        module: the ``linen.Module``.
        variables: what its ``init`` returned: ``params``, and running statistics if any.
    """

    functions = "linen"

    def __init__(self, module: Any, variables: Mapping[str, Any]) -> None:
        self.module = module
        self._values = (
            variables["params"],
            {name: tree for name, tree in variables.items() if name != "params"},
        )
        self._mode = mode_of(type(module).__call__)

    def read(self) -> tuple[Any, Any]:
        """Parameters and everything else as they are now."""
        return self._values

    def statistics(self, rest: Any) -> list[tuple[str, int]]:
        """What is kept but not trained, by path, and its place among the leaves of the rest."""
        prefix = "batch_stats."
        named = [(n, place) for n, place in named_leaves(rest) if n.startswith(prefix)]
        return [(name.removeprefix(prefix), place) for name, place in named]

    def write(self, params: Any, rest: Any) -> None:
        """Keeps values."""
        self._values = (params, rest)

    def names(self, params: Any) -> list[tuple[str, int]]:
        """The parameters by their paths, in the order in which the dictionary has them."""
        return named_leaves(params)

    def forward(
        self, params: Any, rest: Any, x: Any, training: bool | None, key: Any,
        calls: list[Called] | None = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """The network, told to train unless ``training`` is false."""
        trains = training is not False
        mutable = list(rest) if trains and rest else False
        noting = (
            contextlib.nullcontext() if calls is None else linen.intercept_methods(_into(calls))
        )
        with noting:
            given = self.module.apply(
                {"params": params, **rest}, x, **self._mode(trains), rngs={"dropout": key},
                mutable=mutable,
            )  # fmt: skip
        if not mutable:
            return given, rest
        prediction, left = given
        return prediction, {**rest, **left}

    def trains(self) -> bool | None:
        """``None``: a Linen module is told its mode at every call."""
        return None

    def dropouts(self) -> bool:
        """Whether it may hold dropout layers: that shows only while it runs."""
        return True

    def other_rates(self, now: Layers, wanted: Layers) -> list[tuple[Any, float]] | None:
        """Nothing: the layers of a Linen module are made anew in every pass."""
        return [] if wanted is None or now == wanted else None

    def seen(self, call: Called) -> tuple[nn.Layer | None, Mapping[str, Place], str]:
        """The layer of the reference network that was called, its places, and how it is written."""
        return flax_layers.seen(call.layer, np.shape(call.entering), call.path, self.functions)

    def laws(self, call: Called) -> Mapping[str, nn.Law]:
        """The laws of a dense layer that has Linen's own."""
        if type(call.layer) is not linen.Dense:
            return {}
        default = linen.Dense(1)
        laws = {}
        if call.layer.kernel_init is default.kernel_init:
            laws["weight"] = nn.NAMED["lecun_normal"]
        if call.layer.use_bias and call.layer.bias_init is default.bias_init:
            laws["bias"] = nn.NAMED["zeros"]
        return laws


def _into(calls: list[Called]) -> Any:
    """An interceptor that notes the calls of modules in which no other module is called."""
    made = 0

    def noted(called: Any, args: Any, kwargs: Any, context: Any) -> Any:
        nonlocal made
        if context.method_name != "__call__":
            return called(*args, **kwargs)
        made += 1
        before = made
        leaving = called(*args, **kwargs)
        if made == before and args:
            calls.append(Called(context.module.path, context.module, args[0], leaving))
        return leaving

    return noted
