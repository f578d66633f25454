"""How a torch module is called: its inputs and targets, its loss, and looks that leave no mark."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import torch

from netparity import randomness
from netparity.errors import CannotError, InputError
from netparity.implementations import torch_dropout, torch_network, torch_reading
from netparity.implementations.author import Author, weighing, weights_argument
from netparity.implementations.own_step import OwnStep
from netparity.implementations.scaling import Adjusted
from netparity.implementations.torch_precision import Precision
from netparity.implementations.values import as_array, same_bits

Array = np.ndarray[Any, np.dtype[Any]]
Outcome = TypeVar("Outcome")

#: The streams a torch program may draw from without owning them.
STREAMS: Final = ("python", "numpy", "torch")


class Calls:
    """Calls a module and its loss with arrays.

    Args:
        name: the side's name, for messages.
        module: the network.
        loss: ``loss(prediction, target)`` or ``None``.
        penalty: ``penalty(module)`` or ``None``.
        precision: the width it computes in.
        author: what else the author gave.

    Attributes:
        adjusted: what was changed of loss and penalties.
        notes: remarks for the report.
    """

    def __init__(
        self, name: str, module: Any, loss: Any, penalty: Any, precision: Precision, author: Author
    ) -> None:
        self.name = name
        self.module = module
        self.loss = loss
        self.penalty = penalty
        self.precision = precision
        self.author = author
        self.adjusted = Adjusted()
        self.notes: list[str] = []
        self._proven: set[str] = set()
        self._feedable: bool | None = None

    # ---- tensors ------------------------------------------------------------------------
    def floating(self, values: Array) -> Any:
        """Numbers as a tensor in the module's dtype."""
        array = np.array(as_array(values))
        return torch.from_numpy(array).to(self.precision.device, self.precision.dtype)

    def inputs(self, x: Array) -> Any:
        """A batch as a tensor; integers stay integers where an embedding takes them."""
        if as_array(x).dtype.kind in "iu" and torch_reading.takes_indices(self.module):
            return torch.from_numpy(np.array(x)).to(self.precision.device, torch.int64)
        return self.floating(x)

    def targets(self, y: Array) -> Any:
        """Targets as a tensor, in the dtype that the loss takes."""
        array = as_array(y)
        if torch_reading.integer_targets(self.loss, array):
            return torch.from_numpy(np.array(array)).to(self.precision.device, torch.int64)
        return self.floating(array)

    def forward(self, x: Array) -> Any:
        """The module's prediction.

        Raises:
            InputError: it is not one tensor.
        """
        prediction = self.module(self.inputs(x))
        if not isinstance(prediction, torch.Tensor):
            raise InputError(
                f"{self.name}: expected one tensor as prediction; received "
                f"{type(prediction).__name__}"
            )
        return prediction

    @property
    def weighable(self) -> bool:
        """Whether the loss takes weights of the rows."""
        return weights_argument(self.loss) is not None

    def data_loss(self, prediction: Any, y: Array, weights: Array | None = None) -> Any:
        """The author's loss (adjusted) of a prediction, as a scalar tensor.

        Raises:
            CannotError: there is no loss.
            InputError: it is no scalar.
        """
        if self.loss is None:
            raise CannotError("loss")
        counted = weighing(self.loss, f"{self.name}, loss", self.author.weights(y, weights))
        given = {key: self.floating(value) for key, value in counted.items()}
        value = self.loss(prediction, self.targets(y), **given)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            received = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value)
            raise InputError(f"{self.name}, loss: expected a scalar tensor; received {received}")
        return self.adjusted.loss_value(value, prediction)

    def losses(self, x: Array, y: Array, weights: Array | None = None) -> tuple[Any, Any | None]:
        """The data loss and the penalty (``None`` where there is none), as tensors."""
        data = self.data_loss(self.forward(x), y, weights)
        if self.adjusted.penalties is not None:
            return data, self.adjusted.penalty_value(
                dict(self.module.named_parameters()), torch.sum
            )
        return data, None if self.penalty is None else self.penalty(self.module)

    def total(self, x: Array, y: Array, weights: Array | None = None) -> Any:
        """Loss and penalty together."""
        data, penalty = self.losses(x, y, weights)
        return data if penalty is None else data + penalty

    def own_step(self, step: OwnStep, x: Array, y: Array, weights: Array | None) -> None:
        """The author's own step; where it asks for float32 it is given what the module has."""
        counted = weighing(
            step.function, f"{self.name}, train_step", self.author.weights(y, weights)
        )
        as_tensors = {key: self.floating(value) for key, value in counted.items()}
        with self.precision.inputs_cast(), self.precision.widened():
            step.call(
                lambda: ((self.inputs(x), self.targets(y)), as_tensors),
                lambda: ((np.array(x), np.array(y)), counted),
            )

    def run(self, kind: str, function: Callable[[], Outcome]) -> Outcome:
        """Runs it; the first time it raises in float64, tries the module's own dtype."""
        try:
            outcome = function()
        except (RuntimeError, TypeError):
            if not self.precision.lifted or kind in self._proven:
                raise
            self.precision.lower()
            try:
                outcome = function()
            except (RuntimeError, TypeError):
                self.precision.lift()
                raise
            self.notes.append(
                f"{self.name} cannot compute in float64; compared in {self.precision.name}"
            )
        self._proven.add(kind)
        return outcome

    @contextlib.contextmanager
    def fed(self, draws: Sequence[Array] | None) -> Iterator[None]:
        """Feeds the dropouts; the draws are taken from the start by each forward pass."""
        if draws is None:
            yield
            return
        if not self.may_feed:
            raise CannotError("draws")
        with torch_dropout.patched(self.module, draws):
            yield

    @contextlib.contextmanager
    def aside(self, training: bool) -> Iterator[None]:
        """A look in the given mode that moves no mode, buffer or random stream."""
        modes = [(m, m.training) for m in self.module.modules()]
        buffers = [(b, b.detach().clone()) for b in self.module.buffers()]
        streams = randomness.capture(STREAMS)
        self.module.train(training)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, saved in buffers:
                    buffer.copy_(saved)
            streams.restore()

    # ---- dropout ------------------------------------------------------------------------
    @property
    def may_feed(self) -> bool:
        """Whether dropout can be fed, as far as is known."""
        return self._feedable is not False and not torch_dropout.others(self.module)

    def dropout_shapes(self, x: Array) -> list[tuple[int, ...]]:
        """The shape of the input of each ``nn.Dropout``, in order of execution."""
        with self.aside(training=True), torch.no_grad():
            with torch_dropout.patched(self.module, None) as shapes:
                self.run("forward", lambda: self.forward(x))
            return list(shapes)

    def can_feed(self, x: Array) -> bool:
        """Whether all randomness of a forward pass comes from ``nn.Dropout``.

        Seen by running it twice with those fed: what still differs draws by itself.
        """
        if self._feedable is None and not torch_dropout.others(self.module):
            answers = []
            with self.aside(True), torch_network.generic_parameters(self.module), torch.no_grad():
                for _ in range(2):
                    with torch_dropout.patched(self.module, None):
                        answers.append(as_array(self.run("forward", lambda: self.forward(x))))
            self._feedable = same_bits(answers[0], answers[1])
        return bool(self._feedable)
