"""What a program will set process-wide, read off its text: nothing is run.

Read are the statements that run when the file is imported, the functions that those or the
name asked for lead to, and the modules beside it that it imports.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Roots of imports → the frameworks whose settings they are computed under.
_ROOTS: Final[Mapping[str, tuple[str, ...]]] = {
    "keras": ("keras",),
    "tf_keras": ("keras", "tensorflow"),
    "tensorflow": ("tensorflow",),
    "torch": ("torch",),
    "jax": ("jax",),
    "flax": ("jax",),
    "optax": ("jax",),
    "haiku": ("jax",),
}
#: Methods of Keras → what they set.
_KERAS: Final = {
    "set_backend": "keras.backend",
    "set_floatx": "keras.floatx",
    "set_epsilon": "keras.epsilon",
    "set_dtype_policy": "keras.dtype_policy",
    "set_global_policy": "keras.dtype_policy",
    "set_image_data_format": "keras.image_data_format",
}
_TENSORFLOW: Final = {
    "disable_eager_execution": "graph",
    "disable_v2_behavior": "graph",
    "enable_eager_execution": "eager",
    "enable_v2_behavior": "eager",
}
_TORCH: Final = {"set_default_dtype", "set_default_tensor_type"}
#: Variables of the environment that change what a framework computes, and its name for each.
VARIABLES: Final[Mapping[str, str]] = {
    "KERAS_BACKEND": "keras.backend",
    "TF_USE_LEGACY_KERAS": "tensorflow.TF_USE_LEGACY_KERAS",
    "TF_ENABLE_ONEDNN_OPTS": "tensorflow.TF_ENABLE_ONEDNN_OPTS",
    "TF_DETERMINISTIC_OPS": "tensorflow.TF_DETERMINISTIC_OPS",
    "JAX_ENABLE_X64": "jax.jax_enable_x64",
    "JAX_PLATFORMS": "jax.jax_platforms",
    "JAX_DEFAULT_MATMUL_PRECISION": "jax.jax_default_matmul_precision",
    "XLA_FLAGS": "jax.XLA_FLAGS",
}
#: Modules read for one program, at most: a setting stands near its top.
_MODULES: Final = 50


@dataclass(slots=True)
class Needs:
    """What a program asks of its process.

    Attributes:
        settings: setting → value, as texts: ``{"keras.backend": "jax"}``.
        frameworks: those it computes with, as far as its imports say.
        modules: modules of its own beside it, by the name under which they are imported.
    """

    settings: dict[str, str] = field(default_factory=dict)
    frameworks: set[str] = field(default_factory=set)
    modules: dict[str, Path] = field(default_factory=dict)


def read(spec: str) -> Needs:
    """Reads a program; what cannot be read says nothing.

    Args:
        spec: ``file.py:name`` or ``package.module:name``.

    Example:
        >>> sorted(read("netparity.nn:SGD").frameworks)
        []
    """
    needs = Needs()
    place, _, name = spec.rpartition(":")
    if place.endswith(".py"):
        file = Path(place).expanduser()
        _read_file(file, file.resolve().parent, name, needs, set())
    else:
        folders = [Path(folder) for folder in (os.getcwd(), *sys.path)]
        parts = place.split(".")
        for root in [folder for folder in folders if _module(folder, place)][:1]:
            for length in range(1, len(parts) + 1):
                found = _module(root, ".".join(parts[:length]))
                if found is not None:
                    _read_file(found, root, name if length == len(parts) else "", needs, set())
    backend = needs.settings.get("keras.backend")
    if backend is not None and "keras" in needs.frameworks:
        needs.frameworks.add(backend)
    return needs


def as_setting(text: str) -> str:
    """One text for what is the same value: ``1``, ``True`` and ``on`` are."""
    plain = text.strip().strip("'\"")
    if plain.lower() in {"1", "true", "on", "yes"}:
        return "on"
    if plain.lower() in {"0", "false", "off", "no", ""}:
        return "off"
    return plain


def _read_file(file: Path, root: Path, name: str, needs: Needs, seen: set[Path]) -> None:
    path = file.resolve()
    if path in seen or len(seen) >= _MODULES:
        return
    seen.add(path)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return
    text = _Text(tree)
    for module in text.imported:
        for framework in _ROOTS.get(module.partition(".")[0], ()):
            needs.frameworks.add(framework)
        if module.startswith("tensorflow.") and ".keras" in module:
            needs.frameworks.add("keras")
        beside = _beside(root, module, path)
        if beside is not None:
            if not module.startswith("."):
                needs.modules.setdefault(module, beside)
            _read_file(beside, root, "", needs, seen)
    # The file's own lines come after those of what it imports.
    for node in text.run(name):
        for setting, value in _set_by(node, text, needs.settings):
            needs.settings[setting] = as_setting(value)


def _module(root: Path, name: str) -> Path | None:
    stem = root.joinpath(*name.split("."))
    for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _beside(root: Path, module: str, importer: Path) -> Path | None:
    """A module of the program's own, none that is installed."""
    if module.startswith("."):
        name = module.lstrip(".")
        return _module(importer.parents[len(module) - len(name) - 1], name)
    top = module.partition(".")[0]
    if top in _ROOTS or top in sys.stdlib_module_names or top in {"netparity", "numpy"}:
        return None
    if "site-packages" in root.parts:
        return None
    return _module(root, module)


class _Text:
    """One file: its names, and which of its statements run."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.imported: list[str] = []
        self.aliases: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for item in node.names:
                    self.imported.append(item.name)
                    bound = item.asname or item.name.partition(".")[0]
                    self.aliases[bound] = item.name if item.asname else bound
            elif isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                self.imported.append(source)
                for item in node.names:
                    self.aliases[item.asname or item.name] = f"{source}.{item.name}"
                    self.imported.append(f"{source.rstrip('.')}.{item.name}" if source else "")
            elif isinstance(node, ast.Attribute) and node.attr == "keras":
                self.imported.append(self.dotted(node))
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.constants[target.id] = str(node.value.value)

    def dotted(self, node: ast.AST) -> str:
        """A name with its attributes, its first part by what was imported as it."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.aliases.get(node.id, node.id), *reversed(parts)])

    def value(self, node: ast.AST) -> str | None:
        """A value that is written there, or ``None``."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.constants[node.id]
        named = self.dotted(node)
        return named if named.partition(".")[0] in _ROOTS else None

    def run(self, name: str) -> Iterator[ast.AST]:
        """The nodes of what runs on import, then of the functions that this and ``name`` reach."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        defined = {node.name: node for node in self.tree.body if isinstance(node, kinds)}
        top = [n for n in self.tree.body if not isinstance(n, kinds) and not _is_script(n)]
        pending: list[ast.AST] = [*top]
        wanted = [defined.pop(part) for part in name.split(".")[:1] if part in defined]
        while pending or wanted:
            if not pending:
                pending = [wanted.pop(0)]
            for node in sorted(ast.walk(pending.pop(0)), key=lambda n: getattr(n, "lineno", 0)):
                yield node
                if isinstance(node, ast.Name) and node.id in defined:
                    wanted.append(defined.pop(node.id))


def _is_script(node: ast.AST) -> bool:
    """``if __name__ == "__main__":``."""
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )


def _set_by(node: ast.AST, text: _Text, before: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The settings a statement or call makes."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Subscript) and text.dotted(target.value) == "os.environ":
                yield from _variable(text.value(target.slice), text.value(node.value))
    if not isinstance(node, ast.Call):
        return
    name = text.dotted(node.func)
    parts = name.split(".")
    values = [text.value(argument) for argument in node.args]
    values += [text.value(k.value) for k in node.keywords if k.arg is not None]
    if name in {"os.environ.setdefault", "os.putenv"} and len(values) == 2:
        given = os.environ.get(values[0] or "") if name.endswith("setdefault") else None
        for setting, default in _variable(values[0], values[1]):
            earlier = before.get(setting) if name.endswith("setdefault") else None
            yield setting, earlier or given or default
    elif name == "os.environ.update":
        for variable, value in _updated(node, text):
            yield from _variable(variable, value)
    elif parts[-1] in _KERAS and "keras" in parts and values and values[0] is not None:
        yield _KERAS[parts[-1]], values[0]
    elif parts[0] == "tensorflow" and parts[-1] in _TENSORFLOW:
        yield "tensorflow.execution", _TENSORFLOW[parts[-1]]
    elif parts[0] == "torch" and parts[-1] in _TORCH and values and values[0] is not None:
        yield "torch.default_dtype", values[0]
    elif parts[0] == "jax" and parts[-2:] == ["config", "update"] and None not in values:
        yield f"jax.{values[0]}", str(values[1])


def _updated(node: ast.Call, text: _Text) -> Iterator[tuple[str | None, str | None]]:
    for keyword in node.keywords:
        yield keyword.arg, text.value(keyword.value)
    for argument in node.args:
        if isinstance(argument, ast.Dict):
            for key, value in zip(argument.keys, argument.values, strict=True):
                if key is not None:
                    yield text.value(key), text.value(value)


def _variable(name: str | None, value: str | None) -> Iterator[tuple[str, str]]:
    if name is not None and name in VARIABLES and value is not None:
        yield VARIABLES[name], value


__all__ = ["VARIABLES", "Needs", "as_setting", "read"]
