"""Writes the catalogue's Markdown page to standard output."""

from __future__ import annotations

import sys

from netparity.catalogue import page

if __name__ == "__main__":
    sys.stdout.write(page())
