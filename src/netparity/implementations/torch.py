"""A PyTorch module with its loss and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from netparity import randomness
from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError, MissingDependencyError
from netparity.implementations.author import (
    Authored,
    Options,
    check_function,
    read_options,
)
from netparity.implementations.base import Loss, Values, Watched
from netparity.implementations.own_step import OwnStep
from netparity.implementations.scaling import Adjusted
from netparity.implementations.values import as_array

try:
    import torch
except ImportError as error:
    raise MissingDependencyError(
        "netparity.Torch: PyTorch is not installed", hint="pip install 'netparity[torch]'"
    ) from error

from netparity.implementations import (
    torch_adjusting,
    torch_dropout,
    torch_network,
    torch_reading,
    torch_schedules,
)
from netparity.implementations.torch_calls import STREAMS, Calls
from netparity.implementations.torch_precision import Precision

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class TorchState:
    """Everything a run changes; optimizer state in the order of the optimizer's parameters.

    ``left`` is what only a step of the author's own changes: gradients left behind, modes,
    and the optimizer's settings under the adjustment that they belong to.
    """

    parameters: tuple[Any, ...]
    buffers: tuple[Any, ...]
    optimizer: tuple[Mapping[str, Any], ...]
    streams: randomness.GlobalRandomStates
    rates: Any
    left: torch_adjusting.Left | None


class Torch(Authored):
    """A PyTorch module, the loss it is trained on, and its optimizer.

    The module is lifted to float64 in place (parameters keep their identity, the optimizer
    its state); where module or loss cannot compute in float64 it stays as it was, and
    ``lifted`` says so.

    Args:
        module: the network.
        loss: ``loss(prediction, target) → scalar tensor``, a module or a function.
        optimizer: over the module's parameters.
        penalty: ``penalty(module) → scalar tensor``, added to the loss.
        name: what to call it in the report.
        lift: whether to lift the module to float64.
        **options: see ``Options``; ``schedule`` may be of ``torch.optim.lr_scheduler``.

    Attributes:
        lifted: whether it computes in float64 though it was handed over in another dtype.
        notes: remarks for the report.

    Raises:
        InputError: the module is no ``torch.nn.Module``, or an argument cannot be used.

    Example:
        >>> import numpy as np, torch
        >>> module = torch.nn.Linear(2, 1)
        >>> side = Torch(module, torch.nn.MSELoss(), torch.optim.SGD(module.parameters(), lr=0.5))
        >>> side.set_parameters({"weight": np.ones((1, 2)), "bias": np.zeros(1)})
        >>> side.predict(np.array([[1.0, 2.0]]))
        array([[3.]])
        >>> side.gradients(np.array([[1.0, 2.0]]), np.array([[2.0]]))["weight"]
        array([[2., 4.]])
    """

    framework = "torch"

    def __init__(
        self,
        module: Any,
        loss: Callable[[Any, Any], Any] | None = None,
        optimizer: Any = None,
        *,
        penalty: Callable[[Any], Any] | None = None,
        name: str | None = None,
        lift: bool = True,
        **options: Unpack[Options],
    ) -> None:
        self.name = name or type(module).__name__
        self.version = str(torch.__version__)
        self.module = module
        self.optimizer = optimizer
        self._loss = loss
        self._penalty = penalty
        self.author = read_options(self.name, options)
        self._check()
        self._precision = Precision(module, loss, optimizer)
        self._calls = Calls(self.name, module, loss, penalty, self._precision, self.author)
        self._rates = torch_schedules.rates(
            self.author.schedule, self.author.schedule_every, optimizer, self.name
        )
        own = self.author.functions.get("train_step")
        self._own_step = None if own is None else OwnStep(own, self, f"{self.name}, train_step")
        if lift:
            self._precision.lift()

    def _check(self) -> None:
        if not isinstance(self.module, torch.nn.Module):
            raise InputError(
                f"Torch, module: expected a torch.nn.Module; received {type(self.module).__name__}"
            )
        if self.optimizer is not None and not isinstance(self.optimizer, torch.optim.Optimizer):
            raise InputError(
                f"{self.name}, optimizer: expected a torch.optim.Optimizer; received "
                f"{type(self.optimizer).__name__}"
            )
        for key, function in (("loss", self._loss), ("penalty", self._penalty)):
            if function is not None:
                check_function(self.name, key, function)

    # ---- read -------------------------------------------------------------------------
    @property
    def notes(self) -> list[str]:
        """Remarks for the report."""
        return self._calls.notes

    @property
    def lifted(self) -> bool:
        """Whether it computes in float64 though it was handed over in another dtype."""
        return self._precision.lifted

    @property
    def abilities(self) -> frozenset[str]:
        """What follows from the loss, the optimizer and the functions given."""
        able = {"activations", "adjust", *self.author.abilities}
        if self._loss is not None:
            able |= {"loss", "loss-of", "gradients"}
        if self.optimizer is not None:
            able.add("update")
        if self._own_step is not None or {"gradients", "update"} <= able:
            able.add("step")
        if self._calls.weighable:
            able.add("weights")
        if self._penalty is not None or self._calls.adjusted.penalties is not None:
            able.add("penalty")
        if self._calls.may_feed:
            able.add("draws")
        return frozenset(able)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the module's parameters now."""
        return np.dtype(self._precision.name)

    def parameters(self) -> Values:
        """Copies of the module's parameters, by their names in ``named_parameters``."""
        return {name: np.array(as_array(p)) for name, p in self.module.named_parameters()}

    def declared(self, x: Array) -> Conventions:
        """Layers in order of execution, loss, optimizer and laws, as far as they can be read."""
        return self._rates.applied_to(self._read(x))

    def _read(self, x: Array) -> Conventions:
        feedable = self._calls.can_feed(x)
        with self._calls.aside(training=False), torch_network.generic_parameters(self.module):
            network = self._calls.run(
                "forward",
                lambda: torch_network.read_network(
                    self.module, self._calls.inputs(x), not feedable
                ),
            )
        conventions = torch_reading.read(
            self.module, self._loss, self.optimizer, self._penalty, network
        )
        return self._calls.adjusted.applied_to(conventions)

    @property
    def adjustment(self) -> Adjusted:
        """What ``adjust`` changed of the loss and the penalties."""
        return self._calls.adjusted

    @property
    def has_plain_loss(self) -> bool:
        """Whether the loss is torch's own and nothing is added to it."""
        return self._penalty is None and torch_reading.as_module(self._loss) is not None

    @property
    def has_penalty(self) -> bool:
        """Whether the author gave the penalty apart from the loss."""
        return self._penalty is not None

    @property
    def has_own_step(self) -> bool:
        """Whether a step is the author's own, in which nobody can change the loss."""
        return self._own_step is not None

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Writes parameters in place."""
        live = dict(self.module.named_parameters())
        for name, value in values.items():
            if name not in live or tuple(live[name].shape) != np.shape(value):
                expected = tuple(live[name].shape) if name in live else f"one of {', '.join(live)}"
                raise InputError(
                    f"{self.name}, parameters, {name!r}: expected {expected}; received shape "
                    f"{np.shape(value)}"
                )
            with torch.no_grad():
                live[name].copy_(torch.from_numpy(np.array(value)))

    def buffers(self) -> Values:
        """Copies of the module's buffers, by their names in ``named_buffers``."""
        return {name: np.array(as_array(b)) for name, b in self.module.named_buffers()}

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Writes buffers in place."""
        live = dict(self.module.named_buffers())
        with torch.no_grad():
            for name, value in values.items():
                live[name].copy_(torch.from_numpy(np.array(value)))

    def moved_buffers(self, x: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The buffers after one forward pass in training mode."""
        with self._calls.aside(training=True), self._calls.fed(draws), torch.no_grad():
            self._calls.run("forward", lambda: self._calls.forward(x))
            return self.buffers()

    def state(self) -> TorchState:
        """Parameters, buffers, optimizer state, and the global random streams."""
        return TorchState(
            parameters=tuple(p.detach().clone() for p in self.module.parameters()),
            buffers=tuple(b.detach().clone() for b in self.module.buffers()),
            optimizer=tuple(
                {key: _copy(value) for key, value in self.optimizer.state.get(p, {}).items()}
                for p in self._optimized()
            ),
            streams=randomness.capture(STREAMS),
            rates=self._rates.state(),
            left=None if self._own_step is None else torch_adjusting.left(self, self._own_step),
        )

    def restore(self, state: Any) -> None:
        """Puts all of it back, parameters and buffers in place."""
        if self._own_step is not None and state.left is not None:
            torch_adjusting.put_back(self, self._own_step, state.left)
        self._rates.restore(state.rates)
        with torch.no_grad():
            for live, saved in zip(self.module.parameters(), state.parameters, strict=True):
                live.copy_(saved)
            for live, saved in zip(self.module.buffers(), state.buffers, strict=True):
                live.copy_(saved)
        for parameter, saved in zip(self._optimized(), state.optimizer, strict=True):
            self.optimizer.state.pop(parameter, None)
            if saved:
                self.optimizer.state[parameter] = {
                    key: self._precision.fit(_copy(value), key) for key, value in saved.items()
                }
        state.streams.restore()

    def _optimized(self) -> list[Any]:
        """The optimizer's parameters, those of the module first and in its order."""
        if self.optimizer is None:
            return []
        held = [p for group in self.optimizer.param_groups for p in group["params"]]
        order = {id(p): place for place, p in enumerate(self.module.parameters())}
        return sorted(held, key=lambda p: order.get(id(p), len(order)))

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions of the module."""
        with self._calls.aside(training), self._calls.fed(draws), torch.no_grad():
            return np.array(as_array(self._calls.run("forward", lambda: self._calls.forward(x))))

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The output of each module without submodules, in order of execution."""
        with self._calls.aside(training), self._calls.fed(draws), torch.no_grad():
            calls = self._calls.run(
                "forward", lambda: torch_network.trace(self.module, self._calls.inputs(x))[0]
            )
        return {call.label: call.output for call in calls}

    @property
    def trains(self) -> bool:
        """Whether the module is in training mode, where that matters to one of its layers."""
        modes = [m.training for m in self.module.modules() if torch_dropout.has_modes(m)]
        return any(modes) if modes else "step" in self.abilities

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shape of the draws of each ``nn.Dropout``, in order of execution."""
        if not self._calls.can_feed(x):
            return []
        return self._calls.dropout_shapes(x)

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The loss of the module's prediction, and the penalty."""
        if self._loss is None:
            raise CannotError("loss")
        with self._calls.aside(training), self._calls.fed(draws), torch.no_grad():
            data, penalty = self._calls.run("loss", lambda: self._calls.losses(x, y, weights))
        total = float(data if penalty is None else data + penalty)
        if penalty is None and torch_reading.read_loss(self._loss) is None:
            return Loss(total)
        part = 0.0 if penalty is None else float(penalty)
        return Loss(total, data=float(data), penalty=part)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction."""
        if self._loss is None:
            raise CannotError("loss-of")
        calls = self._calls
        with calls.aside(training=True), torch.no_grad():
            value = calls.run("loss", lambda: calls.data_loss(calls.floating(prediction), y))
        return float(value)

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of loss and penalty; ``.grad`` is left as it was."""
        if self._loss is None:
            raise CannotError("gradients")
        live = dict(self.module.named_parameters())
        before = {name: p.grad for name, p in live.items()}

        def backward() -> Values:
            for p in live.values():
                p.grad = None
            self._calls.total(x, y, weights).backward()
            return {
                name: np.array(as_array(p.grad)) for name, p in live.items() if p.grad is not None
            }

        try:
            with self._calls.aside(training=True), self._calls.fed(draws):
                return self._calls.run("loss", backward)
        finally:
            for name, p in live.items():
                p.grad = before[name]

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One ``optimizer.step()`` on the gradients given; ``.grad`` is left as it was."""
        if self.optimizer is None:
            raise CannotError("update")
        live = dict(self.module.named_parameters())
        before = {name: p.grad for name, p in live.items()}
        try:
            for name, p in live.items():
                given = gradients.get(name)
                p.grad = None if given is None else self._calls.floating(given).reshape(p.shape)
            self._rates.before_step()
            self.optimizer.step()
            self._rates.after_step()
        finally:
            for name, p in live.items():
                p.grad = before[name]

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """The author's own step; else ``zero_grad``, loss, ``backward``, ``optimizer.step``."""
        if "step" not in self.abilities:
            raise CannotError("step")
        self._rates.before_step()
        with self._calls.fed(draws):
            if self._own_step is not None:
                self._calls.own_step(self._own_step, x, y, weights)
            else:
                self.optimizer.zero_grad()
                self._calls.run("loss", lambda: self._calls.total(x, y, weights).backward())
                self.optimizer.step()
        self._rates.after_step()

    def end_epoch(self) -> None:
        """A schedule that counts epochs moves on."""
        self._rates.end_epoch()

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Trains as the author does, and records."""
        with self._precision.inputs_cast():
            return super().watch(x, y, epochs=epochs, batch_size=batch_size, limit=limit)

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Changes dropout rates, optimizer settings, the loss's scale, and penalties, live."""
        plan = torch_adjusting.plan(self, self._read(x), self._rates.at_present(wanted), x)
        if plan is None or not self._rates.can_follow(wanted):
            return False
        self._calls.adjusted = plan.carry_out()
        self._rates.follow(wanted)
        return True


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value
