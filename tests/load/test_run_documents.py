"""What the pages about a run say: links that lead somewhere, kinds and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_of_a_page_leads_to_a_page(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_source_file_a_page_names_exists(page: Path) -> None:
    names = re.findall(
        r"`((?:tests|simfleet|bench|scenarios|[a-z]+)/[\w/]+\.(?:py|yaml))`",
        page.read_text("utf-8"),
    )
    root = DOCS.parent
    missing = [n for n in names if not (root / n).exists() and not (root / "simfleet" / n).exists()]
    assert missing == []


def test_every_decision_says_what_and_why() -> None:
    for page in (DOCS / "decisions").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert text.startswith("# "), page
        assert "**Decision.**" in text, page
        assert "**Why" in text, page
        assert len(text.splitlines()) < 60, page
