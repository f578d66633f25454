"""Which loops over elements a step runs on: compiled by numba, or NumPy's."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Literal

from netparity.errors import InputError
from netparity.nn.engine.plain import PlainKernels

#: The loops over elements: the compiled module ``kernels``, or the same in NumPy.
Kernels = ModuleType | PlainKernels
Engine = Literal["auto", "compiled", "plain"]


def kernels_of(engine: Engine) -> Kernels:
    """The loops over elements that an engine uses.

    Args:
        engine: ``"compiled"`` by numba, ``"plain"`` NumPy, or ``"auto"``: compiled where numba
            is installed.

    Raises:
        InputError: another name, or numba is asked for and not installed.

    Example:
        >>> type(kernels_of("plain")).__name__
        'PlainKernels'
    """
    if engine not in ("auto", "compiled", "plain"):
        raise InputError(
            f"engine {engine!r} is not known. Expected 'auto', 'compiled' or 'plain'. "
            f"Received: {engine!r}"
        )
    installed = importlib.util.find_spec("numba") is not None
    if engine == "compiled" and not installed:
        raise InputError(
            "engine 'compiled' needs numba, which is not installed",
            hint="install it with pip install 'netparity[fast]', or take engine='auto'",
        )
    if engine == "plain" or not installed:
        return PlainKernels()
    from netparity.nn.engine import kernels

    return kernels
