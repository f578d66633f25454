"""LEFT and RIGHT: ``path/to/file.py:name``, ``package.module:name``, or the object itself."""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from netparity.errors import InputError
from netparity.loading.foreign import theirs

#: Packages whose objects may be called and are implementations all the same.
_FRAMEWORKS: Final = frozenset({"torch", "keras", "tensorflow", "tf_keras", "flax", "sklearn"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What another process has to start with to be as this one was.

    Attributes:
        environment: the environment variables.
        path: where modules are looked for.
    """

    environment: Mapping[str, str]
    path: tuple[str, ...]

    @staticmethod
    def here() -> Surroundings:
        """Those of this process now: a program that is loaded may change both."""
        return Surroundings(dict(os.environ), tuple(p for p in sys.path if p))


@dataclass(frozen=True, slots=True)
class Loaded:
    """One side before it is built: a ready-made object, or the callable that makes one.

    Attributes:
        spec: as given on the command line, or the object's own name.
        target: the implementation object or the callable that returns one.
        file: the file it stands in, where one was named.
        module: the name of its module in ``sys.modules``, where it was named by a spec.
        name: its name in that module.
        began: what this process was like before either side was loaded.
    """

    spec: str
    target: object
    file: Path | None = None
    module: str | None = None
    name: str | None = None
    began: Surroundings | None = None

    @property
    def builds(self) -> bool:
        """Whether the target is a callable that makes the implementation."""
        return _is_builder(self.target)

    def build(self, seed: int = 0) -> object:
        """The implementation: the object itself, or what the callable returns.

        Args:
            seed: handed to a callable that has a parameter of that name.

        Returns:
            An object for ``netparity.adapt``; the same one each time where it was ready-made.

        Raises:
            InputError: the callable asks for other arguments, raises, or returns nothing.

        Example:
            >>> Loaded(spec="lambda", target=lambda seed: [seed]).build(seed=3)
            [3]
        """
        if not self.builds:
            return self.target
        return call(self.target, self.spec, seed)

    def defines(self, name: str) -> bool:
        """Whether its file defines that name."""
        return hasattr(sys.modules.get(self.module or ""), name)

    def own(self, name: str, seed: int) -> object:
        """What its file calls by that name, as it stands there.

        Args:
            name: a name that it defines.
            seed: for a side that makes it of a callable itself.
        """
        return getattr(sys.modules[self.module or ""], name)


def load(spec: object) -> Loaded:
    """What a spec names, imported but not built.

    A file is imported once however often it is named, with its own folder on ``sys.path``
    as if it were run as a script; a module is looked for in the working directory too.

    Args:
        spec: ``"path/to/file.py:name"``, ``"package.module:name"`` (``name`` may be dotted),
            or an object or callable, which is taken as it is.

    Returns:
        The side, not yet built.

    Raises:
        MissingDependencyError: it imports a framework that is not installed.
        InputError: no such file, module or name (the hint gives the nearest ones), or its
            code raises while it is imported (with that code's own traceback).

    Example:
        >>> load("collections:OrderedDict").name
        'OrderedDict'
        >>> load("collections:OrderedDct")
        Traceback (most recent call last):
        ...
        netparity.errors.InputError: `collections` has no `OrderedDct`
    """
    if isinstance(spec, Loaded):
        return spec
    if not isinstance(spec, str):
        return Loaded(spec=_own_name(spec), target=spec)
    place, _, name = spec.rpartition(":")
    if spec.endswith(".py") or not place:
        raise InputError(
            f"`{spec}` does not say what in it is meant; expected `file.py:name` or "
            "`package.module:name`",
            hint=_names_hint(spec) or f"write `{spec}:NAME`",
        )
    if place.endswith(".py"):
        file = Path(place).expanduser()
        module = import_file(file)
        return Loaded(spec, _attribute(module, place, name), file.resolve(), module.__name__, name)
    module = _import_module(place, spec)
    source = getattr(module, "__file__", None)
    source_file = Path(source) if source else None
    return Loaded(spec, _attribute(module, place, name), source_file, module.__name__, name)


def call(target: object, spec: str, seed: int) -> object:
    """Calls a builder with ``seed`` where it takes one, with no argument otherwise."""
    arguments: dict[str, int] = {}
    if not callable(target):
        raise InputError(f"`{spec}` cannot be called")
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        parameters = {}  # type: ignore[assignment]
    if "seed" in parameters and parameters["seed"].kind is not inspect.Parameter.POSITIONAL_ONLY:
        arguments["seed"] = seed
    wanted = [
        name
        for name, parameter in parameters.items()
        if name not in arguments
        and parameter.default is inspect.Parameter.empty
        and parameter.kind not in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    ]
    if wanted:
        listed = ", ".join(f"`{name}`" for name in wanted)
        raise InputError(
            f"`{spec}` asks for {listed}; a callable is called with no argument, or with `seed`",
            hint="give them defaults, or name a function of no arguments that calls it",
        )
    with theirs(f"`{spec}` could not be built"):
        built: object = target(**arguments)
    if built is None:
        raise InputError(
            f"`{spec}` returned None; expected the implementation it builds",
            hint="is a `return` missing at its end?",
        )
    return built


@functools.cache
def _import_once(path: Path, stamp: tuple[int, int]) -> ModuleType:
    # The stamp makes a file that was edited meanwhile a file of its own.
    digest = hashlib.sha256(f"{path}{stamp}".encode()).hexdigest()[:8]
    name = f"netparity_file_{path.stem}_{digest}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise InputError(f"`{path}` is not a Python file")
    module = importlib.util.module_from_spec(specification)
    _search_first(str(path.parent))
    sys.modules[name] = module
    try:
        with theirs(f"`{path.name}` could not be loaded"):
            specification.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def import_file(file: Path) -> ModuleType:
    """Imports a Python file under a name of its own, once."""
    if not file.is_file():
        raise InputError(f"no such file: `{file}`", hint=_nearest_file(file))
    status = file.stat()
    return _import_once(file.resolve(), (status.st_mtime_ns, status.st_size))


def _import_module(name: str, spec: str) -> ModuleType:
    if any(separator in name for separator in ("/", os.sep)) or Path(name).is_file():
        raise InputError(
            f"`{spec}`: `{name}` is not a Python file",
            hint=f"expected `{Path(name).with_suffix('.py')}:…` or `package.module:…`",
        )
    _search_first(os.getcwd())
    try:
        with theirs(f"`{name}` could not be loaded"):
            return importlib.import_module(name)
    except InputError as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        # Told apart from a module that is there and imports something that is not.
        if missing and (name == missing or name.startswith(f"{missing}.")):
            near = difflib.get_close_matches(name, _modules_here(), n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise InputError(
                f"no module is called `{name}`" + (f" (no `{missing}`)" if missing != name else ""),
                hint=f"{hint}for a file write `path/to/file.py:name`",
            ) from error
        raise


def _attribute(module: ModuleType, place: str, name: str) -> object:
    value: Any = module
    for part in name.split("."):
        names = _public_names(vars(value)) if hasattr(value, "__dict__") else []
        if not hasattr(value, part):
            raise InputError(f"`{place}` has no `{name}`", hint=_nearest_name(place, part, names))
        value = getattr(value, part)
    return value


def _is_builder(target: object) -> bool:
    if inspect.isroutine(target) or inspect.isclass(target):
        return True
    if isinstance(target, functools.partial):
        return True
    if not callable(target):
        return False
    roots = {kind.__module__.partition(".")[0] for kind in type(target).__mro__}
    is_cs231n = hasattr(target, "params") and hasattr(target, "loss")
    return not (roots & _FRAMEWORKS or is_cs231n or hasattr(target, "abilities"))


def _own_name(target: object) -> str:
    name = getattr(target, "__qualname__", None) or getattr(target, "name", None)
    return name if isinstance(name, str) and name else type(target).__name__


def _search_first(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _public_names(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith("_")]


def _nearest_name(place: str, wanted: str, names: list[str]) -> str:
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean `{place}:{near[0]}`?"
    shown = ", ".join(f"`{name}`" for name in names[:12])
    return f"it defines {shown}{', …' if len(names) > 12 else ''}" if names else "it is empty"


def _nearest_file(file: Path) -> str:
    folder = file.parent
    if not folder.is_dir():
        return f"there is no folder `{folder}`"
    here = sorted(path.name for path in folder.glob(f"*{file.suffix}"))
    near = difflib.get_close_matches(file.name, here, n=1, cutoff=0.5)
    if near:
        return f"did you mean `{folder / near[0]}`?"
    shown = ", ".join(f"`{name}`" for name in here[:8])
    where = f"`{folder.resolve()}`"
    return f"{where} holds {shown}" if here else f"{where} holds no {file.suffix} file"


def _names_hint(spec: str) -> str | None:
    # Read, not run: naming the choices must not start the program.
    file = Path(spec).expanduser()
    if not spec.endswith(".py"):
        return None
    if not file.is_file():
        return f"and there is no file `{file}`; {_nearest_file(file)}"
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return None
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    names = _public_names(names)
    return f"it defines {', '.join(f'`{spec}:{name}`' for name in names[:8])}" if names else None


def _modules_here() -> list[str]:
    return [path.stem for path in Path.cwd().glob("*.py")]
