"""The plots of a report, as PNG: curves, differences against the noise floor, effects.

Colours are those of Okabe and Ito (2008), which stay apart for the colour-blind; what a
colour says, a line style, a marker or a word says too.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from netparity.errors import MissingDependencyError
from netparity.report import words
from netparity.report.model import STAGES, Measured, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class _Palette:
    paper: str
    ink: str
    faint: str
    left: str
    right: str
    after: str


_PALETTES: Final[Mapping[Theme, _Palette]] = MappingProxyType(
    {
        "light": _Palette("#ffffff", "#1c1c1c", "#c9c9c9", "#0072b2", "#d55e00", "#009e73"),
        "dark": _Palette("#16181c", "#e8e8e8", "#4a4e55", "#56b4e9", "#e69f00", "#2fd6a6"),
    }
)
#: Rows of the differences plot for one stage: more cannot be read, the worst are kept.
_MOST_PER_STAGE: Final = 6
_LONGEST_LABEL: Final = 44
#: A loss that falls below a thirtieth of its start hides its tail on a linear axis.
_LOG_FROM_RATIO: Final = 30.0
_DPI: Final = 144


def render_plots(report: Report, *, theme: Theme = "light") -> dict[str, bytes]:
    """Draws what the report's picture holds.

    Args:
        report: what a diagnosis found.
        theme: colours for light or for dark paper.

    Returns:
        PNG bytes by name: ``curves``, ``differences`` and ``effects``, each only where there
        is something to draw.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependencyError(
            "plots need matplotlib, which is not installed", hint="pip install matplotlib"
        ) from error
    palette = _PALETTES[theme]
    style: Any = {
        "font.size": 10,
        "font.family": "DejaVu Sans",
        "figure.facecolor": palette.paper,
        "axes.facecolor": palette.paper,
        "savefig.facecolor": palette.paper,
        "text.color": palette.ink,
        "axes.labelcolor": palette.ink,
        "axes.edgecolor": palette.faint,
        "xtick.color": palette.ink,
        "ytick.color": palette.ink,
        "grid.color": palette.faint,
        "axes.spines.top": False,
        "axes.spines.right": False,
        # Names come from the user's programs: a `$` in one is no formula.
        "text.parse_math": False,
    }
    with matplotlib.rc_context(style):
        drawn = {
            "curves": _curves(report, palette),
            "differences": _differences(report, palette),
            "effects": _effects(report, palette),
        }
        return {name: _png(figure) for name, figure in drawn.items() if figure is not None}


def _curves(report: Report, palette: _Palette) -> Figure | None:
    curves = report.picture.curves
    if curves is None or not curves.left:
        return None
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(8.0, 4.2)
    series = (
        # Wide and pale below, dashed and thin above: curves that coincide both stay visible.
        ("left", curves.left, palette.left, "-", 5.0, 0.45),
        ("right, before", curves.right, palette.right, "-", 2.0, 1.0),
        ("right, causes removed", curves.right_after, palette.after, (0, (4, 3)), 2.0, 1.0),
    )
    shown = [value for _, values, *_ in series for value in values if math.isfinite(value)]
    broken = []
    for label, values, colour, line, width, alpha in series:
        finite = [value if math.isfinite(value) else math.nan for value in values]
        if not values:
            continue
        steps = range(len(values))
        axes.plot(
            steps, finite, color=colour, linestyle=line, linewidth=width, alpha=alpha, label=label
        )
        bad = next((step for step, value in enumerate(values) if not math.isfinite(value)), None)
        if bad is not None:
            broken.append(f"{label}: not finite from step {bad}")
    if shown and min(shown) > 0 and max(shown) / min(shown) > _LOG_FROM_RATIO:
        axes.set_yscale("log")
        _plain_ticks(axes.yaxis)
    _title(figure, f"{curves.label}, left against right")
    axes.set_xlabel("\n".join(["step (0: before the first update)", *broken]))
    axes.set_ylabel(curves.label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", linewidth=0.6)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16 - 0.05 * len(broken)), ncols=3,
                frameon=False)  # fmt: skip
    return figure


def _differences(report: Report, palette: _Palette) -> Figure | None:
    rows, left_out = _worst(report.picture.measured)
    if not rows:
        return None
    finite = [
        value
        for row in rows
        for value in (row.difference, row.noise_floor)
        if math.isfinite(value) and value > 0
    ]
    low = 10.0 ** (math.floor(math.log10(min(finite, default=1e-16))) - 1)
    high = 10.0 ** (math.ceil(math.log10(max(finite, default=1.0))) + 1)
    figure, axes = _figure(8.0, 1.7 + 0.27 * len(rows))
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    _plain_ticks(axes.xaxis)
    for position, row in enumerate(rows):
        floor = row.noise_floor
        if math.isfinite(floor) and floor > 0:
            ends = [position - 0.38, position + 0.38]
            axes.plot([floor, floor], ends, color=palette.ink, linewidth=2.0, zorder=3)
        _difference(axes, position, row, low, high, palette)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
    axes.tick_params(axis="y", length=0)
    for position, (row, above) in enumerate(zip(rows[1:], rows, strict=False), 1):
        if row.stage != above.stage:
            axes.axhline(position - 0.5, color=palette.faint, linewidth=0.8)
    axes.grid(axis="x", linewidth=0.5, alpha=0.6)
    _title(figure, "Difference at every stage, against the noise floor there")
    note = f"\n{left_out} quieter places of the same stages are not drawn" if left_out else ""
    axes.set_xlabel(f"largest difference, in units of that tensor's rms{note}")
    _differences_legend(axes, palette)
    return figure


def _difference(
    axes: Axes, position: int, row: Measured, low: float, high: float, palette: _Palette
) -> None:
    value = row.difference
    # A NaN compares false with any floor, and is a difference.
    real = not value <= row.noise_floor
    colour = palette.right if real else palette.left
    if not math.isfinite(value):
        axes.barh(position, high - low, left=low, height=0.5, color=colour, alpha=0.35)
        axes.annotate(words.number(value), (high, position), xytext=(-4, 0), ha="right",
                      va="center", textcoords="offset points", color=palette.ink)  # fmt: skip
        return
    at = max(value, low)
    axes.barh(position, at - low, left=low, height=0.5, color=colour, alpha=0.45)
    axes.plot(at, position, "D" if real else "o", color=colour, markersize=6, zorder=4,
              fillstyle="full" if value > 0 else "none", clip_on=False)  # fmt: skip


def _differences_legend(axes: Axes, palette: _Palette) -> None:
    from matplotlib.lines import Line2D

    def mark(colour: str, marker: str, label: str, *, fill: bool = True) -> Line2D:
        return Line2D([], [], color=colour, marker=marker, linestyle="", label=label, markersize=7,
                      markeredgewidth=2.0 if marker == "|" else 1.0,
                      fillstyle="full" if fill else "none")  # fmt: skip

    handles = [
        mark(palette.right, "D", "different"),
        mark(palette.left, "o", "equal"),
        mark(palette.left, "o", "exactly equal", fill=False),
        mark(palette.ink, "|", "noise floor"),
    ]
    axes.figure.legend(
        handles=handles, loc="outside lower center", ncols=4, frameon=False, handletextpad=0.3
    )


def _effects(report: Report, palette: _Palette) -> Figure | None:
    causes = report.causes
    if not causes:
        return None
    figure, axes = _figure(8.0, 1.5 + 0.45 * len(causes))
    finite = [cause.effect for cause in causes if cause.effect is not None
              and math.isfinite(cause.effect)]  # fmt: skip
    most = max([1.0, *finite])
    least = min([0.0, *finite])
    for position, cause in enumerate(causes):
        colour = palette.after if cause.accepted else palette.right
        effect = cause.effect
        if effect is None:
            note = "reporting only: the training is the same" if cause.stage == "reporting" else (
                "not measured: the gap is at the noise floor")  # fmt: skip
            axes.annotate(note, (0, position), xytext=(5, 0), textcoords="offset points",
                          va="center", color=palette.ink, style="italic")  # fmt: skip
            continue
        width = effect if math.isfinite(effect) else most
        axes.barh(position, width, height=0.55, color=colour,
                  hatch=None if math.isfinite(effect) else "//")  # fmt: skip
        text = words.share(effect).removesuffix(" of the gap")
        axes.annotate(text, (max(width, 0), position), xytext=(5, 0), textcoords="offset points",
                      va="center", color=palette.ink)  # fmt: skip
    axes.axvline(0, color=palette.ink, linewidth=1.0)
    axes.axvline(1, color=palette.faint, linewidth=1.0, linestyle="--")
    # Room for the figure written behind the longest bar.
    axes.set_xlim(least * 1.1, most + 0.14 * (most - least))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.set_ylim(len(causes) - 0.4, -0.6)
    names = [_cut(cause.id) + (" (accepted)" if cause.accepted else "") for cause in causes]
    axes.set_yticks(range(len(causes)), names)
    axes.tick_params(axis="y", length=0)
    _title(figure, "Effect of each cause alone")
    axes.set_xlabel(
        "gap with every other cause removed, as a share of the whole gap\n"
        "(causes interact: shares need not add up to 100 %)"
    )
    return figure


def _title(figure: Figure, text: str) -> None:
    # Over the whole figure: long labels leave the axes too narrow for it.
    figure.suptitle(text, x=0.01, ha="left", weight="bold")


def _plain_ticks(axis: Axis) -> None:
    # matplotlib's own labels for a logarithmic axis are formulas, which are switched off here.
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _worst(measured: tuple[Measured, ...]) -> tuple[list[Measured], int]:
    rows: list[Measured] = []
    stages = [*STAGES, *sorted({row.stage for row in measured} - set(STAGES))]
    for stage in stages:
        here = [(order, row) for order, row in enumerate(measured) if row.stage == stage]
        kept = sorted(here, key=lambda pair: _loudness(pair[1]), reverse=True)[:_MOST_PER_STAGE]
        rows += [row for _, row in sorted(kept, key=lambda pair: pair[0])]
    return rows, len(measured) - len(rows)


def _loudness(row: Measured) -> float:
    if not math.isfinite(row.difference):
        return math.inf
    return (
        row.difference / row.noise_floor
        if row.noise_floor > 0
        else (math.inf if row.difference > 0 else 0.0)
    )


def _label(row: Measured) -> str:
    return _cut(f"{row.stage}: {row.where}" if row.where else row.stage)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_LABEL:
        return text
    half = (_LONGEST_LABEL - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    # The object-oriented interface: pyplot would choose a backend for the whole process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()
