"""optax's schedules: followed, and read as schedules of the reference network."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import jax
import jax.numpy as jnp

from netparity import nn
from netparity.errors import InputError
from netparity.implementations import jax_optax
from netparity.implementations.author import Author
from netparity.implementations.jax_program import Program, wide
from netparity.implementations.rates import Called, Rates

_NOTHING: Final = (lambda: None).__code__
_FIRST: Final = ("scale", "step_size")
#: Steps at which a reading is held against the schedule itself.
_LOOKED_AT: Final = 16


def rates(program: Program, author: Author) -> Rates:
    """What sets the rates of an optax transformation.

    Args:
        program: with its optimizer, or without.
        author: who may have given a schedule.

    Raises:
        InputError: a schedule was given, and there is no constant rate that it could replace.
    """
    inside = _inside(program.optimizer)
    where = f"{author.name}, schedule"
    if inside is not None:
        if author.schedule is not None:
            raise InputError(
                f"{where}: expected an optimizer with a constant rate; received one with a "
                "schedule",
                hint="a schedule inside the optimizer is read there: leave the argument out",
            )
        return OptimizerRates(program, inside, author.name)
    if author.schedule is not None and not _injected(program) and _constant(program) is None:
        raise InputError(
            f"{where}: expected an optimizer with one constant learning rate; received "
            f"{'none' if program.optimizer is None else 'another'}",
            hint="for example optax.sgd(0.1), or optax.inject_hyperparams(optax.sgd)(0.1)",
        )

    def put(rate: float) -> None:
        if not _injected(program):
            program.rate = rate
            return
        with program.context():
            held = program.slots.hyperparams
            fitting = jnp.asarray(rate, held["learning_rate"].dtype)
            others = {**held, "learning_rate": fitting}
            program.slots = program.slots._replace(hyperparams=others)

    def get() -> float:
        if _injected(program):
            return float(program.slots.hyperparams["learning_rate"])
        return _constant(program) or 0.0

    return _ProgramRates(author.schedule, author.schedule_every, get, put, author.name, program)


class _ProgramRates(Rates):
    """Rates set from outside."""

    def __init__(
        self, schedule: Any, every: Any, get: Any, put: Any, where: str, program: Program
    ) -> None:
        super().__init__(schedule, every, get, put, where)
        self._program = program

    def _back(self, rate: float) -> None:
        if _injected(self._program):
            self._put(rate)
        else:
            self._program.rate = None


class OptimizerRates(_ProgramRates):
    """A schedule inside a transformation, which counts the steps by itself."""

    def __init__(self, program: Program, inside: Any, name: str) -> None:
        def put(rate: float) -> None:
            program.rate = rate

        super().__init__(_worked_out(inside), "step", lambda: 0.0, put, name, program)
        reading = read(inside)
        # optax works most rates out in float32, whatever the width of the parameters.
        exact = reading is not None and all(self.own(t) == reading(t) for t in range(_LOOKED_AT))
        self._stated = reading if reading is not None and exact else Called(self.own, reading)

    def before_step(self) -> None:
        """Sets a rate only in place of the optimizer's own."""
        counts = _counts(self._program.slots)
        self.count = counts[0] if counts else self.count
        if self.adjusted:
            super().before_step()

    @property
    def authored(self) -> nn.Schedule | None:
        """The schedule as read, or as it can be called."""
        return self._stated


def _counts(slots: Any) -> list[int]:
    """The counters of the schedules in an optimizer's state."""
    kind = "ScaleByScheduleState"

    def is_one(node: Any) -> bool:
        return type(node).__name__ == kind

    nodes = jax.tree_util.tree_leaves(slots, is_leaf=is_one)
    return [int(node.count) for node in nodes if is_one(node)]


def _injected(program: Program) -> bool:
    return "learning_rate" in getattr(program.slots, "hyperparams", ())


def _constant(program: Program) -> float | None:
    """The constant rate of a transformation, where it has one."""
    links = jax_optax.parts(program.optimizer) if program.optimizer is not None else None
    found = [link for link in links or () if link.name == _FIRST[0]]
    if len(found) != 1 or callable(found[0].settings[_FIRST[1]]):
        return None
    return -float(found[0].settings[_FIRST[1]])


def _inside(optimizer: Any) -> Any | None:
    """The schedule in a transformation, as its author gave it, if there is one."""
    links = jax_optax.parts(optimizer) if optimizer is not None else None
    found = [link for link in links or () if link.name == "scale_by_schedule"]
    if len(found) != 1:
        return None
    step_size = found[0].settings["step_size_fn"]
    held = _closure(step_size)
    if _maker(step_size) == "scale_by_learning_rate" and held.get("m") == -1:
        return held["learning_rate"]
    return lambda count: -step_size(count)


def _worked_out(schedule: Any) -> Any:
    def rate(step: int) -> float:
        with wide():
            return float(schedule(jnp.asarray(step, jnp.int32)))

    rate.__name__ = _maker(schedule) or "schedule"
    return rate


def _closure(function: Any) -> dict[str, Any]:
    """What a function keeps of the scope it was made in."""
    held: dict[str, Any] = {}
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(getattr(function, "__code__", _NOTHING).co_freevars, cells, strict=True):
        # A variable that its maker never set is an empty cell.
        with contextlib.suppress(ValueError):
            held[name] = cell.cell_contents
    return held


def _maker(function: Any) -> str:
    own = getattr(function, "__module__", "").partition(".")[0] == "optax"
    return str(getattr(function, "__qualname__", "")).partition(".")[0] if own else ""


def read(schedule: Any) -> nn.Schedule | None:
    """The schedule of the reference network that an optax schedule is, or ``None``.

    Example:
        >>> import optax
        >>> read(optax.exponential_decay(0.5, 2, 0.25))
        ExponentialDecay(learning_rate=0.5, factor=0.25, steps=2, staircase=False)
    """
    try:
        return _read(_maker(schedule), _closure(schedule))
    except (KeyError, TypeError, ValueError, InputError):
        # A version of optax that keeps its settings elsewhere, or values out of range.
        return None


def _read(maker: str, held: dict[str, Any]) -> nn.Schedule | None:
    if maker == "constant_schedule":
        return nn.ConstantRate(float(held["value"]))
    if maker == "join_schedules":
        found = [read(part) for part in held["schedules"]]
        known = tuple(part for part in found if part is not None)
        if len(known) != len(found):
            return None
        return nn.Join(known, tuple(int(b) for b in held["boundaries"]))
    if maker == "cosine_decay_schedule":
        rate, steps = float(held["init_value"]), int(held["decay_steps"])
        return nn.CosineDecay(rate, steps, rate * float(held["alpha"]), float(held["exponent"]))
    if "init_value" not in held:
        return None
    rate = float(held["init_value"])
    if maker == "piecewise_constant_schedule":
        scales = sorted((held["boundaries_and_scales"] or {}).items())
        values = [rate]
        for _, scale in scales:
            values.append(values[-1] * float(scale))
        return nn.PiecewiseConstant(tuple(int(b) for b, _ in scales), tuple(values))
    steps = held.get("transition_steps", 0)
    if not steps or steps <= 0:
        return nn.ConstantRate(rate) if set(held) == {"init_value"} else None
    begin = int(held["transition_begin"])
    found_one: nn.Schedule | None = None
    if maker == "polynomial_schedule":
        end, power = float(held["end_value"]), float(held["power"])
        found_one = nn.PolynomialDecay(rate, steps, end, power)
    if maker == "exponential_decay" and held.get("end_value") is None:
        factor, staircase = float(held["decay_rate"]), bool(held["staircase"])
        found_one = nn.ExponentialDecay(rate, factor, steps, staircase)
    if found_one is None or begin == 0:
        return found_one
    return nn.Join((nn.ConstantRate(rate), found_one), (begin,))
