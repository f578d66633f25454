"""An object in the cs231n convention: ``.params``, ``.loss(X)`` and ``.loss(X, y)``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Unpack

import numpy as np

from netparity.errors import InputError
from netparity.implementations.author import Options
from netparity.implementations.scratch import Scratch
from netparity.implementations.values import is_plain

Array = np.ndarray[Any, np.dtype[Any]]


class ScratchModel(Scratch):
    """A model that keeps ``.params`` and whose ``.loss`` does everything.

    ``loss(X)`` returns scores in inference mode, ``loss(X, y)`` returns ``(loss, gradients)``
    in training mode. Whatever plain data the model keeps beside ``params`` (running
    statistics, settings of dropout, generators) is copied and restored with its state.

    Args:
        model: the object.
        state: what its update keeps (velocities, step counters).
        update: ``update(gradients)``, one update of the parameters.
        step: ``step(X, y)``; by default ``update(gradients(X, y))`` where there is an update.
        activations: ``activations(X) → {name: array}``.
        penalty: as for ``Scratch``.
        name: what to call it in the report; by default the class's name.
        **options: see ``Options``.

    Example:
        >>> import numpy as np
        >>> class Net:
        ...     params = {"W": np.eye(2)}
        ...
        ...     def loss(self, X, y=None):
        ...         scores = X @ self.params["W"]
        ...         if y is None:
        ...             return scores
        ...         return ((scores - y) ** 2).sum(), {"W": 2 * X.T @ (scores - y)}
        >>> sorted(ScratchModel(Net()).abilities)
        ['gradients', 'loss']
    """

    def __init__(
        self,
        model: Any,
        *,
        state: Mapping[str, Any] | None = None,
        update: Callable[[dict[str, Array]], Any] | None = None,
        step: Callable[..., Any] | None = None,
        activations: Callable[..., Mapping[str, Any]] | None = None,
        penalty: Callable[[], Any] | None = None,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        if not follows_convention(model):
            raise InputError(
                "expected an object with a mapping .params and a method .loss; received "
                f"{type(model).__name__}"
            )

        def both(x: Array, y: Array) -> tuple[Any, Mapping[str, Any]]:
            returned = model.loss(x, y)
            if not isinstance(returned, tuple) or len(returned) != 2:
                raise InputError(
                    f"{type(model).__name__}.loss(X, y): expected (loss, gradients); received "
                    f"{type(returned).__name__}"
                )
            return returned

        super().__init__(
            parameters=_Parameters(model),
            state={
                "of the model": _PlainData(model),
                "of the update": {} if state is None else state,
            },
            predict=lambda x: model.loss(x),
            loss=lambda x, y: both(x, y)[0],
            gradients=lambda x, y: both(x, y)[1],
            update=update,
            step=step,
            activations=activations,
            penalty=penalty,
            name=name or type(model).__name__,
            **options,
        )


def follows_convention(thing: Any) -> bool:
    """Whether an object has ``.params`` (a mapping) and ``.loss`` (a method)."""
    return isinstance(getattr(thing, "params", None), Mapping) and callable(
        getattr(thing, "loss", None)
    )


class _Parameters(MutableMapping[str, Any]):
    """``model.params`` as it is now: a solver may replace the whole dictionary."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getitem__(self, name: str) -> Any:
        return self._model.params[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._model.params[name] = value

    def __delitem__(self, name: str) -> None:
        del self._model.params[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._model.params)

    def __len__(self) -> int:
        return len(self._model.params)


class _PlainData(MutableMapping[str, Any]):
    """The attributes of a model that are plain data, its parameters aside."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def _attributes(self) -> dict[str, Any]:
        attributes = getattr(self._model, "__dict__", {})
        return {k: v for k, v in attributes.items() if k != "params" and is_plain(v)}

    def __getitem__(self, name: str) -> Any:
        return self._attributes()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._model, name, value)

    def __delitem__(self, name: str) -> None:
        delattr(self._model, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes())

    def __len__(self) -> int:
        return len(self._attributes())
