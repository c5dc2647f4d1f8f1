"""What a run must not tell: the values of its secrets, taken out of everything it writes.

A `Redactor` knows every secret value of a run, in all the forms in which text can carry it: as it
is, escaped for JSON, for Python and for HTML, percent-encoded, in hexadecimal (AuthorizationKey),
in base64 (HTTP Basic authentication), and cut off by somebody who shortens texts. A value that
came from a variable is replaced by `${NAME}`, any other by `***`.
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, quote_plus

from simfleet.errors import SimFleetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HIDDEN: Final = "***"
"""What is shown instead of a secret that has no name."""
HEAD: Final = 6
"""Characters by which longer secrets are found. A shorter secret is taken out only where no letter
or digit adjoins, or else a password `a` would leave nothing of any text."""
KEY_MIN: Final = 8
"""Secrets shorter than this are left in the keys of mappings, which are mostly our own words."""
_HEADS_IN_PATTERN_MAX: Final = 64
_CUT: Final = ("...", "…", "'", '"')
"""What follows a text that was shortened."""


class Redactor:
    """See the module. Without secrets, `clean` gives back the very text."""

    __slots__ = ("_by_head", "_keys", "_pattern", "_shorts", "_values")

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        """Every form of every secret, and what is shown instead."""
        self._by_head: dict[str, list[str]] = {}
        self._shorts: re.Pattern[str] | None = None
        self._pattern: re.Pattern[str] | None = None
        self._keys = False

    @classmethod
    def of(cls, secrets: Iterable[str] = (), named: Mapping[str, str] | None = None) -> Self:
        """A redactor of these values; `named` maps variables to theirs."""
        made = cls()
        for name, value in (named or {}).items():
            made._learn(value, f"${{{name}}}")
        for value in secrets:
            made._learn(value, HIDDEN)
        made._prepare()
        return made

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn more values. Shown is what was learned first."""
        for value in secrets:
            self._learn(value, HIDDEN)
        self._prepare()

    def _learn(self, value: str, shown: str) -> None:
        if value and value != HIDDEN:
            for form in _forms(value):
                self._values.setdefault(form, shown)

    def _prepare(self) -> None:
        self._by_head = {}
        shorts = sorted((one for one in self._values if len(one) < HEAD), key=len, reverse=True)
        for value in sorted(self._values, key=len, reverse=True):
            if len(value) >= HEAD:
                self._by_head.setdefault(value[:HEAD], []).append(value)
        if shorts:
            either = "|".join(map(re.escape, shorts))
            self._shorts = re.compile(rf"(?<![^\W_])(?:{either})(?![^\W_])")
        if 0 < len(self._by_head) <= _HEADS_IN_PATTERN_MAX:
            self._pattern = re.compile("|".join(map(re.escape, self._by_head)))
        else:
            self._pattern = None
        self._keys = any(len(value) >= KEY_MIN for value in self._values)

    # ── text ────────────────────────────────────────────────────────────────────────────────────

    def clean(self, text: str) -> str:
        """The text without secrets."""
        if not self._values or not text:
            return text
        if self._by_head:
            text = self._without_long(text)
        if self._shorts is not None:
            text = self._shorts.sub(lambda found: self._values[found[0]], text)
        return text

    def _without_long(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        for start in self._heads(text):
            if start < done:
                continue
            found = self._at(text, start)
            if found is not None:
                end, shown = found
                parts += (text[done:start], shown)
                done = end
        return "".join([*parts, text[done:]]) if parts else text

    def _heads(self, text: str) -> Iterator[int]:
        """Where a secret may begin."""
        if self._pattern is None:
            heads = self._by_head
            yield from (n for n in range(len(text) - HEAD + 1) if text[n : n + HEAD] in heads)
            return
        at = 0
        while (found := self._pattern.search(text, at)) is not None:
            yield found.start()
            at = found.start() + 1

    def _at(self, text: str, start: int) -> tuple[int, str] | None:
        """The end of the secret that begins there, whole or cut off, and what to show."""
        candidates = self._by_head[text[start : start + HEAD]]
        for value in candidates:
            if text.startswith(value, start):
                return start + len(value), self._values[value]
        for value in candidates:
            end = start + _alike(text, start, value)
            if end == len(text) or text.startswith(_CUT, end):
                return end, self._values[value]
        return None

    # ── data ────────────────────────────────────────────────────────────────────────────────────

    def clean_tree(self, data: Any) -> Any:
        """Data as JSON has it (`msgspec.to_builtins`), every text of it without secrets."""
        if not self._values:
            return data
        if isinstance(data, str):
            return self.clean(data)
        if isinstance(data, dict):
            return {self._clean_key(key): self.clean_tree(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self.clean_tree(item) for item in data]
        return data

    def _clean_key(self, key: Any) -> Any:
        if not self._keys or not isinstance(key, str) or len(key) < KEY_MIN:
            return key
        return self._without_long(key) if self._by_head else key


def clean_error(error: BaseException, redactor: Redactor) -> None:
    """Take the secrets out of the texts of an error of ours, and of those that led to it."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        left += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions
        elif isinstance(one, SimFleetError):
            one.args = tuple(redactor.clean(a) if isinstance(a, str) else a for a in one.args)


def _forms(value: str) -> Iterator[str]:
    """The value as texts carry it."""
    raw = value.encode("utf-8", "surrogatepass")
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield html.escape(value)
    yield quote(value, safe="", errors="replace")
    yield quote_plus(value, errors="replace")
    if len(raw) >= HEAD:
        yield raw.hex()
        yield raw.hex().upper()
        yield base64.b64encode(raw).decode("ascii").rstrip("=")


def _alike(text: str, start: int, value: str) -> int:
    """How many characters of the value stand at `start`."""
    length = min(len(value), len(text) - start)
    for n in range(HEAD, length):
        if text[start + n] != value[n]:
            return n
    return length
