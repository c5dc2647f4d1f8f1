"""`simfleet run` as its user sees it: in a process of its own, by what it prints and leaves."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from simfleet.cli.exit_codes import ExitCode
from simfleet.cli.run import EXIT_CODES
from simfleet.observe.histogram import LATENCY_DIGITS, LATENCY_MAX_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 40.0
TINY = """\
schema: 1
name: tiny
seed: 3
target: {{url: embedded{target}}}
fleet:
  - {{name: ac, count: {count}, id: "T-{{n:03}}", configuration: {{MeterValueSampleInterval: 1}}}}
behaviour: {{think_time: 50ms..200ms, energy_kwh: 5..9}}
stages: [{stages}]
thresholds: {{{thresholds}}}
"""
CONNECT = "{do: ramp, to: %d, over: 200ms, mode: connect}"
CHARGE = "{do: ramp, to: %d, over: 200ms}"


def a_scenario(
    folder: Path,
    *,
    count: int = 3,
    stages: str | None = None,
    thresholds: str = "",
    target: str = "",
) -> Path:
    """By default: connect three chargers and stop."""
    path = folder / "tiny.yaml"
    stages = stages if stages is not None else CONNECT % count
    path.write_text(TINY.format(count=count, stages=stages, thresholds=thresholds, target=target))
    return path


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str
    out: Path

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "summary.json").read_bytes())
        return found

    def files(self) -> set[str]:
        return {file.name for file in self.out.iterdir()}


def begin(
    scenario: Path, *arguments: str, out: Path, limits: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "simfleet", "run", str(scenario), "--out", str(out), *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limits,
    )


def end(process: subprocess.Popen[str], *, out: Path) -> Ended:
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    return Ended(process.returncode, stdout, stderr, out)


def run(
    scenario: Path, *arguments: str, out: Path, limits: Callable[[], None] | None = None
) -> Ended:
    return end(begin(scenario, *arguments, out=out, limits=limits), out=out)


FILES = {
    *("summary.json", "manifest.json", "run.hlog", "errors.jsonl", "timeline.csv", "actions.csv"),
    *("report.html", "junit.xml", "summary.md"),
}


# ── a run that passes ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """`simfleet run scenarios/smoke.yaml`, as the README says it, with a password to look for."""
    out = tmp_path_factory.mktemp("smoke") / "results" / "smoke"
    return run(Path("scenarios/smoke.yaml"), "--set", "target.password=s3cret-77", out=out)


def test_smoke_passes_and_leaves_its_files(smoke: Ended) -> None:
    assert smoke.code == 0, smoke.stdout + smoke.stderr
    assert smoke.files() == FILES
    assert smoke.summary["verdict"]["result"] == "passed"
    assert smoke.summary["verdict"]["generator"] in ("VALID", "SUSPECT")  # on a busy machine
    assert smoke.summary["chargers"]["booted"] == 20
    assert (smoke.out / "errors.jsonl").read_text() == ""


def test_smoke_runs_whole_sessions_and_the_books_balance(smoke: Ended) -> None:
    transactions, ledger = smoke.summary["transactions"], smoke.summary["ledger"]
    assert transactions["started"] == transactions["stopped"] >= 20
    assert transactions["energy_kwh"] > 0
    assert ledger["balanced"] is True
    assert ledger["csms"]["stops"] == transactions["stopped"]
    assert ledger["csms"]["stopped_twice"] == ledger["csms"]["overlapping_calls"] == 0


def test_the_summary_on_stdout_is_the_one_in_the_file(smoke: Ended) -> None:
    lines = smoke.stdout.splitlines()
    assert re.fullmatch(r"smoke: PASSED \(generator (VALID|SUSPECT)\)", lines[0])
    assert lines[-1] == f"  results       {smoke.out}"
    count = smoke.summary["call_totals"]["count"]
    assert re.search(rf"^  all +{count} ", smoke.stdout, re.MULTILINE)
    assert max(len(line) for line in lines if str(smoke.out) not in line) <= 80


def test_progress_goes_to_stderr_as_plain_lines(smoke: Ended) -> None:
    assert "\x1b" not in smoke.stderr
    lines = smoke.stderr.splitlines()
    assert lines
    assert all(re.match(r" +\d+ s  (ramp|hold|stop)", line) for line in lines)


def test_the_interval_log_is_read_by_the_library_and_adds_up_to_the_summary(smoke: Ended) -> None:
    shape = HdrHistogram(1, LATENCY_MAX_US, LATENCY_DIGITS)
    reader = HistogramLogReader(str(smoke.out / "run.hlog"), shape)
    counts: dict[str, int] = {}
    longest_us: dict[str, int] = {}
    for interval in iter(reader.get_next_interval_histogram, None):
        tag = interval.get_tag()
        counts[tag] = counts.get(tag, 0) + interval.get_total_count()
        longest_us[tag] = max(longest_us.get(tag, 0), interval.get_max_value())
    reader.close()
    calls = smoke.summary["calls"]
    assert counts == {
        f"{action}.{kind}": call["count"]
        for action, call in calls.items()
        for kind in ("response", "service")
    }
    for action, call in calls.items():
        longest_ms = longest_us[f"{action}.response"] / 1000
        assert longest_ms == pytest.approx(call["response_ms"]["max"], rel=1e-3)


def test_no_password_is_in_any_file_or_output(smoke: Ended) -> None:
    texts = [file.read_text(encoding="utf-8") for file in smoke.out.iterdir()]
    assert not any("s3cret" in text for text in [*texts, smoke.stdout, smoke.stderr])
    assert '"***"' in (smoke.out / "manifest.json").read_text()


def test_the_manifest_is_about_this_run(smoke: Ended) -> None:
    manifest = json.loads((smoke.out / "manifest.json").read_bytes())
    assert manifest["scenario"]["name"] == "smoke"
    assert manifest["seed"] == 1
    assert manifest["arguments"][:2] == ["run", "scenarios/smoke.yaml"]
    assert manifest["versions"].keys() >= {"simfleet", "python", "trio", "websockets"}


# ── options ──────────────────────────────────────────────────────────────────────────────────────


def test_json_is_one_document_on_stdout_and_nothing_else(tmp_path: Path) -> None:
    ended = run(a_scenario(tmp_path), "--json", out=tmp_path / "out")
    assert ended.code == 0
    assert json.loads(ended.stdout) == ended.summary
    assert ended.stdout.startswith("{\n")
    assert ended.stdout.endswith("}\n")


def test_options_change_the_scenario(tmp_path: Path) -> None:
    ended = run(
        a_scenario(tmp_path, count=6),
        *("--chargers", "2", "--seed", "99", "--set", "name=other", "--quiet"),
        out=tmp_path / "out",
    )
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    assert ended.summary["scenario"] == "other"
    assert ended.summary["seed"] == 99
    assert ended.summary["chargers"]["target"] == ended.summary["chargers"]["booted"] == 2


def test_a_summary_that_could_not_be_written_is_printed_all_the_same(tmp_path: Path) -> None:
    command = ["run", str(a_scenario(tmp_path)), "--quiet", "--out", str(tmp_path / "out")]
    script = f"ulimit -f 4; {shlex.join([sys.executable, '-m', 'simfleet', *command])}"
    ended = subprocess.run(
        ["bash", "-c", f"({script}) 2>&1 | cat"],
        capture_output=True,
        cwd=ROOT,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert "tiny: PASSED" in ended.stdout  # in either order: two streams, one pipe
    assert "the run folder is not complete: cannot write" in ended.stdout
    assert not (tmp_path / "out" / "summary.json").exists()
    assert "  report  " not in ended.stdout  # there is none
    assert (tmp_path / "out" / "junit.xml").exists()  # which is small enough


def test_no_chargers_at_all_is_a_run(tmp_path: Path) -> None:
    ended = run(a_scenario(tmp_path), "--chargers", "0", out=tmp_path / "out")
    assert ended.code == 0
    assert ended.summary["chargers"]["target"] == ended.summary["connect"]["attempts"] == 0


def test_a_scenario_may_come_through_a_pipe(tmp_path: Path) -> None:
    text = a_scenario(tmp_path).read_text()
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    ended = run(pipe, out=tmp_path / "out")
    writer.join()
    assert ended.code == 0, ended.stderr


def test_without_out_a_new_folder_appears_under_runs(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "simfleet", "run", str(a_scenario(tmp_path)), "--quiet"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=TIMEOUT_S,
    )
    assert ended.returncode == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"tiny-\d{8}-\d{6}", folder.name)
    assert {file.name for file in folder.iterdir()} == FILES


# ── a CSMS of one's own ──────────────────────────────────────────────────────────────────────────


@contextmanager
def a_csms(*arguments: str) -> Iterator[str]:
    """`simfleet csms` on a free port; yields its address."""
    command = [sys.executable, "-m", "simfleet", "csms", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        found = re.search(r"ws://[\d.]+:\d+", process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


def test_a_target_of_ones_own_is_driven_through_its_prefix(tmp_path: Path) -> None:
    with a_csms() as url:
        ended = run(a_scenario(tmp_path), "--target", f"{url}/ocpp/16", out=tmp_path / "out")
    assert ended.code == 0, ended.stderr
    assert ended.summary["target"] == f"{url}/ocpp/16"
    assert ended.summary["ledger"]["csms"] is None


def test_a_missed_threshold_is_99_and_says_which(tmp_path: Path) -> None:
    scenario = a_scenario(
        tmp_path, thresholds='call.response.p99: "< 20ms", boot.accepted_ratio: "== 1"'
    )
    with a_csms("--delay", "100ms") as url:
        ended = run(scenario, "--target", url, "--quiet", out=tmp_path / "out")
    assert ended.code == 99
    (reason,) = ended.summary["verdict"]["reasons"]
    assert reason.startswith("threshold: call.response.p99 < 20ms: was ")
    # Quiet about progress, not about why it failed.
    assert reason in " ".join(ended.stdout.split())
    assert "MISSED        call.response.p99" in ended.stdout
    assert "ok            boot.accepted_ratio" in ended.stdout
    assert ended.stderr == ""


# ── refused, with nothing started and nothing left ───────────────────────────────────────────────


def assert_refused(ended: Ended, code: ExitCode) -> None:
    assert ended.code == code, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert not ended.out.exists()


def test_a_bad_scenario_is_104_with_every_mistake_located(tmp_path: Path) -> None:
    scenario = a_scenario(tmp_path, stages="{do: ramp, to: 9, over: 1 parsec}")
    ended = run(scenario, out=tmp_path / "out")
    assert_refused(ended, ExitCode.SCENARIO_INVALID)
    assert f"{scenario}:8:" in ended.stderr
    assert "parsec" in ended.stderr


def test_nobody_listens_is_105_and_the_same_command_works_once_somebody_does(
    tmp_path: Path,
) -> None:
    scenario, out = a_scenario(tmp_path), tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    target = f"ws://127.0.0.1:{port}"
    ended = run(scenario, "--target", target, out=out)
    assert_refused(ended, ExitCode.TARGET_UNREACHABLE)
    assert f"cannot connect to {target} as 'T-001' with ocpp1.6: refused" in ended.stderr
    assert "start the CSMS" in ended.stderr
    with a_csms() as url:
        assert run(scenario, "--target", url, out=out).code == 0


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that answers every request alike; yields its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.getsockname()[1]}/ocpp"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (NOT_FOUND, "check the path prefix"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "not with a WebSocket"),
        (b"220 mail.example ESMTP\r\n", "no WebSocket server"),
    ],
)
def test_a_server_that_is_no_csms_is_105(tmp_path: Path, answer: bytes, says: str) -> None:
    with answering(answer) as url:
        ended = run(a_scenario(tmp_path), "--target", url, out=tmp_path / "out")
    assert_refused(ended, ExitCode.TARGET_UNREACHABLE)
    assert says in ended.stderr


def test_too_few_descriptors_are_106_before_the_start_with_what_to_raise(tmp_path: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 150))

    ended = run(a_scenario(tmp_path), out=tmp_path / "out", limits=few)
    assert_refused(ended, ExitCode.INVALID_RUN)
    assert "3 chargers need 203 open files, this process may have 150" in ended.stderr
    assert "ulimit -n 203" in ended.stderr


def test_an_output_folder_that_cannot_be_is_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run(a_scenario(tmp_path), out=tmp_path / "file" / "out")
    assert ended.code == ExitCode.USAGE
    assert "--out: cannot write to" in ended.stderr


def test_an_output_folder_that_holds_something_is_2_and_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text("precious")
    ended = run(a_scenario(tmp_path), out=out)
    assert ended.code == ExitCode.USAGE
    assert "is not empty; name a new folder" in ended.stderr
    assert ended.files() == {"summary.json"}
    assert (out / "summary.json").read_text() == "precious"


def test_a_password_in_the_address_is_refused_unseen(tmp_path: Path) -> None:
    ended = run(a_scenario(tmp_path), "--target", "ws://me:s3cret@127.0.0.1", out=tmp_path / "out")
    assert_refused(ended, ExitCode.USAGE)
    assert "s3cret" not in ended.stderr
    assert "target.password" in ended.stderr


# ── interrupted ──────────────────────────────────────────────────────────────────────────────────


def until_charging(process: subprocess.Popen[str], *, chargers: int) -> str:
    """Wait for the line that says that all charge; returns what came until then."""
    assert process.stderr is not None
    return _until(process.stderr, f"{chargers} transactions")


def _until(stream: IO[str], words: str) -> str:
    read = ""
    for line in stream:
        read += line
        if words in line:
            return read
    raise AssertionError(f"ended without {words!r}: {read}")


LONG = "{do: ramp, to: %d, over: 500ms}, {do: hold, for: 100ms}, {do: hold, for: 5m}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_every_transaction_exactly_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    # A second of ramp: the first line of progress sees everybody charge.
    stages = (LONG % 30).replace("100ms", "1500ms")
    process = begin(a_scenario(tmp_path, count=30, stages=stages), out=out)
    until_charging(process, chargers=30)
    process.send_signal(number)
    ended = end(process, out=out)
    assert ended.code == 130, ended.stderr
    assert ended.files() == FILES
    summary = ended.summary
    assert summary["verdict"]["reasons"] == [f"interrupted by {number.name}"]
    csms = summary["ledger"]["csms"]
    assert csms["starts"] == csms["stops"] == summary["transactions"]["stopped"] == 30
    assert csms["stopped_twice"] == csms["stop_retries"] == csms["transactions_open"] == 0
    assert summary["ledger"]["balanced"] is True
    assert [stage["complete"] for stage in summary["stages"]][-2:] == [False, True]
    assert ended.stdout.startswith("tiny: INTERRUPTED")


def test_a_stop_after_a_signal_is_paced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stages = (LONG % 300).replace("500ms", "1s").replace("100ms", "2s")
    process = begin(a_scenario(tmp_path, count=300, stages=stages), out=out)
    until_charging(process, chargers=300)
    process.send_signal(signal.SIGINT)
    stop = end(process, out=out).summary["stages"][-1]
    assert stop["detail"] == "stop the last 300 chargers"
    assert stop["calls"]["StopTransaction.response"]["count"] == 300
    assert 0.55 < stop["ended_s"] - stop["began_s"] < 5  # 500 a second


def test_two_signals_end_it_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stages = (LONG % 30).replace("100ms", "1500ms")
    # Nobody answers a stop: the orderly end would take a minute.
    with a_csms("--misbehave", "never-answer=StopTransaction") as url:
        process = begin(a_scenario(tmp_path, count=30, stages=stages), "--target", url, out=out)
        until_charging(process, chargers=30)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        began_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        ended = end(process, out=out)
        took_s = time.monotonic() - began_s
    assert ended.code == 130
    assert took_s < 3
    assert ended.files() == FILES
    assert ended.summary["ledger"]["balanced"] is None
    assert "not checked: the run was cut off" in ended.stdout


def test_a_signal_before_the_load_is_heeded(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        process = begin(a_scenario(tmp_path), "--target", target, out=out)
        silent.settimeout(TIMEOUT_S)
        connection, _ = silent.accept()  # the preflight, which gets no answer
        with connection:
            process.send_signal(signal.SIGTERM)
            began_s = time.monotonic()
            ended = end(process, out=out)
    assert ended.code == 130, ended.stderr
    assert time.monotonic() - began_s < 3
    assert ended.summary["verdict"]["reasons"][0] == "interrupted by SIGTERM"


# ── while it runs ────────────────────────────────────────────────────────────────────────────────


def test_an_embedded_csms_that_is_killed_is_105_with_the_reason(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stages = (LONG % 3).replace("100ms", "1500ms")
    process = begin(a_scenario(tmp_path, stages=stages), out=out)
    until_charging(process, chargers=3)
    (csms,) = psutil.Process(process.pid).children()
    csms.kill()
    began_s = time.monotonic()
    ended = end(process, out=out)
    assert ended.code == 105
    assert time.monotonic() - began_s < 5
    assert ended.summary["verdict"]["result"] == "target_lost"
    assert "the embedded CSMS was killed by signal 9" in ended.stdout


def test_a_reader_of_the_progress_who_goes_away_does_not_end_the_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stages = (CHARGE % 3) + ", {do: hold, for: 1s}"
    process = begin(a_scenario(tmp_path, stages=stages), out=out)
    assert process.stderr is not None
    assert process.stdout is not None
    process.stderr.close()
    process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=TIMEOUT_S) == 0
    summary = json.loads((out / "summary.json").read_bytes())
    assert summary["verdict"]["result"] == "passed"
    assert summary["ledger"]["balanced"] is True


def test_a_reader_of_the_summary_who_goes_away_is_141_and_the_folder_is_complete(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    process = begin(a_scenario(tmp_path), out=out)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=TIMEOUT_S) == ExitCode.OUTPUT_CLOSED
    assert process.stderr is not None
    process.stderr.close()
    assert {file.name for file in out.iterdir()} == FILES


def test_every_result_has_its_exit_code() -> None:
    assert EXIT_CODES == {
        "passed": 0,
        "threshold_failed": 99,
        "aborted": 99,
        "target_lost": 105,
        "invalid": 106,
        "ledger_broken": 107,
        "interrupted": 130,
    }
