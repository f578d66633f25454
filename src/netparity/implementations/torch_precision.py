"""The float width a torch module computes in: lifted to float64, and back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

#: What an optimizer keeps in a dtype of its own: its counter, and NAdam's product of momenta.
_OWN_WIDTH: Final = ("step", "mu_product")


class Precision:
    """Lifts a module, its loss and its optimizer's state to float64 in place, and back.

    The tensors keep their identity, so that an optimizer, a tied layer or the author's own
    references stay good.

    Args:
        module: the network.
        loss: lifted along where it is a module (class weights).
        optimizer: its state is lifted along.
    """

    def __init__(self, module: Any, loss: Any, optimizer: Any) -> None:
        self._module = module
        self._optimizer = optimizer
        tensors = [*module.parameters(), *module.buffers()]
        if isinstance(loss, torch.nn.Module):
            tensors += [*loss.parameters(), *loss.buffers()]
        self._own = [(t, t.dtype) for t in tensors if t.is_floating_point()]
        self.lifted = False

    @property
    def dtype(self) -> Any:
        """The floating dtype of the module's first parameter; torch's default without one."""
        for tensor in (*self._module.parameters(), *self._module.buffers()):
            if tensor.is_floating_point():
                return tensor.dtype
        return torch.float64 if self.lifted else torch.get_default_dtype()

    @property
    def name(self) -> str:
        """The dtype's name, which is NumPy's too."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def device(self) -> Any:
        """Where the module lives."""
        for parameter in self._module.parameters():
            return parameter.device
        return torch.device("cpu")

    def lift(self) -> None:
        """Makes everything float64, where it is not yet."""
        changed = [t for t, own in self._own if own != torch.float64]
        if not changed and self._own:
            return
        for tensor in changed:
            self._set(tensor, torch.float64)
        self.lifted = True
        self._lift_state()

    def lower(self) -> None:
        """Gives everything its own dtype back."""
        for tensor, own in self._own:
            self._set(tensor, own)
        self.lifted = False
        self._lift_state()

    def fit(self, value: Any, key: str) -> Any:
        """A value of the optimizer's state in the present dtype (step counters keep theirs)."""
        floating = isinstance(value, torch.Tensor) and value.is_floating_point()
        return value.to(self.dtype) if floating and key not in _OWN_WIDTH else value

    def _lift_state(self) -> None:
        if self._optimizer is None:
            return
        for kept in self._optimizer.state.values():
            for key, value in kept.items():
                kept[key] = self.fit(value, key)

    @staticmethod
    def _set(tensor: Any, dtype: Any) -> None:
        tensor.data = tensor.data.to(dtype)
        if tensor.grad is not None:
            gradient = tensor.grad.to(dtype)
            tensor.grad = None
            tensor.grad = gradient

    @contextlib.contextmanager
    def inputs_cast(self) -> Iterator[None]:
        """While a lifted module is run by its author's functions, which feed its own dtype."""
        if not self.lifted:
            yield
            return

        def cast(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(
                v.to(self.dtype) if isinstance(v, torch.Tensor) and v.is_floating_point() else v
                for v in inputs
            )

        handle = self._module.register_forward_pre_hook(cast)
        try:
            yield
        finally:
            handle.remove()

    def widened(self) -> contextlib.AbstractContextManager[Any]:
        """While a lifted module is trained by its author's step, which may ask for float32."""
        return _Widening() if self.lifted else contextlib.nullcontext()


class _Widening(TorchFunctionMode):  # type: ignore[misc]
    """Float64 wherever float32 is asked for by name."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Calls the function with the other dtype."""
        wide = torch.Tensor.double if function is torch.Tensor.float else function
        given = (torch.float64 if a is torch.float32 else a for a in args)
        named = {k: torch.float64 if v is torch.float32 else v for k, v in (kwargs or {}).items()}
        return wide(*given, **named)
