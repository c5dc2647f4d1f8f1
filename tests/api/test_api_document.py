"""docs/api.md is kept honest: it names every endpoint, and its examples do what they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import trio

from builders_examples import DOCUMENT, assert_shaped_like, examples
from builders_http import an_app
from simfleet.api.app import RESOURCES
from simfleet.api.openapi import routes_of

if TYPE_CHECKING:
    from builders_api import Answer, Lab
    from builders_examples import Example


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
