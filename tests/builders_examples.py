"""The examples of docs/api.md: curl commands, and the JSON that is shown after them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

DOCUMENT = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
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
