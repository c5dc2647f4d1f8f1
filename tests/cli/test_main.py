from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from simfleet import __version__
from simfleet.cli.arguments import COMMANDS, Command
from simfleet.cli.exit_codes import ExitCode, as_markdown, exit_code_of
from simfleet.cli.main import build_parser, explain, main
from simfleet.errors import (
    ConnectFailed,
    ConnectReason,
    PreflightFailed,
    QueueFull,
    ScenarioInvalid,
    SimFleetError,
    TargetUnreachable,
    UsageWrong,
)

ROOT = Path(__file__).parent.parent.parent
# What costs 20 ms to 600 ms to import, and no help needs.
HEAVY = {"asyncio", "hdrh", "jsonschema_rs", "msgspec", "ocpp", "psutil", "rich", "trio"} | {
    *("hypercorn", "quart", "quart_trio", "sqlite3", "trio_websocket", "websockets", "yaml"),
}
each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


# ── help ─────────────────────────────────────────────────────────────────────────────────────────


def test_help_shows_each_command_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.PASSED
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^ +{command.name} +{re.escape(command.summary)}$", shown, re.MULTILINE)
        assert command.examples[0] in shown


@each_command
def test_help_of_a_command_shows_all_its_examples(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command.name, "--help"]) == ExitCode.PASSED
    shown = capsys.readouterr().out
    assert [example for example in command.examples if f"\n  {example}\n" not in shown] == []


@each_command
def test_every_example_is_accepted(command: Command) -> None:
    for example in command.examples:
        words = shlex.split(example)
        program, *words = words[: words.index(">")] if ">" in words else words
        assert program == "simfleet"
        assert build_parser().parse_args(words).command == command.name


@each_command
def test_every_command_has_its_module(command: Command) -> None:
    assert callable(importlib.import_module(f"simfleet.cli.{command.name}").main)


@pytest.mark.parametrize("words", [[], *([command.name] for command in COMMANDS)])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "simfleet", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", ended.stderr, re.MULTILINE))
    assert "simfleet.cli.main" in imported
    assert HEAVY & imported == set()


# ── usage ────────────────────────────────────────────────────────────────────────────────────────


def test_no_command_is_a_usage_error_that_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "simfleet run scenarios/ten-thousand.yaml" in printed.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fly", "invalid choice: 'fly'"),
        ("run", "the following arguments are required: SCENARIO"),
        ("run a.yaml --charger 5", "unrecognized arguments: --charger"),
        ("run a.yaml --chargers 10001", "'10001' is not a whole number from 0 to 10000"),
        ("run a.yaml --chargers -1", "'-1' is not a whole number from 0 to 10000"),
        ("run a.yaml --chargers 1e3", "'1e3' is not a whole number from 0 to 10000"),
        ("run a.yaml --seed 0x2a", "'0x2a' is not a whole number at least 0"),
        ("run a.yaml --target localhost:9000", "write embedded, or ws://host:port/prefix"),
        ("run a.yaml --target http://localhost", "'http://localhost' is not a target"),
        ("run a.yaml --target ws:///ocpp", "'ws:///ocpp' is not a target"),
        ("run a.yaml --set seed", "'seed' is not path=value"),
        ("csms --port 65536", "'65536' is not a whole number from 0 to 65535"),
        ("csms --boot-interval 1500ms", "'1500ms' is not a whole number of seconds"),
        ("csms --tariff dear", "'dear' is no price; write one such as 0.45"),
        ("csms --price-per-kwh -1", "'-1' is no price"),
        ("csms --revocation maybe", "invalid choice: 'maybe'"),
        ("csms --boot-interval soon", "'soon' is not a duration; write 50ms, 10s"),
    ],
)
def test_a_bad_argument_is_refused_with_what_would_be_accepted(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_run_takes_from_the_scenario_what_is_not_given() -> None:
    given = vars(build_parser().parse_args(["run", "a.yaml"]))
    assert given.pop("command") == "run"
    assert given.pop("scenario") == Path("a.yaml")
    assert given.pop("set") == []
    assert {"target", "chargers", "seed", "time_scale", "out", "models"} <= set(given)
    assert all(value is None or value is False for value in given.values())


def test_run_keeps_every_assignment_in_order_and_unread() -> None:
    words = ["run", "a.yaml", "--set", "name=a=b", "--set", "stages[0].over=20s"]
    assert build_parser().parse_args(words).set == ["name=a=b", "stages[0].over=20s"]


def test_one_parse_leaves_nothing_behind_for_the_next() -> None:
    parser = build_parser()
    parser.parse_args(["csms", "--reject-tag", "A"])
    assert parser.parse_args(["csms"]).reject_tag == []


@pytest.mark.parametrize(
    "url", ["embedded", "ws://127.0.0.1:9000", "wss://csms.example/ocpp/1.6", "ws://[::1]:9000/x"]
)
def test_targets_are_embedded_or_websocket_urls(url: str) -> None:
    assert build_parser().parse_args(["run", "a.yaml", "--target", url]).target == url


@pytest.mark.parametrize(("text", "interval_s"), [("300", 300), ("5m", 300), ("0", 0)])
def test_intervals_are_seconds_or_durations(text: str, interval_s: int) -> None:
    parsed = build_parser().parse_args(["csms", "--heartbeat-interval", text])
    assert parsed.heartbeat_interval == interval_s


# ── how a command ends ───────────────────────────────────────────────────────────────────────────


def test_the_numbers_of_the_exit_codes_are_an_interface() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "PASSED": 0,
        "USAGE": 2,
        "INTERNAL": 70,
        "THRESHOLD_FAILED": 99,
        "SCENARIO_INVALID": 104,
        "TARGET_UNREACHABLE": 105,
        "INVALID_RUN": 106,
        "LEDGER_BROKEN": 107,
        "INTERRUPTED": 130,
        "OUTPUT_CLOSED": 141,
    }


def test_the_documentation_of_exit_codes_is_current() -> None:
    assert (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8") == as_markdown()


REFUSED = ConnectFailed(ConnectReason.REFUSED, "127.0.0.1:9")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageWrong("x"), ExitCode.USAGE),
        (ScenarioInvalid(["x"]), ExitCode.SCENARIO_INVALID),
        (TargetUnreachable("x"), ExitCode.TARGET_UNREACHABLE),
        (REFUSED, ExitCode.TARGET_UNREACHABLE),
        (PreflightFailed("x"), ExitCode.INVALID_RUN),
        (QueueFull("mailbox", 64), ExitCode.INTERNAL),
    ],
)
def test_each_error_has_its_exit_code(error: SimFleetError, code: ExitCode) -> None:
    assert exit_code_of(error) is code


def test_an_error_raised_on_purpose_is_one_line_and_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explain(TargetUnreachable("nobody listens")) == ExitCode.TARGET_UNREACHABLE
    printed = capsys.readouterr()
    assert printed.err == "simfleet: nobody listens\n"
    assert printed.out == ""


def test_all_problems_of_a_scenario_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(ScenarioInvalid(["a.yaml:1:1: one", "a.yaml:2:1: two"])) == 104
    printed = capsys.readouterr().err
    assert printed == "simfleet: a.yaml:1:1: one\nsimfleet: a.yaml:2:1: two\n"


def test_an_error_inside_nurseries_is_unwrapped(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ExceptionGroup("", [UsageWrong("no such folder")])
    assert explain(ExceptionGroup("", [inner])) == ExitCode.USAGE
    assert capsys.readouterr().err == "simfleet: no such folder\n"


def test_the_same_error_from_two_tasks_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    group = ExceptionGroup("", [TargetUnreachable("gone"), TargetUnreachable("gone")])
    assert explain(group) == ExitCode.TARGET_UNREACHABLE
    assert capsys.readouterr().err == "simfleet: gone\n"


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        BaseExceptionGroup("", [KeyboardInterrupt()]),
        BaseExceptionGroup("", [KeyboardInterrupt(), TargetUnreachable("cut short")]),
    ],
)
def test_ctrl_c_is_said_in_one_line(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(error) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "simfleet: interrupted\n"


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("division by zero"),
        ExceptionGroup("", [UsageWrong("known"), ZeroDivisionError("division by zero")]),
        BaseExceptionGroup("", [KeyboardInterrupt(), ZeroDivisionError("division by zero")]),
        BrokenPipeError("not the one of standard output"),
    ],
    ids=["alone", "beside a known error", "beside Ctrl-C", "another pipe"],
)
def test_anything_else_is_a_bug_with_its_traceback(
    error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    assert explain(error) == ExitCode.INTERNAL
    *traceback, verdict = capfd.readouterr().err.splitlines()
    assert any(type(error).__name__ in line for line in traceback)
    assert verdict.startswith(f"simfleet: this is a bug in SimFleet {__version__}")


# ── as a process ─────────────────────────────────────────────────────────────────────────────────


def test_version_names_what_matters_in_a_bug_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == ExitCode.PASSED
    first, system, *packages = capsys.readouterr().out.splitlines()
    assert first == f"simfleet {__version__}"
    assert "Python" in system
    assert {line.partition(" ")[0] for line in packages} >= {"trio", "websockets", "msgspec"}


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_of_stdout_that_went_away_is_no_crash(unbuffered: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    ended = subprocess.run(
        [sys.executable, "-m", "simfleet", "version"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(write_end)
    assert (ended.returncode, ended.stderr) == (ExitCode.OUTPUT_CLOSED, "")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_change_nothing(closed: str, tmp_path: Path) -> None:
    command = shlex.join([sys.executable, "-m", "simfleet"])
    script = f"exec {closed}; {command} version && echo fine > {shlex.quote(str(tmp_path / 'ok'))}"
    assert subprocess.run(["sh", "-c", script], check=False, cwd=ROOT).returncode == 0
    assert (tmp_path / "ok").read_text() == "fine\n"


def test_standard_output_on_a_full_disk_is_no_crash() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "simfleet", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
    assert ended.returncode == ExitCode.OUTPUT_CLOSED
    assert ended.stderr.startswith("simfleet: cannot write to standard output: [Errno 28]")
    assert len(ended.stderr.splitlines()) == 1


def test_the_exit_code_reaches_the_shell() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "simfleet", "fly"], capture_output=True, check=False, cwd=ROOT
    )
    assert ended.returncode == ExitCode.USAGE


def test_a_reader_of_standard_error_who_goes_away_changes_no_exit_code(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "simfleet", "check", str(tmp_path / "no-such-file.yaml")],
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.wait(timeout=20) == ExitCode.USAGE
