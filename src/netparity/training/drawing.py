"""What the plots of training and tuning have in common: paper, colours, PNG.

Colours are those of Okabe and Ito (2008), which stay apart for the colour-blind; what a
colour says, a line style or a marker says too.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from netparity.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK: Final = "#1c1c1c"
FAINT: Final = "#c9c9c9"
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREEN: Final = "#009e73"
PURPLE: Final = "#cc79a7"
#: For curves side by side, with the line styles that tell them apart without colour.
SERIES: Final = (
    (BLUE, "-"),
    (ORANGE, "--"),
    (GREEN, "-."),
    (PURPLE, ":"),
    ("#e69f00", (0, (6, 1, 1, 1))),
    ("#56b4e9", (0, (2, 1))),
)
_DPI: Final = 144
#: Letters of a title that fit on an inch, the widest ones aside.
_LETTERS: Final = 9.5
_STYLE: Final[Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "figure.facecolor": "#ffffff",
    "axes.facecolor": "#ffffff",
    "savefig.facecolor": "#ffffff",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Names come from the user: a `$` in one is no formula.
    "text.parse_math": False,
}


@contextmanager
def paper() -> Iterator[None]:
    """The style in force while a plot is drawn and written.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependencyError(
            "plots need matplotlib, which is not installed", hint="pip install matplotlib"
        ) from error
    with matplotlib.rc_context(_STYLE):
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure.

    Args:
        width: in inches.
        height: in inches.
    """
    # The object-oriented interface: pyplot would choose a backend for the whole process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure(figsize=(width, height))
    # Without a margin, labels lie on the edge of the picture.
    empty.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    FigureCanvasAgg(empty)
    return empty


def title(of: Figure, text: str) -> None:
    """Puts a title over the whole figure: long labels leave the axes too narrow for it."""
    columns = int(of.get_figwidth() * _LETTERS)
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, columns)]
    of.suptitle("\n".join(lines), x=0.01, ha="left", weight="bold")


def png(of: Figure) -> bytes:
    """The figure as a PNG file."""
    stream = io.BytesIO()
    of.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def whole_ticks(axis: Axis) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def percent_ticks(axis: Axis) -> None:
    """Ticks in per cent, of shares."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:g} %")


def legend_below(axes: Axes, columns: int) -> None:
    """A legend under the axes, where it hides no curve; none where nothing has a name."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, frameon=False)
