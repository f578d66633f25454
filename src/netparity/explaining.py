"""The catalogue and the environment as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from netparity.report.model import STAGES
from netparity.report.text import rendered

if TYPE_CHECKING:
    from netparity.catalogue.entry import Convention


def explained(
    id: str | None, format: str = "text", *, width: int | None = None, colour: bool = False
) -> str:
    """One entry of the catalogue, or the list of all.

    Args:
        id: a cause id, or ``None`` for the list.
        format: ``text`` or ``json``.
        width: columns of the terminal.
        colour: whether to write colours.

    Returns:
        Text with a newline at its end.

    Raises:
        InputError: there is no such id; the hint names the nearest.
    """
    from netparity import catalogue

    if id is None:
        entries = catalogue.all_conventions()
        if format == "json":
            return _json([_record(entry) for entry in entries])
        return rendered(_list(entries), width=width, colour=colour)
    entry = catalogue.find(id)
    if format == "json":
        return _json(_record(entry))
    return rendered(_entry(entry), width=width, colour=colour)


def environment(
    found: Mapping[str, Any], format: str = "text", *, width: int | None = None,
    colour: bool = False,
) -> str:  # fmt: skip
    """What is installed, as a table or JSON.

    Args:
        found: what ``netparity.environment.describe`` returned.
        format: ``text`` or ``json``.
        width: columns of the terminal.
        colour: whether to write colours.

    Returns:
        Text with a newline at its end.
    """
    if format == "json":
        return _json(found)
    grid = _grid()
    for key, value in _flat(found):
        grid.add_row(Text(key, "bold"), value)
    return rendered(grid, width=width, colour=colour)


def _list(entries: tuple[Convention, ...]) -> RenderableType:
    parts: list[RenderableType] = []
    stages = [*STAGES, *sorted({entry.stage for entry in entries} - set(STAGES))]
    longest = max((len(entry.id) for entry in entries), default=0)
    for stage in stages:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, min_width=longest)
        grid.add_column(overflow="fold")
        for entry in entries:
            if entry.stage == stage:
                grid.add_row(entry.id, entry.title + (" (a bug)" if entry.bug else ""))
        if grid.row_count:
            parts += [Text(stage, "bold underline"), Padding(grid, (0, 0, 1, 2))]
    parts.append("netparity explain ID tells all about one of them")
    return Group(*parts)


def _entry(entry: Convention) -> RenderableType:
    kind = "a bug of one side" if entry.bug else "a choice on which implementations differ"
    parts: list[RenderableType] = [
        Text(entry.id, "bold"),
        f"{entry.title}\nstage {entry.stage}; {kind}",
        "",
        entry.statement,
    ]
    for heading, rows in (
        ("How it shows", {"": entry.signature} if entry.signature else {}),
        ("Who does what", entry.defaults),
        ("How to change it", entry.fix),
        ("In netparity.nn", _reference(entry)),
        ("Where it is documented", {"": entry.reference} if entry.reference else {}),
    ):
        if rows:
            grid = _grid()
            for key, value in rows.items():
                grid.add_row(key, value) if key else grid.add_row(value)
            parts += ["", Text(heading, "bold underline"), Padding(grid, (0, 0, 0, 2))]
    return Group(*parts)


def _reference(entry: Convention) -> dict[str, str]:
    """How the reference network imitates it, or why it has no switch for it."""
    if entry.imitate:
        return {"": entry.imitate}
    return {"": f"no switch: {entry.left_out}"} if entry.left_out else {}


def _record(entry: Convention) -> dict[str, Any]:
    record = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    return record | {"defaults": dict(entry.defaults), "fix": dict(entry.fix)}


def _flat(value: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, item in value.items():
        name = f"{above}{key}"
        if isinstance(item, Mapping):
            rows += _flat(item, f"{name}.")
        elif isinstance(item, list | tuple):
            rows.append((name, ", ".join(map(str, item)) or "–"))
        else:
            rows.append((name, "–" if item is None else str(item)))
    return rows


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    return grid


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
