"""What a run folder holds, read for a report: whatever is damaged is left out and said.

Nothing here trusts a file: it may be of another version, cut off by a full disk, or edited.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from simfleet.load.results.columns import ACTION_COLUMNS, ACTIONS, TIMELINE, TIMELINE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE_MAX_BYTES: Final = 256 * 2**20
"""Read of a table; a bounded run writes a tenth of it."""
PROBLEMS_READ: Final = 20_000
"""Lines of `errors.jsonl`."""
LINE_MAX_CHARS: Final = 100_000
LATE_MAX_S: Final = 3.0
"""How much of a load may be missing at the end of `timeline.csv` before a report says so."""
_TEXTS: Final = frozenset({"at", "stage", "action"})
_COUNTS_FIRST: Final = 40


class Block:
    """A part of `summary.json` or `manifest.json`, whatever it really is: a name that is missing,
    or is not what it should be, is None or empty.
    """

    __slots__ = ("content",)

    def __init__(self, content: object) -> None:
        self.content: dict[str, Any] = content if isinstance(content, dict) else {}

    def __bool__(self) -> bool:
        return bool(self.content)

    def value(self, *names: str) -> Any:
        """Whatever is there, by the names that lead to it."""
        found: Any = self.content
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def number(self, *names: str) -> float | None:
        """A finite number."""
        found = self.value(*names)
        if isinstance(found, bool) or not isinstance(found, int | float):
            return None
        return float(found) if math.isfinite(found) else None

    def word(self, *names: str) -> str:
        """A text."""
        found = self.value(*names)
        return found if isinstance(found, str) else ""

    def block(self, *names: str) -> Block:
        """A part of it."""
        return Block(self.value(*names))

    def blocks(self, *names: str) -> list[Block]:
        """A list of parts."""
        found = self.value(*names)
        return (
            [Block(one) for one in found if isinstance(one, dict)]
            if isinstance(found, list)
            else []
        )

    def words(self, *names: str) -> list[str]:
        """A list of texts."""
        found = self.value(*names)
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

    def counts(self, *names: str) -> dict[str, float]:
        """Numbers by name."""
        found = self.block(*names)
        numbers = ((str(name), found.number(name)) for name in found.content)
        return {name: number for name, number in numbers if number is not None}


class Table(Struct, frozen=True):
    """Columns of numbers and of texts, all of the same length."""

    numbers: Mapping[str, Sequence[float]]
    texts: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return len(next(iter(self.numbers.values()), ()))

    def column(self, name: str) -> Sequence[float]:
        """A column, empty if the file has none of that name."""
        return self.numbers.get(name, ())


class RunFiles(Struct, frozen=True):
    """A run folder. `missing` are sentences about what could not be read."""

    summary: Block
    manifest: Block
    timeline: Table
    actions: Mapping[str, Table]
    problems: list[Block]
    """The first lines of `errors.jsonl`."""
    kinds: Mapping[str, int]
    """Problems of `errors.jsonl` by kind."""
    missing: list[str]


def read_folder(path: Path, summary: Mapping[str, Any] | None = None) -> RunFiles:
    """Read everything but `run.hlog`. `summary` is the content of `summary.json`, if known."""
    missing: list[str] = []
    if summary is None:
        summary = read_json(path / "summary.json", missing)
    manifest = read_json(path / "manifest.json", missing)
    timeline = _table(path / TIMELINE, TIMELINE_COLUMNS, missing)
    ended_s = Block(summary).number("load_s") or 0.0
    last_s = max(timeline.column("t_s"), default=0.0)
    if len(timeline) and ended_s - last_s > LATE_MAX_S + max(timeline.column("lasts_s"), default=0):
        missing.append(f"{TIMELINE} ends {last_s:.0f} s into a load of {ended_s:.0f} s.")
    actions = _by_action(_table(path / ACTIONS, ACTION_COLUMNS, missing))
    problems, kinds = _problems(path / "errors.jsonl", missing)
    return RunFiles(Block(summary), Block(manifest), timeline, actions, problems, kinds, missing)


def read_json(path: Path, missing: list[str]) -> dict[str, Any]:
    """An object of a JSON file; empty, and a sentence in `missing`, if there is none."""
    try:
        content = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        missing.append(f"{path.name} cannot be read: {error.strerror or error}.")
    except (ValueError, RecursionError) as error:
        missing.append(f"{path.name} is damaged: {str(error)[:200]}.")
    else:
        if isinstance(content, dict):
            return content
        missing.append(f"{path.name} is damaged: it holds no object.")
    return {}


def _lines(path: Path) -> Iterator[str]:
    left = TABLE_MAX_BYTES
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        while left > 0 and (line := file.readline(LINE_MAX_CHARS)):
            left -= len(line)
            yield line.replace("\0", "\ufffd")


def _table(path: Path, wanted: Sequence[str], missing: list[str]) -> Table:
    numbers: dict[str, array[float]] = {}
    texts: dict[str, list[str]] = {}
    skipped = 0
    try:
        rows = csv.reader(_lines(path))
        head = next(rows, [])
        places = {name: head.index(name) for name in wanted if name in head}
        if "t_s" not in places:
            missing.append(f"{path.name} has no column t_s: it is empty or damaged.")
            return Table({}, {})
        for name in places:
            if name in _TEXTS:
                texts[name] = []
            else:
                numbers[name] = array("d")
        for row in rows:
            if not _take(row, head, places, numbers, texts):
                skipped += 1
    except OSError as error:
        missing.append(f"{path.name} cannot be read: {error.strerror or error}.")
        return Table({}, {})
    except csv.Error as error:
        missing.append(f"{path.name} is damaged: {error}.")
    if skipped:
        missing.append(f"{path.name}: {skipped} damaged rows are left out.")
    lengths = [*map(len, numbers.values()), *map(len, texts.values())]
    length = min(lengths, default=0)
    return Table(
        {name: column[:length] for name, column in numbers.items()},
        {name: column[:length] for name, column in texts.items()},
    )


def _take(
    row: Sequence[str],
    head: Sequence[str],
    places: Mapping[str, int],
    numbers: Mapping[str, array[float]],
    texts: Mapping[str, list[str]],
) -> bool:
    """Put a row into the columns, the whole of it or nothing."""
    if len(row) != len(head):
        return False
    try:
        values = {name: float(row[places[name]]) for name in numbers}
    except ValueError:
        return False
    if not all(map(math.isfinite, values.values())):
        return False
    for name, value in values.items():
        numbers[name].append(value)
    for name, column in texts.items():
        column.append(row[places[name]])
    return True


def _by_action(table: Table) -> dict[str, Table]:
    names = table.texts.get("action", ())
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return {
        name: Table(
            {column: [values[row] for row in chosen] for column, values in table.numbers.items()},
            {},
        )
        for name, chosen in rows.items()
    }


def _problems(path: Path, missing: list[str]) -> tuple[list[Block], Counter[str]]:
    kept: list[Block] = []
    kinds: Counter[str] = Counter()
    damaged = 0
    try:
        for number, line in enumerate(_lines(path)):
            if number >= PROBLEMS_READ:
                break
            try:
                block = Block(msgspec.json.decode(line))
            except (ValueError, RecursionError):
                block = Block(None)
            if not block:
                damaged += 1
                continue
            kind = block.word("kind")
            kinds[kind] += 1
            if kind != "more" and (len(kept) < _COUNTS_FIRST or kinds[kind] <= 3):
                kept.append(block)
    except OSError as error:
        missing.append(f"{path.name} cannot be read: {error.strerror or error}.")
    if damaged:
        missing.append(f"{path.name}: {damaged} damaged lines are left out.")
    return kept, kinds
