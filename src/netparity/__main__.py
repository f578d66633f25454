"""``python -m netparity``."""

import sys

from netparity.cli import main

if __name__ == "__main__":
    sys.exit(main())
