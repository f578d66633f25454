"""The compiled loss of a Keras model as a loss of the reference network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netparity.nn import (
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

if TYPE_CHECKING:
    from netparity.implementations.keras_model import LiveModel


def user_loss(live: LiveModel) -> Any | None:
    """What was given to ``compile`` as ``loss``, if it is one loss."""
    given = getattr(live.compiled_loss, "_user_loss", None)
    while isinstance(given, (list, tuple)) and len(given) == 1:
        given = given[0]
    return None if isinstance(given, (list, tuple, dict)) else given


def loss_weight(live: LiveModel) -> float | None:
    """The factor given to ``compile`` as ``loss_weights``, if it is one number."""
    given = getattr(live.compiled_loss, "_user_loss_weights", None)
    while isinstance(given, (list, tuple)) and len(given) == 1:
        given = given[0]
    if given is None:
        return 1.0
    return float(given) if isinstance(given, (int, float)) else None


def resolved(given: Any) -> tuple[Any, str, dict[str, Any]] | None:
    """A loss as (function of Keras, reduction, its keyword arguments)."""
    import keras

    if isinstance(given, str):
        try:
            given = keras.losses.get(given)
        except ValueError:
            return None
    if isinstance(given, keras.losses.Loss):
        function = getattr(given, "fn", None)
        if getattr(keras.losses, type(given).__name__, None) is not type(given):
            return None
        reduction = "none" if given.reduction is None else str(given.reduction)
        return function, reduction, dict(getattr(given, "_fn_kwargs", {}))
    return (given, "sum_over_batch_size", {}) if callable(given) else None


def declared_loss(live: LiveModel, texts: dict[str, str]) -> Loss | None:
    """The data loss; ``None`` where Keras has one that the reference network has not."""
    import keras

    given, factor = user_loss(live), loss_weight(live)
    if given is None or factor is None or not live.splits_loss:
        return None
    texts["loss"] = f"loss={_text(given)}"
    found = resolved(given)
    if found is None or found[1] == "none":
        return None
    function, reduction, settings = found
    batch: Any = "sum" if reduction == "sum" else "mean"
    if float(settings.get("label_smoothing", 0.0)) or settings.get("axis", -1) != -1:
        return None
    if settings.get("ignore_class") is not None:
        return None
    if function is keras.losses.mean_squared_error:
        return MeanSquaredError(batch, factor=factor)
    if function is keras.losses.mean_absolute_error:
        return MeanAbsoluteError(batch, factor=factor)
    source: Any = "logits" if settings.get("from_logits") else "probabilities"
    carried = live.logits_carried
    sparse = function is keras.losses.sparse_categorical_crossentropy
    if sparse or function is keras.losses.categorical_crossentropy:
        if carried == "softmax":
            return SoftmaxCrossEntropy(batch, factor, "probabilities", None, renormalise=True)
        if source == "logits" and carried is None:
            return SoftmaxCrossEntropy(batch, factor, "logits")
        if carried is None:
            # TensorFlow's sparse loss clips first and divides by the sum of what it clipped.
            order: Any = "after-clip" if sparse and live.backend == "tensorflow" else "before-clip"
            clip = float(keras.config.epsilon())
            return SoftmaxCrossEntropy(batch, factor, "probabilities", clip, True, order)
        return None
    if function is keras.losses.binary_crossentropy:
        if carried == "sigmoid":
            return SigmoidCrossEntropy(batch, "mean", factor, "probabilities", None)
        if carried is None:
            clip_or_not = None if source == "logits" else float(keras.config.epsilon())
            return SigmoidCrossEntropy(batch, "mean", factor, source, clip_or_not)
    return None


def _text(given: Any) -> str:
    """A loss as its author may have written it."""
    import keras

    if isinstance(given, str):
        return repr(given)
    if not isinstance(given, keras.losses.Loss):
        return str(getattr(given, "__name__", type(given).__name__))
    settings = dict(getattr(given, "_fn_kwargs", {}))
    shown = {k: v for k, v in settings.items() if k == "from_logits" and v}
    if given.reduction != "sum_over_batch_size":
        shown["reduction"] = given.reduction
    return f"{type(given).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"
