"""What a command writes, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netparity import output as out
from netparity.files import check_writable, make_folder, write_whole
from netparity.report.model import Report
from netparity.report.told import Told


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is to be written: a text for stdout, and files with their contents."""

    text: str
    files: tuple[tuple[str, Path, str | bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a report goes, and in which form.

    Attributes:
        format: what goes to ``output``.
        output: a file, or stdout.
        plots: a folder for the PNGs.
        page: a file for the HTML page, besides.
    """

    format: Literal["text", "json", "html"] = "text"
    output: Path | None = None
    plots: Path | None = None
    page: Path | None = None

    def check(self) -> None:
        """Refuses what could not be written, before the work is done.

        Raises:
            InputError: a file stands where a folder is meant, or the other way round.
        """
        for file in (self.output, self.page):
            if file is not None:
                check_writable(file)
        if self.plots is not None:
            make_folder(self.plots)

    def render(self, report: Report, told: Told | None = None) -> Rendered:
        """All that is to be written, nothing of it written yet.

        Args:
            report: what a diagnosis found.
            told: what is known besides, where it is a story.
        """
        main = self._main(report, told)
        files: list[tuple[str, Path, str | bytes]] = []
        if self.plots is not None:
            from netparity.report.plots import render_plots

            for name, image in render_plots(report).items():
                files.append(("plot", self.plots / f"{name}.png", image))
        if self.page is not None:
            page = main if self.format == "html" else _page(report, told)
            files.append(("page", self.page, page))
        if self.output is not None:
            files.append((self.format, self.output, main))
        return Rendered(text="" if self.output is not None else main, files=tuple(files))

    def _main(self, report: Report, told: Told | None) -> str:
        if self.format == "json":
            from netparity.report.json import render_json

            return render_json(report)
        if self.format == "html":
            return _page(report, told)
        from netparity.report.text import render_text

        if self.output is not None:
            return render_text(report, told)
        return render_text(report, told, width=out.width(), colour=out.colour())


def show(rendered: Rendered) -> None:
    """Writes the files, then the text."""
    for what, path, content in rendered.files:
        write_whole(path, content)
        out.written(what, path)
    if rendered.text:
        out.write_result(rendered.text)


def _page(report: Report, told: Told | None) -> str:
    from netparity.report.html import render_html

    return render_html(report, told)
