"""The report as the JSON of the contract."""

from __future__ import annotations

import json

from netparity.report.model import Report


def render_json(report: Report) -> str:
    """The report as JSON, ``"schema": 1``, indented, with a newline at its end.

    Non-finite numbers are the strings ``"inf"``, ``"-inf"`` and ``"nan"``.

    Args:
        report: what a diagnosis found.

    Returns:
        Strict JSON text.

    Raises:
        ValueError: a non-finite number was left in the report's dictionary.
    """
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
