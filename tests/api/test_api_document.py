"""docs/api.md is kept honest: it names every endpoint, and its examples do what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import trio

from builders_http import an_app
from simfleet.api.app import RESOURCES
from simfleet.api.openapi import routes_of

if TYPE_CHECKING:
    from builders_api import Answer, Lab

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PREFIX = "$SIM"


class Example(NamedTuple):
    """One curl command of the document, and the JSON shown after it."""

    line: str
    status: int
    shown: Any

    def arguments(self) -> tuple[str, str, dict[str, str], bytes | None]:
        """Method, path with query, headers and body."""
        words = iter(shlex.split(self.line)[1:])
        method, path, headers, body = "GET", "", {}, None
        for word in words:
            match word:
                case "-X":
                    method = next(words)
                case "-H":
                    name, _, value = next(words).partition(": ")
                    headers[name] = value
                case "-d" | "--data-binary":
                    body = next(words).encode()
                case "-N" | "-OJ":
                    pass
                case _:
                    path = word.removeprefix(PREFIX)
        return method, path, headers, body


def examples() -> list[Example]:
    found: list[Example] = []
    for block in re.finditer(r"```(sh|json)\n(.*?)```", DOCUMENT, re.DOTALL):
        kind, text = block.groups()
        if kind == "json":
            found[-1] = found[-1]._replace(shown=msgspec.json.decode(text))
            continue
        for command in re.findall(r"^curl .*?# *\d{3}$", text, re.MULTILINE | re.DOTALL):
            line, _, status = command.rpartition("#")
            found.append(Example(line.replace("\\\n", " ").strip(), int(status), None))
    return found


def assert_shaped_like(found: Any, shown: Any) -> None:
    """`found` has the keys of `shown`, in order (or some of them), and values of the same types."""
    if isinstance(shown, dict):
        assert list(found)[: len(shown)] == list(shown), (found, shown)
        for key, value in shown.items():
            assert_shaped_like(found[key], value)
    elif isinstance(shown, list):
        for one, like in zip(found, shown, strict=False):
            assert_shaped_like(one, like)
        assert len(found) >= len(shown)
    else:
        assert type(found) is type(shown), (found, shown)


async def test_every_endpoint_has_its_heading_and_no_other() -> None:
    headings = re.findall(r"^### (GET|POST|PUT|DELETE) (/\S+)$", DOCUMENT, re.MULTILINE)
    app = an_app(*RESOURCES)
    routes = {
        (route.method, route.path)
        for route in routes_of(app)
        if route.path.startswith("/api/") and route.tag != "things"
    }
    assert len(headings) == len(set(headings))
    assert set(headings) == routes


async def test_every_heading_has_an_example_of_it() -> None:
    sections = re.split(r"^### ", DOCUMENT, flags=re.MULTILINE)[1:]
    for section in sections:
        method, path = section.split("\n", 1)[0].split(" ")
        pattern = re.sub(r"\\\{\w+\\\}", r"[^/?\"]+", re.escape(path)) + r"(?=[\s\"?]|$)"
        commands = re.findall(r"^curl .*?# *\d{3}$", section, re.MULTILINE | re.DOTALL)
        assert any(
            re.search(pattern, command) and (method == "GET" or f"-X {method}" in command)
            for command in commands
        ), section[:80]


async def _ask(lab: Lab, example: Example) -> Answer:
    method, path, headers, body = example.arguments()
    headers = {name: value.replace("$KEY", lab.alice.key) for name, value in headers.items()}
    path = path.replace("$KEY", lab.alice.key)
    return await lab.alice.ask(method, path, content=body, headers=headers)


async def test_examples_answer_what_the_document_says(lab: Lab) -> None:
    ran = 0
    for example in examples():
        path = example.arguments()[1]
        if "/api/runs" in path or path.endswith("/stream"):  # see the tests of runs and streams
            continue
        answer = await _ask(lab, example)
        assert answer.status == example.status, (example.line, answer.body)
        if example.shown is not None:
            assert_shaped_like(answer.body, example.shown)
        await _settle(lab, path)
        ran += 1
    assert ran > 35


async def _settle(lab: Lab, path: str) -> None:
    """Wait for what a reader would wait for before the next command."""
    name = path.rsplit("/", 1)[-1]
    match name:
        case "mode" | "stop":
            if "mass-charger" not in path:
                await lab.alice.charger_when("SIM-AC-001", connected=True, status="Available")
        case "start":
            await lab.alice.charger_when("SIM-AC-001", transaction_id=lambda it: it is not None)
        case "actions" | "error":
            await trio.sleep(0.1)
        case _:
            pass
