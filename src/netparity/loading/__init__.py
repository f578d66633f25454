"""From what a person names on the command line to objects: the two programs and their data."""

from netparity.loading.data import load_data
from netparity.loading.programs import Loaded, load

__all__ = ["Loaded", "load", "load_data"]
