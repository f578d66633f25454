"""Settings that a process has once, and whether two programs can share them.

Keras has one backend and one float width, JAX one width, TensorFlow is eager or is not: in one
process the program that comes first, or last, decides for both. What each wants is read off
its text (``reading``); what a process has come to is asked of the frameworks in it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from netparity.loading.reading import VARIABLES, Needs, as_setting, read

__all__ = ["Needs", "changed", "contradiction", "present", "read", "unfit"]

#: Settings that stand once the framework is imported, or has computed something.
_FIXED: Final = ("keras.backend", "tensorflow.execution")


def contradiction(left: Needs, right: Needs) -> str | None:
    """Why two programs cannot share a process, or ``None`` where nothing speaks against it.

    What one sets counts against the other's default only if the other computes with that
    framework.

    Args:
        left: what the left program needs.
        right: what the right one needs.

    Example:
        >>> torch = Needs({}, {"torch"})
        >>> on_jax = Needs({"keras.backend": "jax"}, {"keras", "jax"})
        >>> contradiction(torch, on_jax)
        >>> contradiction(Needs({"keras.backend": "torch"}, {"keras", "torch"}), on_jax)
        'keras.backend is torch on the left and jax on the right'
    """
    now = present()
    for setting in dict.fromkeys((*left.settings, *right.settings)):
        framework = setting.partition(".")[0]
        if framework not in left.frameworks & right.frameworks:
            continue
        a, b = (_value(setting, needs, now) for needs in (left, right))
        if a != b:
            return f"{setting} is {a} on the left and {b} on the right"
    for name in left.modules.keys() & right.modules.keys():
        if left.modules[name] != right.modules[name]:
            return f"each imports a module `{name}` of its own"
    return None


def unfit(needs: Needs, *, beside: bool = False) -> str | None:
    """Why a program cannot run in this process as it is now, or ``None``.

    Args:
        needs: what the program needs.
        beside: whether something computes here that must keep the settings there are.
    """
    now = present()
    for setting, wanted in needs.settings.items():
        if (beside or setting in _FIXED) and now.get(setting, wanted) != wanted:
            return f"{setting} is {now[setting]} in this process already"
    return None


def changed(before: Mapping[str, str], frameworks: set[str]) -> str | None:
    """What has come out otherwise in this process than was asked for, or ``None``.

    Args:
        before: ``present()`` when the first program was built.
        frameworks: those that program computes with.
    """
    now = present()
    for setting, value in before.items():
        if setting.partition(".")[0] in frameworks and now.get(setting, value) != value:
            return f"{setting} is {value} on the left and {now[setting]} on the right"
    asked = os.environ.get("KERAS_BACKEND")
    if "keras" in frameworks and asked and now.get("keras.backend", asked) != asked:
        return f"keras.backend is {now['keras.backend']} on the left and {asked} on the right"
    return None


def present() -> dict[str, str]:
    """The settings of the frameworks that are in this process.

    Example:
        >>> all(isinstance(value, str) for value in present().values())
        True
    """
    found = {}
    for setting, ask in _PRESENT.items():
        module = sys.modules.get(setting.partition(".")[0])
        try:
            value = None if module is None else ask(module)
        except Exception:  # half imported, or of another version
            value = None
        if value is not None:
            found[setting] = as_setting(str(value))
    return found


def _value(setting: str, needs: Needs, now: Mapping[str, str]) -> str:
    """What a program gets: what it sets, else what is there, else the default."""
    if setting in needs.settings:
        return needs.settings[setting]
    if setting == "keras.dtype_policy":
        return _value("keras.floatx", needs, now)
    if setting in now:
        return now[setting]
    for variable, named in VARIABLES.items():
        if named == setting and variable in os.environ:
            return as_setting(os.environ[variable])
    if setting.startswith("keras."):
        configured = _keras_file().get(setting.removeprefix("keras."))
        if configured is not None:
            return as_setting(str(configured))
    return _DEFAULTS.get(setting, "not set")


def _keras_file() -> Mapping[str, Any]:
    """Keras's own configuration file."""
    home = os.environ.get("KERAS_HOME", str(Path.home() / ".keras"))
    try:
        found = json.loads((Path(home) / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


_DEFAULTS: Final[Mapping[str, str]] = {
    "keras.backend": "tensorflow",
    "keras.floatx": "float32",
    "keras.epsilon": "1e-07",
    "keras.image_data_format": "channels_last",
    "tensorflow.execution": "eager",
    "tensorflow.TF_ENABLE_ONEDNN_OPTS": "on",
    "tensorflow.TF_DETERMINISTIC_OPS": "off",
    "tensorflow.TF_USE_LEGACY_KERAS": "off",
    "jax.jax_enable_x64": "off",
    "torch.default_dtype": "torch.float32",
}


def _execution(tensorflow: Any) -> str:
    return "eager" if tensorflow.compat.v1.executing_eagerly_outside_functions() else "graph"


_PRESENT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "keras.backend": lambda keras: keras.backend.backend(),
    "keras.floatx": lambda keras: keras.backend.floatx(),
    "keras.epsilon": lambda keras: keras.backend.epsilon(),
    "keras.dtype_policy": lambda keras: keras.config.dtype_policy().name,
    "keras.image_data_format": lambda keras: keras.backend.image_data_format(),
    "tensorflow.execution": _execution,
    "jax.jax_enable_x64": lambda jax: jax.config.jax_enable_x64,
    "torch.default_dtype": lambda torch: torch.get_default_dtype(),
}
