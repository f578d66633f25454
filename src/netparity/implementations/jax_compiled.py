"""Runs an author's JAX functions compiled, yet traced anew at every call.

Eagerly, each of a hundred operations is compiled by itself for every new shape, which takes
seconds. Compiled by ``jax.jit``, a function is run once by Python and never again, so that
what its author does outside of JAX (a mask drawn by NumPy, a counter) would stand still. Here
Python runs it at each call, and what comes of that is compiled only where it is new; arrays
that the function closes over are handed to it as arguments.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

#: Programs are small; a search that compares many networks in one process must not pile them up.
_KEPT: Final = 256
_COMPILED: Final[OrderedDict[tuple[Any, ...], Any]] = OrderedDict()


def call(function: Callable[..., Any], *arguments: Any, inline: bool = False) -> Any:
    """``function(*arguments)``.

    Args:
        function: of pytrees of arrays, to one.
        *arguments: the pytrees.
        inline: whether functions that the author compiled are traced anew as well, for a time
            in which something they call is replaced.

    Example:
        >>> import jax.numpy as jnp
        >>> float(call(lambda x: x.sum(), jnp.ones(3)))
        3.0
    """
    leaves, structure = jax.tree_util.tree_flatten(arguments)
    inlined = jax.disable_jit if inline else contextlib.nullcontext

    def flat(*given: Any) -> Any:
        return function(*jax.tree_util.tree_unflatten(structure, given))

    try:
        with inlined():
            traced, shapes = jax.make_jaxpr(flat, return_shape=True)(*leaves)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError,
            jax.errors.TracerIntegerConversionError):  # fmt: skip
        traced = None  # What it does depends on the numbers: it has to be run with them.
    if traced is None or _calls_back(traced.jaxpr):
        with inlined():
            return function(*arguments)
    key = (str(traced.jaxpr), *_constants(traced.jaxpr))
    if key not in _COMPILED:
        program = traced.jaxpr
        _COMPILED[key] = jax.jit(
            lambda constants, given: jax.core.eval_jaxpr(program, constants, *given)
        )
        if len(_COMPILED) > _KEPT:
            _COMPILED.popitem(last=False)
    _COMPILED.move_to_end(key)
    outcome = _COMPILED[key](list(traced.consts), leaves)
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(shapes), outcome)


def _operations(program: Any) -> Iterator[tuple[Any, list[ClosedJaxpr]]]:
    """The operations of a program and of those nested in it, each with what is nested in it."""
    for operation in program.eqns:
        held = [v if isinstance(v, tuple | list) else (v,) for v in operation.params.values()]
        inner = [v for values in held for v in values if isinstance(v, ClosedJaxpr)]
        yield operation, inner
        for nested in inner:
            yield from _operations(nested.jaxpr)


def _calls_back(program: Any) -> bool:
    """Whether it calls Python while it runs: two such functions print alike."""
    return any("callback" in operation.primitive.name for operation, _ in _operations(program))


def _constants(program: Any) -> Iterator[Any]:
    """The arrays that stand inside nested programs, which their text does not show."""
    for _, inner in _operations(program):
        for nested in inner:
            for constant in nested.consts:
                array = np.asarray(constant)
                yield array.shape, str(array.dtype), array.tobytes()
