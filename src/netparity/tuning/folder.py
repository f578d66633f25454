"""The folder of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from netparity.training.configuration import Configuration

#: The chosen configuration, as ``netparity train`` takes it.
CHOSEN: Final = "best.toml"
STUDY: Final = "study.json"
HISTORY_PLOT: Final = "study.png"
IMPORTANCE_PLOT: Final = "importance.png"
CURVES_PLOT: Final = "curves.png"
WEIGHTS_PLOT: Final = "weights.png"


def seed_folder(folder: Path, configuration: Configuration) -> Path:
    """Where the chosen configuration is trained with its seed.

    Args:
        folder: of the search.
        configuration: with the seed.

    Example:
        >>> str(seed_folder(Path("out"), Configuration(seed=3)))
        'out/seeds/3'
    """
    return folder / "seeds" / str(configuration.seed)
