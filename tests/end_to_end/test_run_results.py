"""Exit codes, artefacts and messages of `simfleet run`, from the outside."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from end_to_end.peer_process import peer
from end_to_end.simfleet_process import Ended, run, simfleet, write_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUMMARY_KEYS = {
    "schema",
    "scenario",
    "seed",
    "verdict",
    "chargers",
    "connect",
    "calls",
    "commands",
    "violations",
    "transactions",
    "throughput",
    "generator",
    "ledger",
    "stages",
}


# ── against the embedded CSMS ───────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One run against the embedded CSMS, with `--json`."""
    ended = run(write_scenario(tmp_path_factory.mktemp("embedded"), chargers=30), "--json")
    assert ended.code == 0, str(ended)
    return ended


def test_the_embedded_csms_keeps_books_that_agree(embedded: Ended) -> None:
    ledger = embedded.summary["ledger"]
    assert ledger["balanced"] is True
    assert ledger["csms"]["starts"] == ledger["csms"]["stops"] == 30
    assert ledger["csms"]["violations"] == 0


def test_the_summary_has_the_names_that_are_an_interface(embedded: Ended) -> None:
    summary = embedded.summary
    assert set(summary) >= SUMMARY_KEYS
    assert {"result", "reasons", "generator"} <= set(summary["verdict"])
    assert {"target", "connected_peak", "booted", "failed"} <= set(summary["chargers"])
    assert {"attempts", "failures", "per_s_peak", "seconds_to_all"} <= set(summary["connect"])
    boot = summary["calls"]["BootNotification"]
    assert {"count", "errors", "timeouts", "response_ms", "service_ms"} <= set(boot)
    times = {"mean", "p50", "p90", "p99", "p99_9", "max"}
    assert times <= set(boot["response_ms"])
    assert times <= set(boot["service_ms"])
    assert {"started", "stopped", "energy_kwh"} <= set(summary["transactions"])
    assert {"calls_per_s", "frames_per_s"} <= set(summary["throughput"])
    generator = summary["generator"]
    assert {"cpu_s", "cpu_us_per_call", "rss_peak_mib", "rss_per_charger_kib"} <= set(generator)
    assert {"p50", "p99", "max"} <= set(generator["loop_lag_ms"])
    assert [stage["do"] for stage in summary["stages"]] == ["ramp", "hold", "stop"]
    written = {path.name for path in embedded.folder.iterdir()}
    assert {"summary.json", "run.hlog", "errors.jsonl", "manifest.json"} <= written


def test_a_missed_threshold_is_99_and_says_which(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, hold_s=1, thresholds='call.response.p99: "< 0.001ms"')
    ended = run(scenario)
    assert ended.code == 99, str(ended)
    assert "call.response.p99" in " ".join(ended.summary["verdict"]["reasons"])


def test_json_has_stdout_to_itself(embedded: Ended) -> None:
    assert json.loads(embedded.stdout) == embedded.summary


def test_quiet_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    ended = run(write_scenario(tmp_path, hold_s=1), "--quiet")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")


def test_the_same_seed_gives_the_same_fleet(tmp_path: Path) -> None:
    """Tags, energies and think times follow from seed and number alone."""

    def tags(folder: Path, *arguments: str) -> dict[str, str]:
        folder.mkdir()
        with peer(folder) as one:
            ended = run(write_scenario(folder, hold_s=1), *arguments, target=one.url)
            assert ended.code == 0, str(ended)
            starts = one.calls("StartTransaction")
            return {call["identity"]: call["frame"][3]["idTag"] for call in starts}

    first = tags(tmp_path / "first")
    assert tags(tmp_path / "second") == first
    assert tags(tmp_path / "other", "--seed", "6") != first


# ── bad input changes nothing ───────────────────────────────────────────────────────────────────


def spoil(scenario: Path, before: str, after: str) -> Path:
    text = scenario.read_text()
    assert before in text
    scenario.write_text(text.replace(before, after, 1))
    return scenario


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("seed: 5", "sead: 5", "sead"),
        ("seed: 5", "seed: 5\nseed: 6", "seed"),
        ("over: 0.3s", "over: 1 parsec", "1 parsec"),
        ("count: 5", "count: 10001", "10001"),
        ("mode: charging", "mode: chargeing", "chargeing"),
        ("schema: 1", "schema: [", "yaml"),
    ],
)
def test_a_scenario_with_a_mistake_is_104_with_its_place(
    tmp_path: Path, before: str, after: str, says: str
) -> None:
    scenario = spoil(write_scenario(tmp_path), before, after)
    ended = run(scenario)
    assert ended.code == 104, str(ended)
    assert says in ended.stderr
    assert f"{scenario.name}:" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not ended.folder.exists()


def test_a_scenario_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    ended = run(tmp_path / "nowhere.yaml")
    assert ended.code == 2, str(ended)
    assert "nowhere.yaml" in ended.stderr
    assert not ended.folder.exists()


@pytest.mark.parametrize("count", ["10001", "-1", "many"])
def test_more_chargers_than_a_run_may_have_are_a_usage_error(tmp_path: Path, count: str) -> None:
    ended = run(write_scenario(tmp_path), "--chargers", count)
    assert ended.code == 2, str(ended)
    assert not ended.folder.exists()


def test_an_output_folder_that_cannot_be_written_is_refused_before_any_load(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with peer(tmp_path) as one:
        ended = run(write_scenario(tmp_path), target=one.url, folder=tmp_path / "file" / "run")
        assert ended.code == 2, str(ended)
        assert str(tmp_path / "file") in ended.stderr
        assert one.entries("opened") == []


def test_an_output_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "summary.json").write_text("{}")
    ended = run(write_scenario(tmp_path), folder=folder)
    assert ended.code == 2, str(ended)
    assert [path.name for path in folder.iterdir()] == ["summary.json"]


@contextmanager
def a_server_that_says(answer: bytes) -> Iterator[str]:
    """Something that listens and is no CSMS; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)
            except OSError:
                return  # closed at the end of the test, before anybody came

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ocpp"
        finally:
            listener.close()
            thread.join(5)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no WebSocket"),
    ],
)
def test_a_target_that_does_not_speak_ocpp_is_105(tmp_path: Path, answer: bytes, says: str) -> None:
    with a_server_that_says(answer) as url:
        ended = run(write_scenario(tmp_path), target=url)
    assert ended.code == 105, str(ended)
    assert says in ended.stderr
    assert not ended.folder.exists()


def test_a_target_where_nobody_listens_is_105_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ended = run(write_scenario(tmp_path), target=f"ws://127.0.0.1:{port}")
    assert ended.code == 105, str(ended)
    assert "nobody listens there" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not ended.folder.exists()


def test_help_needs_no_more_than_the_standard_library() -> None:
    shown = simfleet("--help")
    assert shown.returncode == 0
    assert "simfleet run scenarios/ten-thousand.yaml" in shown.stdout
