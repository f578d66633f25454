"""What a run depends on besides its programs: interpreter, packages, linear algebra, threads."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any, Final

from threadpoolctl import threadpool_info

#: Framework → the packages that provide it, the preferred one first.
FRAMEWORKS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "torch": ("torch",),
        "keras": ("keras",),
        "tensorflow": ("tensorflow-cpu", "tensorflow"),
        "jax": ("jax",),
        "flax": ("flax",),
        "optax": ("optax",),
        "sklearn": ("scikit-learn",),
    }
)
#: Packages whose version can change a number or a file; the last two are optional.
PACKAGES: Final = ("numpy", "scipy", "matplotlib", "safetensors", "numba", "optuna")
#: Variables that decide threads, backends and data; shown only where they are set.
VARIABLES: Final = (
    "CUDA_VISIBLE_DEVICES",
    "JAX_ENABLE_X64",
    "JAX_PLATFORMS",
    "KERAS_BACKEND",
    "MKL_NUM_THREADS",
    "NETPARITY_DATA",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def describe() -> dict[str, Any]:
    """The environment of this process, without importing any framework.

    Linear-algebra libraries are those loaded by now: a framework that is imported later may
    bring its own.

    Returns:
        Plain data: ``python``, ``platform``, ``machine``, ``cpus`` (that this process may use),
        ``frameworks`` (name → version, ``None`` where it is not installed), ``packages``,
        ``libraries`` (name, version, processor and threads of each) and ``variables``.

    Example:
        >>> environment = describe()
        >>> sorted(environment["frameworks"])
        ['flax', 'jax', 'keras', 'optax', 'sklearn', 'tensorflow', 'torch']
    """
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": _usable_cpus(),
        "frameworks": {name: _first_version(packages) for name, packages in FRAMEWORKS.items()},
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
        "libraries": [_library(record) for record in threadpool_info()],
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _usable_cpus() -> int:
    """The CPUs this process may run on, where the platform says; else all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _first_version(packages: tuple[str, ...]) -> str | None:
    return next((version for name in packages if (version := _version(name)) is not None), None)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _library(record: Mapping[str, Any]) -> str:
    """What threadpoolctl knows of a library, less the path it was loaded from."""
    threads = record["num_threads"]
    parts = (record["internal_api"], record["version"], record.get("architecture"))
    known = " ".join(str(part) for part in parts if part is not None)
    return f"{known}, {threads} {'thread' if threads == 1 else 'threads'}"
