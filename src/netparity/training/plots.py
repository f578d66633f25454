"""The plots of one run, as PNG: its history, the first weights as images, the confusions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from netparity.training import drawing
from netparity.training.history import Epoch, best_epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray[Any, np.dtype[Any]]

#: More images cannot be told apart on one page; those with the largest weights are kept.
_MOST_UNITS: Final = 100
#: Pixels between two images.
_GAP: Final = 1
#: Above this many classes the numbers in the cells no longer fit.
_MOST_NUMBERS: Final = 20
#: A loss that falls below a thirtieth of its start hides its tail on a linear axis.
_LOG_FROM_RATIO: Final = 30.0


def draw_history(history: Sequence[Epoch], title: str) -> bytes:
    """Loss and accuracy over the epochs, and the learning rate where it changes.

    Args:
        history: at least one epoch.
        title: what was trained.
    """
    with drawing.paper():
        rates = {one.learning_rate for one in history}
        panels = 3 if len(rates) > 1 else 2
        figure = drawing.figure(4.2 * panels, 3.8)
        loss, accuracy, *rest = figure.subplots(1, panels)
        best = best_epoch(history)
        _curves(loss, history, "loss", "validation_loss")
        _curves(accuracy, history, "accuracy", "validation_accuracy")
        loss.set_ylabel("loss")
        values = [one.loss for one in history if math.isfinite(one.loss)]
        if values and min(values) > 0 and max(values) / min(values) > _LOG_FROM_RATIO:
            loss.set_yscale("log")
        accuracy.set_ylabel("accuracy")
        drawing.percent_ticks(accuracy.yaxis)
        for axes in (loss, accuracy):
            axes.axvline(best.epoch, color=drawing.INK, linewidth=0.8, linestyle=":")
        top = best.accuracy if best.validation_accuracy is None else best.validation_accuracy
        accuracy.annotate(
            f"{100 * (top or 0.0):.1f} % after epoch {best.epoch}", (best.epoch, 0), xytext=(-4, 6),
            xycoords=("data", "axes fraction"), textcoords="offset points", color=drawing.INK,
            ha="right" if best.epoch > len(history) / 2 else "left",
        )  # fmt: skip
        for axes in rest:
            epochs = [one.epoch for one in history]
            axes.plot(epochs, [one.learning_rate for one in history], color=drawing.GREEN)
            axes.set_ylabel("learning rate at the end of the epoch")
            axes.set_ylim(bottom=0)
        for axes in (loss, accuracy, *rest):
            axes.set_xlabel("epoch")
            axes.grid(axis="y", linewidth=0.6)
            drawing.whole_ticks(axes.xaxis)
        drawing.title(figure, title)
        return drawing.png(figure)


def _curves(axes: Axes, history: Sequence[Epoch], training: str, validation: str) -> None:
    epochs = [one.epoch for one in history]
    mark = "o" if len(history) == 1 else None
    for name, label, colour, line in (
        (training, "training", drawing.BLUE, "-"),
        (validation, "validation", drawing.ORANGE, "--"),
    ):
        values = [getattr(one, name) for one in history]
        if values[-1] is not None:
            axes.plot(epochs, values, color=colour, linestyle=line, marker=mark, label=label)
    drawing.legend_below(axes, 2)


def draw_weights(weight: Array, image: tuple[int, int, int], title: str) -> bytes:
    """The weights of the first layer's units, each as an image.

    Each unit has its own scale. Weights of images with one channel are blue where negative,
    white at 0 and red where positive; those of colour images are colours around a grey at 0.

    Args:
        weight: (D, M), a column a unit, D = channels · height · width.
        image: channels, height and width.
        title: of what.
    """
    units = weight.T.reshape(weight.shape[1], *image).astype(np.float64)
    norms = np.sqrt((units**2).sum(axis=(1, 2, 3)))
    shown = np.sort(np.argsort(-norms, kind="stable")[:_MOST_UNITS])
    scales = np.maximum(np.abs(units[shown]).max(axis=(1, 2, 3), keepdims=True), 1e-30)
    mosaic = _mosaic(units[shown] / scales)
    with drawing.paper():
        lines, columns = (size / (side + _GAP) for size, side in zip(
            mosaic.shape[1:], image[1:], strict=True
        ))  # fmt: skip
        figure = drawing.figure(0.6 + 0.75 * columns, 0.9 + 0.75 * lines)
        axes = figure.add_subplot()
        if image[0] == 3:
            # Between the images there is nothing: paper.
            colours = np.where(np.isnan(mosaic), 1.0, 0.5 + 0.5 * mosaic)
            axes.imshow(colours.transpose(1, 2, 0), interpolation="nearest")
        else:
            axes.imshow(mosaic[0], cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_axis_off()
        few = f"the {len(shown)} of {len(units)} units with the largest"
        what = few if len(shown) < len(units) else f"{len(units)} units"
        drawing.title(figure, f"First-layer weights, {what}\n{title}")
        return drawing.png(figure)


def _mosaic(pictures: Array) -> Array:
    """Pictures (N, C, H, W) side by side in one (C, …, …), with gaps of NaN."""
    count, channels, height, width = pictures.shape
    columns = min(math.ceil(math.sqrt(count * 1.4)), count)
    lines = math.ceil(count / columns)
    one = (height + _GAP, width + _GAP)
    mosaic = np.full((channels, lines * one[0], columns * one[1]), np.nan)
    for place, picture in enumerate(pictures):
        top, left = place // columns * one[0], place % columns * one[1]
        mosaic[:, top : top + height, left : left + width] = picture
    return mosaic


def draw_confusion(confusion: Array, title: str) -> bytes:
    """The confusions: shades are shares of a row, numbers are counts.

    Args:
        confusion: (C, C) counts, a row a true class, a column a predicted one.
        title: of what.
    """
    classes = len(confusion)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    with drawing.paper():
        size = min(2.4 + 0.4 * classes, 14.0)
        figure = drawing.figure(size + 1.0, size)
        axes = figure.add_subplot()
        picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if classes <= _MOST_NUMBERS:
            axes.set_xticks(range(classes))
            axes.set_yticks(range(classes))
            for row, column in np.ndindex(classes, classes):
                count = int(confusion[row, column])
                dark = shares[row, column] > 0.5
                axes.text(
                    column, row, str(count) if count else "", ha="center", va="center",
                    color="#ffffff" if dark else drawing.INK, fontsize=8,
                )  # fmt: skip
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        bar = figure.colorbar(picture, ax=axes, shrink=0.8)
        bar.set_label("share of the true class")
        drawing.percent_ticks(bar.ax.yaxis)
        drawing.title(figure, title)
        return drawing.png(figure)
