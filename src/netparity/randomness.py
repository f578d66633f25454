"""The global random generators of a process: capture, restore, tell apart, disturb.

Programs draw from streams they do not own: Python's ``random``, NumPy's legacy global
generator, torch's, TensorFlow's eager seeds and Keras's global seed generator. netparity
seeds none of them on its own account; it puts them back where they were. A framework is
looked for among the modules already imported and is never imported here.
"""

from __future__ import annotations

import hashlib
import pickle
import random
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.errors import InputError

_UNSIGNED_32 = 2**32


@dataclass(frozen=True, slots=True)
class _Generator:
    """How one global generator is read, written and seeded (``present``: is it there?)."""

    present: Callable[[], bool]
    read: Callable[[], Any]
    write: Callable[[Any], None]
    seed: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class GlobalRandomStates:
    """The states of the global generators at one moment.

    Attributes:
        states: by name: ``python``, ``numpy``, ``torch``, ``tensorflow``, ``keras``, as far
            as they were in the process.
    """

    states: Mapping[str, Any]

    def restore(self) -> None:
        """Puts every generator captured here back into the state it was in.

        Example:
            >>> import random
            >>> before = capture()
            >>> first = random.random()
            >>> before.restore()
            >>> random.random() == first
            True
        """
        for name, state in self.states.items():
            _GENERATORS[name].write(state)


def capture(names: Iterable[str] | None = None) -> GlobalRandomStates:
    """The present states of the global generators.

    Args:
        names: which of them; by default all that are in the process.

    Returns:
        The states; ``restore()`` puts them back.
    """
    states = {}
    for name, generator in _present(names).items():
        state = generator.read()
        # One is captured at every step of a watched run; most programs move few of them.
        if name in _LAST and _same(_LAST[name], state):
            state = _LAST[name]
        states[name] = _LAST[name] = state
    return GlobalRandomStates(states)


def fingerprint() -> dict[str, str]:
    """A hash of each global generator's state: equal hashes, equal streams from here on.

    Returns:
        SHA-256 in hexadecimal, by the generator's name.

    Example:
        >>> import random
        >>> before = fingerprint()
        >>> _ = random.random()
        >>> after = fingerprint()
        >>> [name for name in before if after[name] != before[name]]
        ['python']
    """
    return {
        name: hashlib.sha256(pickle.dumps(_plain(generator.read()), protocol=4)).hexdigest()
        for name, generator in _present(None).items()
    }


def disturb(seed: int) -> None:
    """Puts each global generator into another, seeded state (the same one for equal seeds).

    Args:
        seed: any non-negative integer; each generator gets its own seed derived from it.
    """
    for position, (name, generator) in enumerate(sorted(_present(None).items())):
        words = np.random.SeedSequence([seed, position, len(name)]).generate_state(1)
        generator.seed(int(words[0]) % (_UNSIGNED_32 // 2))


def seed(name: str, value: int) -> None:
    """Seeds one global generator, as a program's own line would.

    Args:
        name: ``"python"``, ``"numpy"``, ``"torch"``, ``"tensorflow"`` or ``"keras"``.
        value: the seed.

    Raises:
        InputError: there is no generator of that name in this process.
    """
    generators = _present(None)
    if name not in generators:
        raise InputError(
            f"random generator: expected one of {', '.join(generators)}; received {name!r}",
            hint="a framework's generator is there once the framework is imported",
        )
    generators[name].seed(value)


def _present(names: Iterable[str] | None) -> dict[str, _Generator]:
    chosen = list(_GENERATORS) if names is None else list(names)
    return {name: _GENERATORS[name] for name in chosen if _GENERATORS[name].present()}


#: The state last captured of each generator; shared, never written.
_LAST: Final[dict[str, Any]] = {}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b)


def _plain(value: Any) -> Any:
    """The value with arrays turned into bytes, so that equal states pickle to equal bytes."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, Mapping):
        return [(str(key), _plain(value[key])) for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


# The legacy global generator is the very thing captured here, so it has to be named.
def _numpy_read() -> Any:
    return np.random.get_state(legacy=False)  # noqa: NPY002


def _numpy_write(state: Any) -> None:
    np.random.set_state(state)  # noqa: NPY002


def _numpy_seed(value: int) -> None:
    np.random.seed(value)  # noqa: NPY002


def _torch_read() -> Any:
    torch = sys.modules["torch"]
    state = {"cpu": torch.get_rng_state().numpy().copy()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for index, device in enumerate(torch.cuda.get_rng_state_all()):
            state[f"cuda:{index}"] = device.numpy().copy()
    return state


def _torch_write(state: Any) -> None:
    torch = sys.modules["torch"]
    for device, numbers in state.items():
        tensor = torch.from_numpy(numbers.copy())
        if device == "cpu":
            torch.set_rng_state(tensor)
        else:
            torch.cuda.set_rng_state(tensor, device)


def _torch_seed(value: int) -> None:
    sys.modules["torch"].manual_seed(value)


_TF_CONTEXT: Final = "tensorflow.python.eager.context"
_TF_GENERATORS: Final = "tensorflow.python.ops.stateful_random_ops"


def _tensorflow_present() -> bool:
    return _TF_CONTEXT in sys.modules and "tensorflow" in sys.modules


def _tensorflow_read() -> Any:
    # An eager random operation takes its seeds from the context: the global seed and a
    # Python generator that numbers the operations. Neither has a public getter.
    context = sys.modules[_TF_CONTEXT].context()
    numbering = getattr(context, "_rng", None)
    state = {
        "seed": getattr(context, "_seed", None),
        "numbering": None if numbering is None else numbering.getstate(),
    }
    generator = _tensorflow_generator()
    if generator is not None:
        state["generator"] = np.array(generator.state.numpy())
    return state


def _tensorflow_write(state: Any) -> None:
    context = sys.modules[_TF_CONTEXT].context()
    # Setting a seed also drops the kernels, each of which has a stream of its own.
    context._set_global_seed(state["seed"])
    if state["numbering"] is not None:
        context._rng.setstate(state["numbering"])
    generator = _tensorflow_generator()
    if generator is None:
        return
    if "generator" in state:
        generator.state.assign(state["generator"])
    else:
        vars(sys.modules[_TF_GENERATORS])["global_generator"] = None


def _tensorflow_seed(value: int) -> None:
    sys.modules["tensorflow"].random.set_seed(value)
    generator = _tensorflow_generator()
    if generator is not None:
        generator.reset_from_seed(value)


def _tensorflow_generator() -> Any:
    """The global ``tf.random.Generator`` if one was made (asking TensorFlow would make one)."""
    return getattr(sys.modules.get(_TF_GENERATORS), "global_generator", None)


_KERAS_STATE: Final = "keras.src.backend.common.global_state"
_KERAS_GENERATOR: Final = "keras.src.random.seed_generator"


def _keras_present() -> bool:
    return _KERAS_STATE in sys.modules and _KERAS_GENERATOR in sys.modules


def _keras_read() -> Any:
    """The position of the global seed generator, and the seed a new one would start from."""
    attributes = sys.modules[_KERAS_STATE]
    names = sys.modules[_KERAS_GENERATOR]
    generator = attributes.get_global_attribute(names.GLOBAL_SEED_GENERATOR)
    state = {"seed": attributes.get_global_attribute(_keras_seed_name())}
    if generator is not None:
        state["position"] = np.array(_keras_numpy(generator.state))
    return state


def _keras_write(state: Any) -> None:
    attributes = sys.modules[_KERAS_STATE]
    name = sys.modules[_KERAS_GENERATOR].GLOBAL_SEED_GENERATOR
    attributes.set_global_attribute(_keras_seed_name(), state["seed"])
    if "position" not in state:
        attributes.set_global_attribute(name, None)
        return
    generator = attributes.get_global_attribute(name)
    if generator is None:
        generator = sys.modules[_KERAS_GENERATOR].SeedGenerator(seed=0)
        attributes.set_global_attribute(name, generator)
    generator.state.assign(state["position"])


def _keras_seed(value: int) -> None:
    generators = sys.modules[_KERAS_GENERATOR]
    sys.modules[_KERAS_STATE].set_global_attribute(
        generators.GLOBAL_SEED_GENERATOR, generators.SeedGenerator(seed=value)
    )


def _keras_seed_name() -> str:
    return str(getattr(sys.modules.get("keras.src.utils.rng_utils"), "GLOBAL_RANDOM_SEED", "seed"))


def _keras_numpy(variable: Any) -> Any:
    """A Keras variable's numbers, asked of the backend's own tensor."""
    value = variable.value
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


_GENERATORS: Final[Mapping[str, _Generator]] = {
    "python": _Generator(lambda: True, random.getstate, random.setstate, random.seed),
    "numpy": _Generator(lambda: True, _numpy_read, _numpy_write, _numpy_seed),
    "torch": _Generator(lambda: _imported("torch"), _torch_read, _torch_write, _torch_seed),
    "tensorflow": _Generator(
        _tensorflow_present, _tensorflow_read, _tensorflow_write, _tensorflow_seed
    ),
    "keras": _Generator(_keras_present, _keras_read, _keras_write, _keras_seed),
}


def _imported(name: str) -> bool:
    """Whether the package is imported to its end (one in the middle of it has no functions)."""
    module = sys.modules.get(name)
    specification = getattr(module, "__spec__", None)
    return module is not None and not getattr(specification, "_initializing", False)
