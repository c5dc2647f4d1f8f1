"""What `kill -9` and a disk that takes no more leave behind, with real processes."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from builders_store import a_row, a_store_at_work
from simfleet.store import open_store

CHILD = Path(__file__).with_name("writing_process.py")


@pytest.mark.parametrize("lines", [50, 333, 1_000])
async def test_every_acknowledged_row_survives_a_kill(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "s.db"
    said: list[list[str]] = []
    with subprocess.Popen(
        [sys.executable, CHILD, path], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        said.extend(child.stdout.readline().split() for _ in range(lines))
        child.kill()
        said.extend(line.split() for line in child.stdout.read().split("\n")[:-1])
    last = dict(said)  # of each kind

    async with open_store(path) as store:
        chargers = {charger.chargepoint_id for charger in await store.chargers()}
        acknowledged = {name for kind, name in said if kind == "charger"}
        assert len(acknowledged) > 10
        assert acknowledged <= chargers
        (user,) = await store.users()
        assert int((await store.settings_of(user.id))["number"]) >= int(last["setting"])
        stored = {row.id for row in await store.logs(user.id, limit=1_000)}
        assert set(range(1, int(last.get("row", 0)) + 1)) <= stored
        assert store.journal.append(a_row()) > int(last["id"])


async def test_a_file_size_limit_stops_the_journal_until_it_is_lifted(tmp_path: Path) -> None:
    """The kernel refuses to write (EFBIG), as a quota or a full disk does (EDQUOT, ENOSPC)."""
    path = tmp_path / "s.db"
    program = f"""
import resource, sys, trio
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from builders_store import a_row, a_store_at_work
from simfleet.store import JournalLimits

async def main():
    async with a_store_at_work(Path({str(path)!r}), limits=JournalLimits(retry_s=0.01)) as store:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        for _ in range(2_000):
            store.journal.append(a_row(frame=b"x" * 500))
        with trio.fail_after(20):
            while not store.journal.counts().failing:
                await trio.sleep(0.01)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            while store.journal.counts().queued:
                await trio.sleep(0.01)
        counts = store.journal.counts()
        print(counts.stored, counts.dropped + counts.unstored, repr(counts.failing))

trio.run(main)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    ended = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=50, check=True
    )
    assert ended.stdout == "2000 0 ''\n"
    async with a_store_at_work(path) as store:
        assert store.journal.counts().rows == 2_000
