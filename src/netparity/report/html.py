"""The report as one HTML page that needs nothing else, and the page that lists several."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from netparity.errors import MissingDependencyError
from netparity.report import words
from netparity.report.model import Report
from netparity.report.plots import render_plots
from netparity.report.told import Told

_TEMPLATES: Final = Path(__file__).parent / "templates"
_CAPTIONS: Final = {
    "curves": "The loss as each side trains, on the same data; dashed: right with every cause "
    "removed.",
    "differences": "Each place that was measured: the bar is the difference, the upright mark "
    "the noise floor. A difference is real where the bar passes its mark.",
    "effects": "How much of the gap each cause makes when every other one is removed.",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot in both colour schemes, as base64, with its caption."""

    name: str
    caption: str
    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One story on the page that lists several.

    Attributes:
        told: the story.
        report: its report as JSON data, or ``None`` where it failed.
        page: name of its page, relative to the index.
        plot: name of the plot to show, relative to the index, or ``None``.
        failure: why there is no report.
    """

    told: Told
    report: Mapping[str, Any] | None
    page: str | None = None
    plot: str | None = None
    failure: str = ""


def render_html(report: Report, told: Told | None = None) -> str:
    """The report as a page of its own: styles and plots are inside, nothing is fetched.

    Args:
        report: what a diagnosis found.
        told: what is known besides, where it is a story.

    Returns:
        The page; whatever came from a program is escaped.
    """
    plots = _plots(report)
    return _environment().get_template("report.html").render(
        report=report, told=told, plots=plots, words=words
    )  # fmt: skip


def render_index(entries: Sequence[Entry], version: str) -> str:
    """The page that lists several stories.

    Args:
        entries: the stories, in the order in which they are told.
        version: of netparity.

    Returns:
        A page that refers to the stories' pages and plots beside it.
    """
    return _environment().get_template("index.html").render(
        entries=entries, version=version, words=words
    )  # fmt: skip


def _plots(report: Report) -> list[Plot]:
    try:
        light, dark = render_plots(report, theme="light"), render_plots(report, theme="dark")
    except MissingDependencyError:
        return []
    return [
        Plot(name, _CAPTIONS[name], _base64(image), _base64(dark[name]))
        for name, image in light.items()
    ]


def _base64(image: bytes) -> str:
    return base64.b64encode(image).decode("ascii")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["capitalize_first"] = _capitalize_first
    return environment


def _capitalize_first(text: str) -> str:
    # Jinja's own filter makes the rest lower case, which spoils names.
    return text[:1].upper() + text[1:]
