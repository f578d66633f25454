"""The plots of a search, as PNG: its history, what matters, the learning curves of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from netparity.training import drawing
from netparity.tuning.summary import Tried, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Curves that are drawn in colours of their own.
_MOST_CURVES: Final = len(drawing.SERIES)
#: Trials that did much worse would press the others together.
_LOWEST_SHARE: Final = 0.5


def draw_study(coarse: Sequence[Tried], fine: Sequence[Tried], title: str) -> bytes:
    """The validation accuracy of each trial, and the best so far.

    Args:
        coarse: the trials of the coarse stage.
        fine: those of the fine one.
        title: what was searched.
    """
    with drawing.paper():
        figure = drawing.figure(8.0, 4.2)
        axes = figure.add_subplot()
        values = [one.value for one in (*coarse, *fine) if one.value]
        top = max(values, default=1.0)
        bottom = max(0.0, min([*values, top]) - 0.02, _LOWEST_SHARE * top)
        place = 0
        for stage, name in ((coarse, "coarse"), (fine, "fine")):
            if not stage:
                continue
            if place:
                axes.axvline(place - 0.5, color=drawing.FAINT, linewidth=1.0)
            axes.annotate(
                name, (place, 1.0), xycoords=("data", "axes fraction"), xytext=(2, 2),
                textcoords="offset points", style="italic",
            )  # fmt: skip
            _points(axes, stage, place, bottom)
            best, line = 0.0, []
            for one in stage:
                best = max(best, one.value or 0.0) if one.state == "complete" else best
                line.append(best or float("nan"))
            axes.step(
                range(place, place + len(stage)), line, where="post", color=drawing.INK,
                linewidth=1.2, label="best so far" if not place else None,
            )  # fmt: skip
            place += len(stage)
        margin = 0.06 * (top - bottom) or 0.01
        axes.set_ylim(bottom - margin, top + margin)
        cut = any((one.value or 0.0) < bottom for one in (*coarse, *fine))
        axes.set_xlabel("trial" + ("; what lies lower is drawn at the lower edge" if cut else ""))
        axes.set_ylabel("validation accuracy")
        drawing.percent_ticks(axes.yaxis)
        drawing.whole_ticks(axes.xaxis)
        axes.grid(axis="y", linewidth=0.6)
        drawing.legend_below(axes, 4)
        drawing.title(figure, title)
        return drawing.png(figure)


def _points(axes: Axes, stage: Sequence[Tried], first: int, bottom: float) -> None:
    """A mark a trial; what lies below the picture is drawn at its lower edge."""
    for state, marker, colour, text in (
        ("complete", "o", drawing.BLUE, "run to its end"),
        ("pruned", "x", drawing.PURPLE, "ended early"),
        ("diverged", "v", drawing.ORANGE, "diverged"),
    ):
        shown = [
            (first + place, max(one.value or 0.0, bottom))
            for place, one in enumerate(stage)
            if one.state == state
        ]
        if shown:
            # Each kind stands in the legend once.
            known = axes.get_legend_handles_labels()[1]
            axes.plot(
                *zip(*shown, strict=True), linestyle="", marker=marker, color=colour, markersize=5,
                label=None if text in known else text,
            )  # fmt: skip


def draw_importances(importances: Mapping[str, float], title: str) -> bytes:
    """How much each dimension matters.

    Args:
        importances: shares by label.
        title: what was searched.
    """
    with drawing.paper():
        figure = drawing.figure(7.0, 1.4 + 0.32 * len(importances))
        axes = figure.add_subplot()
        names = list(importances)
        shares = [importances[name] for name in names]
        axes.barh(range(len(names)), shares, height=0.6, color=drawing.BLUE)
        for place, share in enumerate(shares):
            axes.annotate(
                f"{100 * share:.0f} %", (share, place), xytext=(4, 0), va="center",
                textcoords="offset points",
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 1.12 * max([*shares, 1e-9]))
        drawing.percent_ticks(axes.xaxis)
        axes.set_xlabel("share of what sets the best trials apart (PED-ANOVA), coarse stage")
        drawing.title(figure, title)
        return drawing.png(figure)


def draw_curves(stage: Sequence[Tried], space: Sequence[str], title: str) -> bytes:
    """The learning curves of the best trials in colours, those of the others in grey.

    Args:
        stage: the trials of one stage.
        space: the dimensions that were searched.
        title: what was searched.
    """
    ordered = sorted(
        (one for one in stage if one.state == "complete" and one.curve),
        key=lambda one: -(one.value or 0.0),
    )
    best = ordered[:_MOST_CURVES]
    with drawing.paper():
        figure = drawing.figure(8.0, 4.6 + 0.2 * len(best))
        axes = figure.add_subplot()
        mark = "o" if all(len(one.curve) == 1 for one in best) else None
        for one in stage:
            if one not in best and one.curve:
                epochs = range(1, 1 + len(one.curve))
                axes.plot(epochs, one.curve, color=drawing.FAINT, linewidth=0.8)
        for one, (colour, line) in zip(best, drawing.SERIES, strict=False):
            axes.plot(
                range(1, 1 + len(one.curve)), one.curve, color=colour, linestyle=line, marker=mark,
                label=f"{100 * (one.value or 0.0):.1f} %: {_described(one, space)}",
            )  # fmt: skip
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation accuracy")
        drawing.percent_ticks(axes.yaxis)
        drawing.whole_ticks(axes.xaxis)
        axes.grid(axis="y", linewidth=0.6)
        if best:
            axes.legend(
                loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, fontsize=8,
                title="the best trials; grey: the others",
            )  # fmt: skip
        drawing.title(figure, title)
        return drawing.png(figure)


#: What fits on a line of the legend; the rest stands in the study's JSON.
_TOLD: Final = ("optimizer", "rate", "schedule", "width", "depth", "dropout", "batch_norm")


def _described(one: Tried, space: Sequence[str]) -> str:
    texts = []
    for name in _TOLD:
        if name in space and name in one.point:
            value = one.point[name]
            short = "rate ×" if name == "rate" else f"{label(name)} "
            if isinstance(value, bool):
                texts.append(short.strip() if value else f"no {short.strip()}")
            elif isinstance(value, str):
                texts.append(value)
            else:
                texts.append(f"{short}{value:.3g}")
    return ", ".join(texts)
