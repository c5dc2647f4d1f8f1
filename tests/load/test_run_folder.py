"""The folder a run leaves behind: made first, bounded, without secrets, gone if nothing ran."""

from __future__ import annotations

import errno
import json
import platform
import re
from pathlib import Path

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from builders_load import a_full_disk, a_scenario
from simfleet.errors import UsageWrong
from simfleet.fleet.recorder import Problem
from simfleet.load import run_folder
from simfleet.load.run_folder import ERROR_LINES_MAX, KIND_MAX_CHARS, RunFolder, manifest
from simfleet.observe.histogram import LATENCY_DIGITS, LATENCY_MAX_US
from simfleet.observe.latency import Latencies

PROBLEM = Problem(1_700_000_000.25, "CP-1", "timeout:Authorize", "no reply within 30 s")


def created(path: Path | None, *, start_wall_s: float = 1_700_000_000.0) -> RunFolder:
    return RunFolder.create(path, name="tiny", start_wall_s=start_wall_s)


# ── making it ────────────────────────────────────────────────────────────────────────────────────


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    with created(tmp_path / "a" / "b") as folder:
        assert folder.path == tmp_path / "a" / "b"
        assert folder.damage is None
        assert {file.name for file in folder.path.iterdir()} == {"run.hlog", "errors.jsonl"}


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    with created(tmp_path) as folder:
        assert folder.path == tmp_path


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.txt").write_text("precious")
    with pytest.raises(UsageWrong, match="is not empty; name a new folder"):
        created(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["results.txt"]


def test_a_place_where_no_folder_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = re.escape(str(tmp_path / "file"))
    with pytest.raises(UsageWrong, match=f"--out: cannot write to {file}: Not a directory"):
        created(tmp_path / "file")
    with pytest.raises(UsageWrong, match=f"cannot write to {file}/sub: {file}: File exists"):
        created(tmp_path / "file" / "sub")
    with pytest.raises(UsageWrong, match="--out: cannot write to /proc/simfleet"):
        created(Path("/proc/simfleet"))


def test_a_run_without_a_wish_gets_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with created(None) as first, created(None) as second:  # in the same second
        assert first.path == Path("runs/tiny-20231114-221320")
        assert second.path == Path("runs/tiny-20231114-221320-2")


# ── when nothing ran ─────────────────────────────────────────────────────────────────────────────


def test_a_refused_run_leaves_nothing_and_can_be_given_again(tmp_path: Path) -> None:
    for _ in range(2):
        with created(tmp_path / "a" / "b") as folder:
            folder.write("manifest.json", {})
            folder.discard()
        assert list(tmp_path.iterdir()) == []


def test_a_refused_run_keeps_a_folder_that_was_there(tmp_path: Path) -> None:
    with created(tmp_path) as folder:
        folder.discard()
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_refused_run_keeps_what_others_put_there(tmp_path: Path) -> None:
    with created(tmp_path / "a" / "b") as folder:
        (tmp_path / "a" / "other").write_text("precious")
        folder.discard()
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["other"]


def test_a_folder_that_cannot_be_filled_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        (tmp_path / "a" / "b" / "run.hlog").touch()
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(run_folder, "HistogramLog", fail)
    with pytest.raises(UsageWrong, match=r"cannot write to .*: File too large"):
        created(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_json_file_is_there_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with created(tmp_path / "a") as folder:
        monkeypatch.setattr(Path, "write_bytes", half)
        with pytest.raises(OSError, match="No space"):
            folder.write("summary.json", {"half": "of it"})
        assert {file.name for file in folder.path.iterdir()} == {"run.hlog", "errors.jsonl"}


# ── errors.jsonl ─────────────────────────────────────────────────────────────────────────────────


def lines_of(folder: RunFolder) -> list[dict[str, object]]:
    text = (folder.path / "errors.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_problem_is_one_line(tmp_path: Path) -> None:
    with created(tmp_path) as folder:
        folder.problem(PROBLEM)
        folder.problem(msgspec.structs.replace(PROBLEM, detail='two\nlines, "quoted" ☃'))
    first, second = lines_of(folder)
    assert first == {
        "at": "2023-11-14T22:13:20.250Z",
        "charger": "CP-1",
        "kind": "timeout:Authorize",
        "detail": "no reply within 30 s",
    }
    assert second["detail"] == 'two\nlines, "quoted" ☃'
    assert folder.problems_kept == 2


def test_problems_are_bounded_and_the_last_line_counts_the_rest(tmp_path: Path) -> None:
    with created(tmp_path) as folder:
        for _ in range(ERROR_LINES_MAX + 5):
            folder.problem(PROBLEM)
    *kept, last = lines_of(folder)
    assert len(kept) == folder.problems_kept == ERROR_LINES_MAX
    assert last == {"at": None, "charger": "", "kind": "more", "detail": "5 problems not kept"}


def test_an_error_code_that_a_csms_made_up_does_not_fill_the_disk(tmp_path: Path) -> None:
    with created(tmp_path) as folder:
        folder.problem(msgspec.structs.replace(PROBLEM, kind="callerror:Authorize:" + "x" * 10**6))
    (line,) = lines_of(folder)
    assert len(str(line["kind"])) == KIND_MAX_CHARS


# ── a disk that is full ──────────────────────────────────────────────────────────────────────────


def test_a_full_disk_is_damage_and_not_the_end_of_the_run(tmp_path: Path) -> None:
    latencies = Latencies()
    with created(tmp_path) as folder:
        with a_full_disk(tmp_path / "run.hlog"):
            latencies.record("Heartbeat", 0.0, 0.0, 0.001)
            folder.intervals(latencies.take_interval(1_700_000_001, 1_700_000_002))
        assert folder.damage == f"cannot write {tmp_path}/run.hlog: No space left on device"
        with a_full_disk(tmp_path / "errors.jsonl"):
            for _ in range(1000):  # more than is buffered
                folder.problem(PROBLEM)
        # The first damage is the one to repair.
        assert folder.damage == f"cannot write {tmp_path}/run.hlog: No space left on device"


def test_what_is_only_written_at_the_end_is_damage_too(tmp_path: Path) -> None:
    folder = created(tmp_path)
    folder.problem(PROBLEM)
    with a_full_disk(tmp_path / "errors.jsonl"), folder:
        pass
    assert folder.damage == f"cannot write {tmp_path}/errors.jsonl: No space left on device"


# ── run.hlog ─────────────────────────────────────────────────────────────────────────────────────


def test_intervals_are_read_back_by_the_library(tmp_path: Path) -> None:
    latencies = Latencies()
    with created(tmp_path) as folder:
        for second in range(3):
            latencies.record("Heartbeat", 0.0, 0.001, 0.003)
            at_s = 1_700_000_000.0 + second
            folder.intervals(latencies.take_interval(at_s, at_s + 1))
    path = str(tmp_path / "run.hlog")
    reader = HistogramLogReader(path, HdrHistogram(1, LATENCY_MAX_US, LATENCY_DIGITS))
    read = list(iter(reader.get_next_interval_histogram, None))
    reader.close()
    assert [interval.get_tag() for interval in read] == [
        "Heartbeat.response",
        "Heartbeat.service",
    ] * 3


# ── manifest.json ────────────────────────────────────────────────────────────────────────────────


def test_the_manifest_says_what_a_repetition_needs() -> None:
    made = manifest(
        a_scenario(seed=77), source=b"abc", arguments=["run", "x.yaml"], began_wall_s=1_700_000_000
    )
    assert made["seed"] == 77
    assert made["scenario"]["fleet"][0]["count"] == 4
    assert made["scenario_sha256"].startswith("ba7816bf8f01cfea")  # of "abc", FIPS 180
    assert made["arguments"] == ["run", "x.yaml"]
    assert made["began"] == "2023-11-14T22:13:20.000Z"
    assert made["versions"]["python"] == platform.python_version()
    assert made["limits"]["open_files"].keys() == {"soft", "hard"}
    json.dumps(made)


@pytest.mark.parametrize(
    "argument",
    [
        "target.password=s3cret",
        "--set=target.password=s3cret",
        "target={url: embedded, password: s3cret}",
        "fleet[0].configuration.AuthorizationKey=s3cret",
        "fleet[0].configuration={authorizationkey: s3cret}",
    ],
)
def test_no_secret_of_the_command_line_is_in_the_manifest(argument: str) -> None:
    made = manifest(
        a_scenario(),
        source=b"",
        arguments=["run", "password.yaml", "--set", argument, "--seed=1"],
        began_wall_s=0,
    )
    assert "s3cret" not in json.dumps(made)
    assert made["arguments"][1] == "password.yaml"
    assert made["arguments"][-1] == "--seed=1"


def test_no_secret_of_the_scenario_is_in_the_manifest() -> None:
    key = "00112233445566778899aabbccddeeff"
    scenario = a_scenario(configuration=f'AuthorizationKey: "{key}", HeartbeatInterval: 77')
    target = msgspec.structs.replace(scenario.target, password="s3cret")
    scenario = msgspec.structs.replace(scenario, target=target)
    text = json.dumps(manifest(scenario, source=b"", arguments=[], began_wall_s=0))
    assert "s3cret" not in text
    assert key not in text
    assert '"HeartbeatInterval": "77"' in text
