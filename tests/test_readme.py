"""What README.md and docs/ tell a newcomer to type is typed here, with the installed `simfleet`.

Runs are shortened (a few chargers, stages of a moment); everything else is as the page says.
`NOT_TYPED` names what is left out, and why.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from builders_newcomer import (
    ROOT,
    ended_politely,
    listening_csms,
    shortened,
    typed,
    words_of,
)
from simfleet.cli.arguments import COMMANDS
from simfleet.csms.pki_folder import PkiFolder
from simfleet.load.scenario import parse_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTED = re.compile(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", re.DOTALL)
"""What a tool wrote into a page."""

NOT_TYPED = {
    "make demo": "takes a minute; test_scenarios_run.py runs its scenario, smaller",
    "make test": "is what runs this test",
    "source .venv/bin/activate": "the tests are in a virtual environment already",
    "simfleet bench": "takes minutes; tests/bench tries the benchmarks in small",
    "simfleet bench truth": "the same",
    "simfleet COMMAND --help": "typed for each command, below",
    "simfleet models acme/wall-22 --models my-models": "tests/models/test_uses.py makes that model",
    "simfleet run scenarios/boot-storm.yaml": "test_scenarios_run.py runs it",
    "simfleet run scenarios/morning-peak.yaml --dry-run": "the same; tests/cli/test_virtual.py",
    "simfleet run scenarios/morning-peak.yaml --virtual": "the same",
    "simfleet run scenarios/ten-thousand.yaml --prometheus 127.0.0.1:9464": "test_run_exports.py",
    "simfleet report DIR": "how it is written; tests/cli/test_report.py makes a report",
    "simfleet bench report": "the same as bench",
    "simfleet bench bench_virtual": "the same as bench",
    "simfleet replay": "the name of a command, not all of it",
    "simfleet replay DIR": "how it is written; tests/cli/test_virtual.py replays a run",
    "simfleet run FILE --dry-run": "leaves no folder; tests/cli/test_virtual.py predicts a run",
    "simfleet run": "the name of a command, not all of it",
    "simfleet check": "the same",
    "simfleet serve": "serves until it is stopped; test_service.py and tests/api live with it",
    "simfleet user": "the name of a command, not all of it",
    "simfleet key": "the same",
    "simfleet pki issue": "the name of a command, not all of it",
    "simfleet pki issue DIR IDENTITY...": "how it is written; typed with names below",
    "simfleet pki show DIR": "the same",
    "simfleet serve --pki pki": "serves until it is stopped",
    "simfleet user add ada": "writes to the user's own database; tests/cli/test_user_and_key.py",
    "simfleet key create ada --label laptop": "the same",
    "simfleet key list": "the same",
    "simfleet key revoke sf_Vq3hTz": "the same",
}


def text_of(page: Path) -> str:
    return PRINTED.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str, *, first_word: str = "") -> list[str]:
    found = [body for name, body in FENCE.findall(text_of(page)) if name == language]
    return [body for body in found if body.startswith(first_word)]


def command_lines(page: Path) -> set[str]:
    """Lines of shell blocks, indented `simfleet ...`, `simfleet ...` in running text."""
    lines = [line for body in blocks(page, "sh") for line in body.splitlines()]
    # Requests are made, with what they answer, by tests/api/test_api_document.py.
    lines = [line for line in lines if re.match(r"(simfleet|make|source)\b", line)]
    prose = FENCE.sub("", text_of(page))
    lines += re.findall(r"^ {4}(simfleet .*)$", prose, re.MULTILINE)
    lines += [" ".join(said.split()) for said in re.findall(r"`(simfleet\s[^`]*)`", prose)]
    return {re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines} - {""}


SAID = {page.relative_to(ROOT).as_posix(): command_lines(page) for page in PAGES}
LINES = sorted(set().union(*SAID.values()))
PKI = re.compile(r" pki$|--pki pki\b|pki issue pki")
"""What needs the folder that `simfleet pki init pki` has made."""
SERVES = [line for line in LINES if re.match(r"simfleet csms(?!.* --(help|control))", line)]
ENDS = [line for line in LINES if line not in NOT_TYPED and line not in SERVES]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Where a reader sits, with the README's scenario in a file."""
    (body,) = blocks(README, "yaml", first_word="schema:")
    (tmp_path / "first.yaml").write_text(body, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def csms() -> Iterator[str]:
    """The reader's own CSMS."""
    with listening_csms() as (_, url):
        yield url


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the README's scenario, for the commands that work on one."""
    folder = tmp_path_factory.mktemp("kept")
    (body,) = blocks(README, "yaml", first_word="schema:")
    (folder / "first.yaml").write_text(body, encoding="utf-8")
    words = ["run", "first.yaml", "--out", "out", *shortened(folder / "first.yaml")]
    ended = typed(words, folder=folder)
    assert ended.code == 0, ended
    return folder / "out"


# ── what the pages say ───────────────────────────────────────────────────────────────────────────


def test_commands_are_found_in_blocks_in_indented_lines_and_in_the_text() -> None:
    assert "simfleet run first.yaml --json --quiet > result.json" in SAID["README.md"]
    assert "simfleet csms --port 0" in SAID["docs/csms.md"]
    assert "simfleet check FILE" in SAID["docs/scenarios.md"]


def test_nothing_is_excepted_that_no_page_says() -> None:
    assert NOT_TYPED.keys() - set(LINES) == set()


def test_the_readme_mentions_every_command() -> None:
    said = {line.split()[1] for line in SAID["README.md"] if line.startswith("simfleet ")}
    assert [command.name for command in COMMANDS if command.name not in said] == []


def test_every_make_target_of_the_readme_exists() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    wanted = {line.split()[1] for line in SAID["README.md"] if line.startswith("make ")}
    assert {"demo", "test"} <= wanted <= set(targets)


def test_every_link_of_the_readme_leads_to_something() -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(README))
    assert "docs/scenarios.md" in links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_heading_that_a_page_links_to_exists(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text_of(page)):
        there = (page.parent / link if link else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", there, re.MULTILINE)
        slugs = [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings]
        assert anchor in slugs, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_scenario_of_a_page_is_valid(page: Path) -> None:
    for body in blocks(page, "yaml", first_word="schema:"):
        assert parse_scenario(body.encode(), source=page.name).chargers > 0


def test_every_set_option_of_the_scenario_page_changes_its_scenario() -> None:
    page = ROOT / "docs" / "scenarios.md"
    said = [shlex.split(span)[1] for span in re.findall(r"`(--set [^`]+)`", text_of(page))]
    options = [option for option in said if option != "path=value"]
    assert len(options) >= 3
    (body,) = blocks(page, "yaml", first_word="schema:")
    as_it_is = parse_scenario(body.encode())
    for option in options:
        assert parse_scenario(body.encode(), overrides=[option]) != as_it_is


# ── typing it ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", ENDS)
def test_a_command_does_what_the_page_says(line: str, desk: Path, csms: str, kept: Path) -> None:
    for run in set(re.findall(r"\bruns/[\w.-]+", line)):
        shutil.copytree(kept, desk / run)
    line = re.sub(r"\b(FILE|SCENARIO\.yaml)\b", "first.yaml", line)
    words, result = words_of(line.replace("ws://127.0.0.1:9000", csms))
    if PKI.search(line) and "init" not in words:
        PkiFolder(desk / "pki").init(at_wall_s=time.time(), hosts=["localhost"], days=2)
    if words[0] == "run":
        few = None if "--chargers" in words else 8
        words += shortened(desk / "first.yaml", chargers=few)
    ended = typed(words, folder=desk, stdout=desk / result if result else None)
    assert ended.code == 0, ended
    if result:
        assert json.loads((desk / result).read_text("utf-8"))
    if words[0] == "run":
        (summary,) = (desk / "runs").glob("first-*/summary.json")
        transactions = json.loads(summary.read_text("utf-8"))["transactions"]
        assert transactions["started"] == transactions["stopped"] > 0


@pytest.mark.parametrize("line", SERVES)
def test_a_csms_starts_as_the_page_says_and_ends_politely(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if PKI.search(line):
        PkiFolder(tmp_path / "pki").init(at_wall_s=time.time(), hosts=["localhost"], days=2)
        (tmp_path / "passwords.txt").write_text("CP-1:secret-of-cp-1\n", encoding="utf-8")
    words, _ = words_of(re.sub(r" --port \d+", "", line))  # a free one instead
    with listening_csms(*words[1:]) as (process, _):
        ended = ended_politely(process)
    assert ended.code == 0, ended
    assert ended.stderr == ""


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    ended = typed([command, "--help"], folder=tmp_path)
    assert ended.code == 0, ended
    assert f"simfleet {command}" in ended.stdout


def test_the_reader_of_an_interval_log_reads_one(desk: Path) -> None:
    out = desk / "out"
    options = shortened(desk / "first.yaml")
    assert typed(["run", "first.yaml", "--out", str(out), *options], folder=desk).code == 0
    (program,) = blocks(ROOT / "docs" / "run-folder.md", "python")
    program, places = re.subn(r'"runs/[^"]*/run\.hlog"', repr(str(out / "run.hlog")), program)
    assert places == 1
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"[\d.]+\s*.*\n", ended.stdout)
