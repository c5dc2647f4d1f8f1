"""The environment of all tests: what SimFleet's processes inherit."""

from __future__ import annotations

import os

# Hides what most users have: buffered standard streams, whose last flush can fail or come late.
os.environ.pop("PYTHONUNBUFFERED", None)
