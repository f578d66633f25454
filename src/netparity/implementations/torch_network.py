"""The network of a torch module: its layers in the order in which they run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from netparity import nn
from netparity.conventions import Place
from netparity.implementations.chain import Read, bridge, close, spread
from netparity.implementations.torch_layers import HARD_SIGMOID, Found, as_layers
from netparity.implementations.values import as_array, same_bits

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a module without submodules: what went in and what came out."""

    name: str
    label: str
    path: str
    module: Any
    input: Array
    output: Array


def trace(module: Any, inputs: Any) -> tuple[list[Call], Array]:
    """Runs the module once and notes every call of a module without submodules.

    Args:
        module: the network.
        inputs: a batch, as a tensor.

    Returns:
        The calls in order, and the prediction. Labels are the qualified names; a module's
        further calls are counted (``relu:2``).
    """
    calls: list[Call] = []
    entered: list[Array] = []
    counts: dict[str, int] = {}
    handles = []

    def before(_: Any, arguments: tuple[Any, ...]) -> None:
        entered.append(_copied(arguments[0] if arguments else None))

    def after(path: str, name: str) -> Any:
        def hook(leaf: Any, _: Any, returned: Any) -> None:
            counts[name] = counts.get(name, 0) + 1
            label = name if counts[name] == 1 else f"{name}:{counts[name]}"
            first = returned[0] if isinstance(returned, tuple) else returned
            calls.append(Call(name, label, path, leaf, entered.pop(), _copied(first)))

        return hook

    try:
        for path, leaf in module.named_modules():
            if not any(True for _ in leaf.children()):
                name = path or type(leaf).__name__.lower()
                handles.append(leaf.register_forward_pre_hook(before))
                handles.append(leaf.register_forward_hook(after(path, name)))
        prediction = module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls, _copied(prediction)


def _copied(value: Any) -> Array:
    # A layer that works in place overwrites what the one before it returned.
    if not isinstance(value, torch.Tensor):
        return np.empty(0)
    return np.array(as_array(value))


@contextlib.contextmanager
def generic_parameters(module: Any) -> Iterator[None]:
    """Parameters under which no two activations look alike, as long as the network is read.

    With the author's own (all zero, say) an activation in between could not be seen.
    """
    saved = [(p, p.detach().clone()) for p in module.parameters()]
    rng = np.random.default_rng(0)
    try:
        with torch.no_grad():
            for p, _ in saved:
                if p.is_floating_point():
                    fan_in = int(np.prod(p.shape[1:])) if p.ndim > 1 else 4
                    p.copy_(torch.from_numpy(rng.standard_normal(p.shape) / np.sqrt(fan_in)))
        yield
    finally:
        with torch.no_grad():
            for p, before in saved:
                p.copy_(before)


def read_network(module: Any, inputs: Any, own_dropout: bool) -> Read | None:
    """The chain of layers that a module is, or ``None`` where it is no such chain.

    Layers are its modules in order of execution. Where the input of one is not the output of
    the one before, a functional activation or a reshape is looked for between them; so it is for
    a module of the author's own that keeps nothing.

    Args:
        module: the network, in inference mode.
        inputs: a small batch, as a tensor.
        own_dropout: whether it draws masks outside ``nn.Dropout`` (those are looked for too).
    """
    if inputs.is_floating_point():
        inputs = torch.from_numpy(spread(as_array(inputs))).to(inputs)
    with torch.no_grad():
        calls, prediction = trace(module, inputs)
        dropping: tuple[list[Call], Array] | None = None
        if own_dropout:
            module.train(True)
            dropping = trace(module, inputs)
            module.train(False)
    kept = [i for i, call in enumerate(calls) if not _is_function(call)]
    calls = [calls[i] for i in kept]
    if dropping is not None:
        dropping = ([dropping[0][i] for i in kept], dropping[1])
    current = as_array(inputs)
    builder = _Builder()
    dropped = current
    ends = [*((c.input, c) for c in calls), (prediction, None)]
    for index, (entering, call) in enumerate(ends):
        if builder.last_step(entering):
            current = entering
        between = bridge(current, entering)
        if between is None and dropping is None:
            between = builder.residual(current, entering)
        if between is None:
            return None
        builder.insert(between)
        if dropping is not None:
            seen = dropping[0][index].input if call is not None else dropping[1]
            rate = _dropped_between(between, dropped, seen)
            if rate is None:
                return None
            if rate > 0:
                builder.insert([nn.Dropout(rate)])
            dropped = dropping[0][index].output if call is not None else seen
        if call is not None:
            if not builder.add(call):
                return None
            current = call.output
    return builder.read()


def _is_function(call: Call) -> bool:
    """Whether a module is none of torch's and keeps nothing: it is known by what it does alone."""
    tensors = (*call.module.parameters(), *call.module.buffers())
    return not tensors and not type(call.module).__module__.startswith("torch.")


class _Builder:
    """Collects layers, their places and texts, under names that are unique."""

    def __init__(self) -> None:
        self._layers: dict[str, nn.Layer] = {}
        self._places: dict[str, Place] = {}
        self._linear: list[str] = []
        self._texts: dict[str, str] = {}
        self._last = "input"
        self._called: set[int] = set()
        self.outputs: dict[str, Array] = {}

    def _unique(self, name: str) -> str:
        name = name.replace(".", "_")
        candidate, count = name, 1
        while candidate in self._layers:
            count += 1
            candidate = f"{name}_{count}"
        return candidate

    def insert(self, between: list[nn.Layer]) -> None:
        """Layers without a module of their own."""
        for layer in between:
            layer = HARD_SIGMOID if layer == nn.HardSigmoid() else layer
            name = self._unique(f"{self._last}_{type(layer).__name__.lower()}")
            self._layers[name] = layer
            self._texts[f"layers.{name}"] = f"torch.nn.functional.{type(layer).__name__.lower()}"

    def add(self, call: Call) -> bool:
        """The layers of a call; ``False`` where there are none like it."""
        found = as_layers(call.module, call.input.ndim)
        shared = bool(found and found[0].places) and id(call.module) in self._called
        if not found or shared:
            return False
        self._called.add(id(call.module))
        for index, one in enumerate(found):
            suffix = f"_l{index}" if len(found) > 1 else ""
            self._take(self._unique(f"{call.name}{suffix}"), one, call)
        self.outputs[self._last] = call.output
        return True

    def _take(self, name: str, found: Found, call: Call) -> None:
        layer = found.layer
        self._layers[name] = layer
        self._last = name
        self._texts[f"layers.{name}"] = f"nn.{call.module}"
        if isinstance(layer, nn.Dropout):
            self._texts[f"layers.{name}.rate"] = f"nn.Dropout(p={call.module.p})"
        for key, place in found.places.items():
            own = f"{call.path}.{place.name}" if call.path else place.name
            self._places[f"{name}.{key}"] = replace(place, name=own)
            if isinstance(layer, nn.Affine):
                self._linear.append(f"{name}.{key}")

    def last_step(self, after: Array) -> bool:
        """Whether what follows a recurrent layer is its last step; it then gives that alone."""
        layer: Any = self._layers.get(self._last)
        if not isinstance(layer, nn.LSTM | nn.GRU | nn.SimpleRNN):
            return False
        steps = self.outputs[self._last]
        last = steps[-1] if layer.time_major else steps[:, -1]
        if not layer.return_sequences or not same_bits(last, after):
            return False
        self._layers[self._last] = replace(layer, return_sequences=False)
        return True

    def residual(self, current: Array, after: Array) -> list[nn.Layer] | None:
        """An earlier output that was added, and what comes after; ``None`` where there is none."""
        for name, output in reversed(self.outputs.items()):
            if output is current or output.shape != current.shape:
                continue
            between = bridge(current + output, after)
            if between is not None:
                return [nn.Add((name,)), *between]
        return None

    def read(self) -> Read:
        """What was collected."""
        return Read(tuple(self._layers.items()), self._places, tuple(self._linear), self._texts)


def _dropped_between(between: list[nn.Layer], before: Array, after: Array) -> float | None:
    """The rate of a functional dropout after the layers between two modules; 0 without one."""
    value = before
    for layer in between:
        value = layer.apply({}, value)[0]
    if close(value, after, before.reshape(value.shape)):
        return 0.0
    kept = (after != 0) & (value != 0)
    if not kept.any() or np.any((value == 0) & (after != 0)):
        return None
    scale = float(np.median(after[kept] / value[kept]))
    if scale <= 1 or not close(np.where(kept, value * scale, 0.0), after, before):
        return None
    # The rate was written in decimals; the scale shows it to sixteen digits.
    return round(1 - 1 / scale, 12)
