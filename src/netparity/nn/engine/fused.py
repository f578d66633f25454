"""Updates of the common optimizers, in place, in one pass over all parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import final

from netparity.nn.arrays import Array, flat
from netparity.nn.engine.choice import Kernels
from netparity.nn.optimizers import SGD, Adam, Optimizer, State
from netparity.nn.penalties import in_scope


@final
class FusedUpdate:
    """An optimizer's update of parameters that lie in one buffer.

    Args:
        optimizer: SGD or Adam in any of their forms.
        parameters: by name, views into one buffer; changed in place.
        gradients: by name, views into one buffer in the same order.
        state: what ``optimizer.initialize`` gave, each slot views into one buffer; changed in
            place.
        kernels: what ``kernels_of`` returned.

    Use ``FusedUpdate.of``, which says ``None`` where there is no such pass.

    Source: none; the formulas are those of the optimizer's own ``update``.

    **Parity**: the same bits as ``Optimizer.update``.
    """

    def __init__(
        self,
        optimizer: SGD | Adam,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        state: State,
        kernels: Kernels,
    ) -> None:
        self._optimizer, self._state, self._kernels = optimizer, state, kernels
        self._gradients = gradients
        self._kept = {slot: state[slot] for slot in optimizer.slots}
        self._w, self._g = _buffer(parameters), _buffer(gradients)
        self._slots = {slot: _buffer(state[slot]) for slot in optimizer.slots}
        self._type = self._w.dtype.type
        self._ranges = _ranges(optimizer, parameters)

    @classmethod
    def of(
        cls,
        optimizer: Optimizer,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        state: State,
        kernels: Kernels,
    ) -> FusedUpdate | None:
        """The pass, or ``None`` for other optimizers and arrays that lie apart.

        Args:
            optimizer: any.
            parameters: by name.
            gradients: by name.
            state: the optimizer's.
            kernels: what ``kernels_of`` returned.
        """
        held = (parameters, gradients, *(state.get(slot, {}) for slot in optimizer.slots))
        if not isinstance(optimizer, SGD | Adam) or any(flat(arrays) is None for arrays in held):
            return None
        if isinstance(optimizer, Adam) and optimizer.amsgrad and optimizer.amsgrad_form != "raw":
            return None
        return cls(optimizer, parameters, gradients, state, kernels)

    def fits(self, optimizer: Optimizer, gradients: Mapping[str, Array], state: State) -> bool:
        """Whether this is the pass for these objects: the very same ones.

        Args:
            optimizer: any.
            gradients: by name.
            state: the optimizer's.
        """
        return (
            optimizer is self._optimizer
            and gradients is self._gradients
            and state is self._state
            and all(state.get(slot) is kept for slot, kept in self._kept.items())
        )

    def run(self, learning_rate: float) -> None:
        """Makes one update.

        Args:
            learning_rate: in place of the optimizer's own.
        """
        step = self._state["step"] + 1
        optimizer, rate = self._optimizer, float(learning_rate)
        if isinstance(optimizer, SGD):
            self._sgd(optimizer, rate, first=step == 1)
        else:
            self._adam(optimizer, rate, step)
        self._state["step"] = step

    def _sgd(self, optimizer: SGD, rate: float, *, first: bool) -> None:
        t, mu = self._type, float(optimizer.momentum)
        decay = t(optimizer.weight_decay)
        for part, coupled, decoupled in self._ranges:
            w, g = self._w[part], self._g[part]
            if mu == 0.0:
                self._kernels.sgd(coupled, decoupled)(w, g, t(rate), decay)
                continue
            dampened = not first and optimizer.dampening != 0.0
            kernel = self._kernels.momentum(
                optimizer.form == "rate-inside", optimizer.nesterov, dampened, coupled, decoupled
            )
            damped = t(1.0 - float(optimizer.dampening))
            weight = t(1.0 - mu if optimizer.form == "averaged" else 1.0)
            kernel(w, g, self._slots["velocity"][part], t(rate), t(mu), damped, weight, decay)

    def _adam(self, optimizer: Adam, rate: float, step: int) -> None:
        t, beta1, beta2 = self._type, float(optimizer.beta1), float(optimizer.beta2)
        correction1, correction2 = optimizer.corrections(step)
        hat = optimizer.epsilon_placement == "hat"
        factor = rate * math.sqrt(correction2) / correction1 if hat else rate / correction1
        for part, coupled, decoupled in self._ranges:
            kernel = self._kernels.adam(
                1.0 - beta1 < 0.5,
                hat,
                optimizer.epsilon_placement == "inside",
                optimizer.amsgrad,
                coupled,
                decoupled,
            )
            second = self._slots["second_moment"][part]
            largest = self._slots["second_moment_maximum"][part] if optimizer.amsgrad else second
            kernel(
                self._w[part], self._g[part], self._slots["first_moment"][part], second, largest,
                t(rate), t(beta1), t(1.0 - beta1), t(beta2), t(1.0 - beta2), t(factor),
                t(math.sqrt(correction2)), t(correction2), t(optimizer.epsilon),
                t(optimizer.weight_decay),
            )  # fmt: skip


def _buffer(arrays: Mapping[str, Array]) -> Array:
    """The buffer behind the arrays."""
    buffer = flat(arrays)
    if buffer is None:
        raise ValueError("arrays that do not lie in one buffer")
    return buffer


def _ranges(
    optimizer: SGD | Adam, parameters: Mapping[str, Array]
) -> list[tuple[slice, bool, bool]]:
    """Parts of the buffer with how they decay: coupled, decoupled or not."""
    ranges: list[tuple[slice, bool, bool]] = []
    start = 0
    for name, array in parameters.items():
        stop = start + array.size
        decays = optimizer.weight_decay != 0.0 and in_scope(optimizer.decay_scope, name)
        coupled = decays and optimizer.decay == "coupled"
        kind = (coupled, decays and not coupled)
        if ranges and ranges[-1][1:] == kind:
            ranges[-1] = (slice(ranges[-1][0].start, stop), *kind)
        else:
            ranges.append((slice(start, stop), *kind))
        start = stop
    return ranges
