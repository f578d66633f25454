"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Side = Annotated[
    str,
    Parameter(
        help="path/to/file.py:name or package.module:name: an implementation, or a callable that "
        "returns one, with no argument or with `seed`. LEFT is the reference."
    ),
]
Format = Annotated[Literal["text", "json", "html"], Parameter(help="What to write.")]
PlainFormat = Annotated[Literal["text", "json"], Parameter(help="What to write.")]
Output = Annotated[Path | None, Parameter(help="A file to write to instead of stdout.")]
Plots = Annotated[Path | None, Parameter(help="A folder to write the plots to, as PNG.")]
Page = Annotated[Path | None, Parameter(help="A file to write the HTML page to, besides.")]
DataFolder = Annotated[
    Path | None, Parameter(help="The folder that holds MNIST or CIFAR-10, in its published layout.")
]
