"""One adapter a framework: each reads, drives and adjusts an implementation."""

from __future__ import annotations

import copy
import sys
from typing import Any

from netparity.errors import InputError
from netparity.implementations.base import Implementation

__all__ = ["Implementation", "adapt"]

_ACCEPTED = (
    "netparity.Scratch(parameters=…, predict=…, …), or an object with .params and .loss(X, y)",
    "netparity.Torch(module, loss, optimizer)",
    "netparity.Keras(model), or the Keras model itself",
    "netparity.TensorFlow(model, loss, optimizer), of a Keras model or a tf.Module",
    "netparity.TensorFlowGraph(session, inputs, targets, predictions, loss, train_op, …)",
    "netparity.Flax(model, loss, optimizer), with variables=… for a Linen module",
    "netparity.Jax(apply, params, loss, optimizer)",
    "netparity.Sklearn(estimator), or the MLPClassifier or MLPRegressor itself",
    "a netparity.nn.Solver",
)


def adapt(obj: Any) -> Implementation:
    """The object as an implementation that netparity can read, drive and adjust.

    A framework is looked for among the modules already imported, never imported: an object
    of a framework cannot exist without it.

    Args:
        obj: an implementation, a Keras model, a torch, NNX or TensorFlow module
            (forward only), a perceptron of scikit-learn (a copy of it is driven), a solver of
            ``netparity.nn``, or an object in the cs231n convention.

    Returns:
        The implementation; the object itself where it is one.

    Raises:
        InputError: it is none of these; the hint lists what can be given.

    Example:
        >>> from netparity.implementations.scratch import Scratch
        >>> import numpy as np
        >>> side = Scratch(parameters={"w": np.ones(2)}, predict=lambda x: x)
        >>> adapt(side) is side
        True
    """
    if isinstance(obj, Implementation):
        return obj
    # Keras first: on its torch backend a Keras model is a torch module too.
    if _is_a(obj, "keras", "Model"):
        from netparity.implementations.keras import Keras

        return Keras(obj)
    if _is_a(obj, "tensorflow", "Module") and callable(obj):
        from netparity.implementations.tensorflow import TensorFlow

        return TensorFlow(obj)
    if _is_a(obj, "torch.nn", "Module"):
        from netparity.implementations.torch import Torch

        return Torch(obj)
    if _is_a(obj, "flax.nnx", "Module"):
        from netparity.implementations.flax import Flax

        return Flax(obj)
    if any(_is_a(obj, "sklearn.neural_network", f"MLP{k}") for k in ("Classifier", "Regressor")):
        from netparity.implementations.sklearn import Sklearn

        # Nothing of the author's looks at this object, so the author's own stays as it is.
        return Sklearn(copy.deepcopy(obj))
    if _is_a(obj, "netparity.nn", "Solver"):
        from netparity.implementations.solver import SolverSide

        return SolverSide(obj)
    if not isinstance(obj, type):
        from netparity.implementations.scratch_model import ScratchModel, follows_convention

        if follows_convention(obj):
            return ScratchModel(obj)
    raise InputError(
        f"expected an implementation; received {_described(obj)}",
        hint=_hint(obj) + "what can be given:\n" + "\n".join(f"  {line}" for line in _ACCEPTED),
    )


def _is_a(obj: Any, module: str, name: str) -> bool:
    """Whether the object is of that class, without importing the module."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(obj, kind)


def _described(obj: Any) -> str:
    kind = obj if isinstance(obj, type) else type(obj)
    described = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return f"the class {described}" if isinstance(obj, type) else f"an object of {described}"


def _hint(obj: Any) -> str:
    """What to do with an object that is nearly right."""
    home = type(obj).__module__.partition(".")[0]
    if isinstance(obj, type):
        return "give an object of the class, not the class; "
    if _is_a(obj, "torch.optim", "Optimizer"):
        return "give it together with its module: netparity.Torch(module, loss, optimizer); "
    if home == "tensorflow":
        return "a TF 1 session is given with its tensors: netparity.TensorFlowGraph(…); "
    if home == "sklearn":
        return "of scikit-learn only MLPClassifier and MLPRegressor are networks; "
    if _is_a(obj, "flax.linen", "Module"):
        return "give it with its variables: netparity.Flax(module, variables=variables); "
    if home in ("jax", "optax", "haiku"):
        return "give the function, its parameters and the rest to netparity.Jax; "
    if callable(obj) and not hasattr(obj, "loss"):
        return "a function has to return an implementation when it is called; "
    return ""
