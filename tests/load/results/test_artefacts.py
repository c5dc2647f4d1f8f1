"""The files that a folder gets at the end: each for itself, and whole or not at all."""

from __future__ import annotations

import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from builders_results import a_summary
from simfleet.load.results.artefacts import finish, render
from simfleet.load.results.whole_files import write_whole
from simfleet.load.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As a disk with so much room for each file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, kept)


def test_a_report_that_has_no_room_leaves_that_of_ci_in_peace(tmp_path: Path) -> None:
    with files_of_at_most(6_000):
        said = render(tmp_path, a_summary())
    assert said == f"cannot write {tmp_path}/report.html: File too large"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["junit.xml", "summary.md"]


def test_all_that_is_not_complete_is_named(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, name="tiny", start_wall_s=1_790_000_000.0) as folder:
        folder.damage = "cannot write run.hlog: No space left on device"
    with files_of_at_most(100):
        said = finish(folder, a_summary())
    assert said is not None
    first, *others = said.split("; ")
    assert first == folder.damage
    names = ("summary.json", "report.html", "junit.xml", "summary.md")
    assert others == [f"cannot write {tmp_path}/{name}: File too large" for name in names]
    assert {file.name for file in tmp_path.iterdir()} == {"errors.jsonl", "run.hlog"}


def test_a_file_that_cannot_be_written_again_stays_what_it_was(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", b"first")
    with files_of_at_most(5), pytest.raises(OSError, match="too large"):
        write_whole(tmp_path / "a.txt", b"second")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"first"]
