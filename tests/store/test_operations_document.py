"""docs/operations.md is kept honest: its variables exist, and its backups can be restored."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builders_store import a_charger, a_row, a_store_at_work
from simfleet.settings import Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_variable_is_described_and_no_other() -> None:
    described = set(re.findall(r"`(SIMFLEET_[A-Z_]+)`", DOCUMENT))
    assert described == {f"SIMFLEET_{field.name.upper()}" for field in dataclasses.fields(Settings)}


def backup_commands() -> list[str]:
    """Every command of the section on backup that writes a copy, continued lines joined."""
    section = DOCUMENT.split("\n## Backup\n")[1].split("\n## ")[0].replace("\\\n", " ")
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def test_the_document_has_three_ways_to_make_a_backup() -> None:
    assert len(backup_commands()) == 3


@pytest.mark.parametrize("command", backup_commands())
async def test_a_backup_of_a_running_service_can_be_restored(tmp_path: Path, command: str) -> None:
    if command.startswith("sqlite3") and shutil.which("sqlite3") is None:
        pytest.skip("the sqlite3 program is not installed")
    path, copy = tmp_path / "simfleet.db", tmp_path / "copy" / "simfleet.db"
    copy.parent.mkdir()
    command = command.replace("/var/lib/simfleet/simfleet.db", shlex.quote(str(path)))
    command = re.sub(r"/backup/simfleet.*?\.db", str(copy), command)
    command = command.replace("python3", sys.executable, 1)
    async with a_store_at_work(path) as store:
        ada = await store.create_user("ada")
        await store.save_charger(a_charger(ada.id))
        for _ in range(2_000):
            store.journal.append(a_row(ada.id))
        assert await store.journal.flush(within_s=10)
        subprocess.run(["/bin/sh", "-c", command], check=True, timeout=30)
        store.journal.append(a_row(ada.id))
    async with a_store_at_work(copy) as restored:
        assert await restored.users() == [ada]
        assert await restored.chargers() == [a_charger(ada.id)]
        assert restored.journal.counts().rows == 2_000
