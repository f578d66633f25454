"""The network of a Flax model: its layers in the order in which they run."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from netparity import nn
from netparity.implementations.chain import Read, Seen, chain, spread
from netparity.implementations.flax_draws import Draws
from netparity.implementations.flax_models import Called, LinenModel, NnxModel
from netparity.implementations.jax_compiled import call
from netparity.implementations.jax_program import Program

Array = np.ndarray[Any, np.dtype[Any]]
Model = NnxModel | LinenModel


def trace(
    model: Model, program: Program, x: Array, *, training: bool,
    values: dict[str, Array] | None = None, draws: Draws | None = None,
) -> tuple[list[Called], list[tuple[Array, Array]], Array]:  # fmt: skip
    """One pass, with the calls of its innermost layers.

    Args:
        model: the model.
        program: its parameters and the rest as they are now.
        x: a batch.
        training: the mode.
        values: parameters in place of the present ones.
        draws: that are being fed.

    Returns:
        The calls, for each of them what went in and came out, and the prediction.
    """
    calls: list[Called] = []

    def run(params: Any, rest: Any, x: Any, key: Any) -> Any:
        calls.clear()
        if draws is not None:
            draws.restart()
        prediction, _ = model.forward(params, rest, x, training, key, calls)
        return prediction, [(_one(c.entering), _one(c.leaving)) for c in calls]

    with program.context():
        params = program.params
        if values is not None:
            params = program.tree(values, lambda leaf: leaf)
        prediction, arrays = call(
            run, params, program.rest, program.array(x), program.key, inline=draws is not None
        )
    found = [(np.array(entering), np.array(leaving)) for entering, leaving in arrays]
    return calls, found, np.array(prediction)


def _one(value: Any) -> Any:
    """What a layer was given or gave, if it was one array."""
    return value if isinstance(value, jax.Array) else jax.numpy.zeros(0)


def read(model: Model, program: Program, x: Array) -> tuple[Read | None, dict[str, nn.Law]]:
    """The chain of layers that a model is, ``None`` where it is none, and the laws it states.

    The model is run in inference mode, at parameters under which no two activations look alike.
    """
    rows = np.asarray(x)
    if rows.dtype.kind == "f":
        rows = spread(rows).astype(program.dtype)
    rng = np.random.default_rng(0)
    values: dict[str, Array] = {}
    for name, value in program.parameters().items():
        fan_in = value.shape[0] if value.ndim > 1 else 4
        values[name] = rng.standard_normal(value.shape) / np.sqrt(fan_in)
    calls, arrays, prediction = trace(model, program, rows, training=False, values=values)
    seen: list[Seen] = []
    stated: dict[str, nn.Law] = {}
    for called, (entering, leaving) in zip(calls, arrays, strict=True):
        layer, places, text = model.seen(called)
        owner = hash(called.path)
        seen.append(Seen(_name(called), entering, leaving, layer, places, text, owner))
        stated |= {places[key].name: law for key, law in model.laws(called).items()}
    network = chain(rows, seen, prediction, model.functions)
    if network is None:
        return None, {}
    twins = {place.name: name for name, place in network.places.items()}
    return network, {twins[name]: law for name, law in stated.items()}


def _name(called: Called) -> str:
    return ".".join(called.path) or type(called.layer).__name__.lower()


def outputs(
    model: Model, program: Program, x: Array, training: bool, draws: Draws | None
) -> dict[str, Array]:
    """The output of each innermost layer; further calls of a layer are counted (``drop:2``)."""
    calls, arrays, _ = trace(model, program, x, training=training, draws=draws)
    found: dict[str, Array] = {}
    for called, (_, leaving) in zip(calls, arrays, strict=True):
        name = _name(called)
        count = sum(label.partition(":")[0] == name for label in found)
        found[name if count == 0 else f"{name}:{count + 1}"] = leaving
    return found


def draws_of_dropouts(model: Model, program: Program, x: Array) -> list[tuple[int, ...]] | None:
    """The shape of the draws of each dropout; ``None`` where not all draws are a dropout's."""
    draws = Draws(None)
    with draws.fed():
        calls, _, _ = trace(model, program, x, training=True, draws=draws)
    layers = [c for c in calls if isinstance(model.seen(c)[0], nn.Dropout)]
    drawing = [c for c in layers if 0 < c.layer.rate < 1]
    return list(draws.shapes) if len(draws.shapes) == len(drawing) == len(layers) else None
