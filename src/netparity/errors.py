"""The errors netparity raises at its border.

``InputError`` is what a user can put right (exit status 2); anything else that
escapes is a fault of netparity (exit status 3).
"""

from __future__ import annotations


class InputError(ValueError):
    """What netparity was given cannot be used.

    Args:
        message: what is wrong, where, what was expected and what was received.
        hint: what to do about it, printed as ``hint: …`` after a blank line.
        foreign_traceback: the traceback of the user's own program, where that raised.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, foreign_traceback: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.foreign_traceback = foreign_traceback


class MissingDependencyError(InputError):
    """A framework is needed that is not installed; the hint is the line that installs it."""


class PairingError(InputError):
    """The parameters of the two sides pair in several ways or in none."""


class CannotError(Exception):
    """An implementation has no such ability (internal: turned into ``not-checked``)."""
