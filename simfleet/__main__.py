"""`python -m simfleet` is the `simfleet` command."""

from __future__ import annotations

import sys

from simfleet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
