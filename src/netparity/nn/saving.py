"""What a solver's checkpoint holds, and whether it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.callbacks import Best
from netparity.nn.checkpoints import decoded, encoded, read_checkpoint, write_checkpoint
from netparity.nn.fitting import Position
from netparity.nn.schedules import Plateau

if TYPE_CHECKING:
    from netparity.nn.solver import Solver


def save_solver(solver: Solver, path: Path) -> None:
    """Writes everything that training changes into one file (see ``Solver.save``).

    Args:
        solver: the solver.
        path: the file.

    Raises:
        InputError: it cannot be written, or a value is not finite.
    """
    for name, array in {**solver.parameters, **solver.buffers}.items():
        if not np.isfinite(array).all():
            raise InputError(
                f"no checkpoint is written at step {solver.state['step']}: {name!r} is not "
                f"finite; the last checkpoint stays",
                hint="lower the learning rate, and go on from the last checkpoint",
            )
    groups = {
        **_live(solver),
        "history": {name: np.array(values) for name, values in solver.history.items()},
    }
    if solver.best is not None:
        groups["best/parameters"] = solver.best.parameters
        groups["best/buffers"] = solver.best.buffers
    facts = {
        "settings": _settings(solver),
        "state": encoded({k: v for k, v in solver.state.items() if k not in _slots(solver)}),
        "plateau": asdict(solver.plateau_state),
        "averaged": solver.average_state.get("step"),
        "rng": encoded(solver.rng.bit_generator.state),
        "position": encoded(asdict(solver.position)),
        "best": solver.best and {"epoch": solver.best.epoch, "value": solver.best.value},
    }
    arrays = {f"{group}/{name}": a for group, own in groups.items() for name, a in own.items()}
    write_checkpoint(path, arrays, facts)


def restore_solver(solver: Solver, path: Path, *, strict: bool) -> None:
    """Puts back what ``save_solver`` wrote (see ``Solver.restore``).

    Args:
        solver: the solver.
        path: the file.
        strict: whether all settings must be those it was written with.

    Raises:
        InputError: it cannot be read, or does not fit; the solver is as before then.
    """
    arrays, facts = read_checkpoint(path)
    try:
        settings, state = dict(facts["settings"]), dict(facts["state"])
        averaged, plateau = facts["averaged"], Plateau(**facts["plateau"])
        rng, position = decoded(facts["rng"]), Position(**decoded(facts["position"]))
        kind, best = rng["bit_generator"], facts["best"]
        found = best and Best(
            int(best["epoch"]),
            float(best["value"]),
            _group(arrays, "best/parameters"),
            _group(arrays, "best/buffers"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"checkpoint `{path}` is damaged: {error!r}") from error
    _check_settings(solver, path, settings, strict=strict)
    live = _live(solver)
    for group, expected in live.items():
        _check_matching(path, group, expected, _group(arrays, group))
    own = solver.rng.bit_generator.state["bit_generator"]
    if kind != own:
        raise InputError(
            f"checkpoint `{path}` is of another random generator. Expected {own}. Received: {kind}"
        )
    for group, expected in live.items():
        stored = _group(arrays, group)
        for name, array in expected.items():
            array[...] = stored[name]
    solver.state.update(state)
    solver.plateau_state = plateau
    if solver.averaging is not None:
        solver.average_state["step"] = averaged
    solver.rng.bit_generator.state = rng
    solver.history.clear()
    solver.history.update({name: a.tolist() for name, a in _group(arrays, "history").items()})
    solver.position, solver.best = position, found


def _live(solver: Solver) -> dict[str, Mapping[str, Array]]:
    """The arrays that training changes, in groups."""
    return {
        "parameters": solver.parameters,
        "buffers": solver.buffers,
        "average": solver.average_state.get("average", {}),
        **{f"optimizer/{slot}": solver.state[slot] for slot in _slots(solver)},
    }


def _slots(solver: Solver) -> tuple[str, ...]:
    """The keys of the optimizer's state that hold arrays by name."""
    return tuple(key for key, value in solver.state.items() if isinstance(value, Mapping))


def _group(arrays: Mapping[str, Array], group: str) -> dict[str, Array]:
    """The arrays of a group, by their names within it."""
    start = f"{group}/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


def _settings(solver: Solver) -> dict[str, str]:
    """What a checkpoint goes with, in words."""
    return {
        "network": _told(solver.network.layers),
        "optimizer": _told(solver.optimizer),
        "loss": _told(solver.loss),
        "penalties": _told(solver.penalties),
        "constraints": _told(solver.constraints),
        "clipping": _told(solver.clipping),
        "schedule": _told(solver.schedule),
        "plateau": f"{_told(solver.plateau)} of {solver.plateau_monitor}",
        "averaging": _told(solver.averaging),
        "batches": _told(solver.batches),
        "accumulation": f"{solver.accumulation} of {solver.accumulate}",
    }


def _told(setting: Any) -> str:
    """A setting in words that are the same in each process."""
    if isinstance(setting, tuple):
        return f"({', '.join(map(_told, setting))})"
    if setting is None or is_dataclass(setting) or isinstance(setting, str):
        return repr(setting)
    kind = setting if hasattr(setting, "__qualname__") else type(setting)
    return f"{kind.__module__}.{kind.__qualname__}"


def _check_settings(solver: Solver, path: Path, stored: Mapping[str, str], *, strict: bool) -> None:
    """Refuses a checkpoint of another solver."""
    for name, own in _settings(solver).items():
        other = stored.get(name, "")
        kind = name == "optimizer" and own.split("(")[0] != other.split("(")[0]
        if kind or (strict and own != other):
            raise InputError(
                f"checkpoint `{path}` is of another {name}. Expected {own}. Received: {other}",
                hint=None if kind else "`restore(path, strict=False)` takes over the values",
            )


def _check_matching(
    path: Path, group: str, live: Mapping[str, Array], stored: Mapping[str, Array]
) -> None:
    """Refuses stored arrays that do not go where the live ones are."""
    if live.keys() != stored.keys():
        raise InputError(
            f"checkpoint `{path}` is of another network: {group}. Expected {sorted(live)}. "
            f"Received: {sorted(stored)}"
        )
    for name, array in live.items():
        other = stored[name]
        if (array.shape, array.dtype) != (other.shape, other.dtype):
            raise InputError(
                f"checkpoint `{path}` is of another network: {group}, {name!r}. Expected "
                f"{array.shape}, {array.dtype}. Received: {other.shape}, {other.dtype}"
            )
