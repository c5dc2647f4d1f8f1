"""Fixtures of the API's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders_api import a_lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from builders_api import Lab


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """The whole API, in memory but for its database."""
    async with a_lab(tmp_path) as running:
        yield running
