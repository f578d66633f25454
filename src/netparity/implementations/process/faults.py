"""Exceptions across the border: what a program raises over there is raised here as its like."""

from __future__ import annotations

import builtins
from typing import Any

from netparity import errors
from netparity.errors import CannotError, InputError
from netparity.loading.foreign import missing_framework, trimmed


def written(error: BaseException) -> dict[str, Any]:
    """An exception as plain data, with the frames of the user's own program."""
    missing = missing_framework(error)
    if missing is not None:
        error = missing
    if isinstance(error, InputError):
        return {
            "kind": type(error).__name__,
            "text": error.message,
            "hint": error.hint,
            "trace": error.foreign_traceback,
        }
    if isinstance(error, CannotError):
        return {"kind": "CannotError", "text": str(error)}
    if isinstance(error, SystemExit):
        return {
            "kind": "InputError",
            "text": f"a program ended its process with `sys.exit({error.code!r})` while it ran",
            "hint": "let it raise an error, or return",
            "trace": trimmed(error),
        }
    # A KeyError says its key's repr; made again, it would say the repr of that.
    own = isinstance(error, KeyError) and error.args and isinstance(error.args[0], str)
    text = error.args[0] if own else str(error)
    return {"kind": type(error).__name__, "text": text, "trace": trimmed(error)}


def read(fault: dict[str, Any], where: str) -> Exception:
    """The exception of the same kind, to be raised here.

    An error of ours is itself again, a builtin one likewise. Any other becomes a
    ``RuntimeError`` of the same name, so that a report can say which it was. The program's own
    frames go with it as a note.

    Args:
        fault: what ``written`` made.
        where: whose process it was, for the note.
    """
    kind, text, trace = fault["kind"], fault["text"], fault.get("trace")
    if kind == "CannotError":
        return CannotError(text)
    ours = getattr(errors, kind, None)
    if isinstance(ours, type) and issubclass(ours, InputError):
        return ours(text, hint=fault.get("hint"), foreign_traceback=trace)
    known = getattr(builtins, kind, None)
    if not (isinstance(known, type) and issubclass(known, Exception)):
        known = type(kind, (RuntimeError,), {"__module__": "builtins"})
    try:
        error: Exception = known(text)
    except TypeError:  # the few builtin ones that want more than a text
        error = type(kind, (RuntimeError,), {"__module__": "builtins"})(text)
    if trace:
        error.add_note(f"In the process of {where}:\n{trace}")
    return error
