"""Gradients of a Keras model on JAX, which differentiates functions and knows no variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def differentiate(model: Any, total: Callable[[], Any], variables: Sequence[Any]) -> list[Any]:
    """Gradients of ``total()`` by the variables, as the model's own ``fit`` takes them.

    The other variables (running statistics, seeds) move as they do in a step.

    Args:
        model: the model.
        total: one pass and its loss.
        variables: what to differentiate by.
    """
    import jax
    from keras import StatelessScope

    others = list(model.non_trainable_variables)

    def evaluated(values: Sequence[Any]) -> tuple[Any, list[Any]]:
        given = list(zip(variables, values, strict=True))
        with StatelessScope(given, collect_losses=True) as scope:
            loss = total()
            return loss, [scope.get_current_value(variable) for variable in others]

    start = [variable.value for variable in variables]
    gradients, moved = jax.grad(evaluated, has_aux=True)(start)
    for variable, value in zip(others, moved, strict=True):
        if value is not None:
            variable.assign(value)
    return list(gradients)
