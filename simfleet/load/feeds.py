"""Data files of a scenario: CSV with a header, or a JSON object a line (`.jsonl`).

Read whole, bounded, and checked row by row, so that every mistake has its file and line before
anything is started.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.documents.kinds import did_you_mean
from simfleet.documents.nodes import Place, Report
from simfleet.documents.quantities import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

ROWS_MAX: Final = 10_000
BYTES_MAX: Final = 4 * 1024 * 1024
CELL_MAX: Final = 1_000
"""Characters of one cell."""
TOLD_MAX: Final = 10
"""Bad rows of one file that are told of; of more only how many there are."""
SUFFIXES: Final = (".csv", ".jsonl")


class Table(Struct, frozen=True):
    """The columns that were asked for, in the order of the rows, and where each row stands."""

    columns: dict[str, tuple[str, ...]]
    lines: tuple[int, ...]
    sha256: str
    source: str

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.lines)

    def place(self, row: int) -> Place:
        """Where a row, counted from 0, was written."""
        return Place(self.source, self.lines[row], 1)


class _Bad(Exception):
    """What is wrong with a line: (line, message)."""


def read_table(
    path: Path,
    checks: Mapping[str, Callable[[str], str | None]],
    *,
    place: Place,
    at: str,
    report: Report,
) -> Table | None:
    """The columns in `checks`, each cell examined by its function, which says what is wrong.

    None once something was reported: the file at `place` (`at` is the path there), its rows at
    their own.
    """
    source = str(path)
    try:
        content = _content(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        report(place, at, f"cannot read {source!r}: {reason}")
        return None
    told = _Told(source, report)
    rows = _csv_rows if path.suffix.lower() == ".csv" else _json_rows
    kept: dict[str, list[str]] = {name: [] for name in checks}
    lines: list[int] = []
    try:
        for line, row in rows(content.decode("utf-8-sig"), list(checks)):
            if len(lines) >= ROWS_MAX:
                raise _Bad(line, f"more than {ROWS_MAX} rows; a run has no more chargers")
            lines.append(line)
            for name, check in checks.items():
                cell = row.get(name)
                kept[name].append(cell or "")
                if problem := _problem(row, name, check):
                    told.report(line, problem)
                    break
    except UnicodeDecodeError as error:
        told.report(content[: error.start].count(b"\n") + 1, "not UTF-8 text")
    except _Bad as bad:
        told.report(*bad.args)
    if not lines and not told.count:
        told.report(1, "there are no rows")
    told.finish()
    if told.count:
        return None
    columns = {name: tuple(cells) for name, cells in kept.items()}
    return Table(columns, tuple(lines), hashlib.sha256(content).hexdigest(), source)


def _problem(row: Mapping[str, str], name: str, check: Callable[[str], str | None]) -> str | None:
    cell = row.get(name)
    if cell is None:
        return f"the row has no {name!r}"
    if not cell:
        return f"{name!r} is empty"
    if len(cell) > CELL_MAX:
        return f"{name!r} is longer than {CELL_MAX} characters"
    problem = check(cell)
    return None if problem is None else f"{name}: {problem}"


class _Told:
    """Reports on the lines of one file, the first few of them."""

    def __init__(self, source: str, report: Report) -> None:
        self._source = source
        self._report = report
        self._last = 0
        self.count = 0

    def report(self, line: int, message: str) -> None:
        self.count += 1
        self._last = line
        if self.count <= TOLD_MAX:
            self._report(Place(self._source, line, 1), "", message)

    def finish(self) -> None:
        if self.count > TOLD_MAX:
            place = Place(self._source, self._last, 1)
            self._report(place, "", f"{self.count - TOLD_MAX} more bad rows up to here")


def _content(path: Path) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"data is in files that end in {' or '.join(SUFFIXES)}")
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(BYTES_MAX + 1)
    if len(content) > BYTES_MAX:
        raise ValueError(f"it is larger than {BYTES_MAX >> 20} MiB")
    return content


def _csv_rows(text: str, wanted: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells of each row. Blank lines at the end are none."""
    lines = text.rstrip("\r\n")
    reader = csv.reader(io.StringIO(lines, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_columns(header, wanted)
        begins = reader.line_num + 1
        for cells in reader:
            if not cells:
                raise _Bad(begins, "the line is empty")
            if len(cells) != len(header):
                raise _Bad(begins, f"{len(cells)} cells where the header has {len(header)}")
            yield begins, dict(zip(header, (cell.strip() for cell in cells), strict=True))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _Bad(max(1, reader.line_num), f"not CSV: {error}") from None


def _check_columns(header: list[str], wanted: list[str]) -> None:
    doubles = sorted({name for name in header if header.count(name) > 1})
    if doubles:
        raise _Bad(1, f"the header has {doubles[0]!r} twice")
    for name in wanted:
        if name not in header:
            columns = ", ".join(header[:20]) or "nothing"
            near = did_you_mean(name, header)
            raise _Bad(1, f"there is no column {shown(name)}; the header has {columns}{near}")


def _json_rows(text: str, wanted: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.rstrip().split("\n"), start=1):
        if not line.strip():
            if text.strip():
                raise _Bad(number, "the line is empty")
            return
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            message = error.msg if isinstance(error, json.JSONDecodeError) else "too much"
            raise _Bad(number, f"not JSON: {message}") from None
        if not isinstance(row, dict):
            raise _Bad(number, "a JSON object is expected on every line")
        yield number, {name: _text(number, name, row[name]) for name in wanted if name in row}


def _text(line: int, name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _Bad(line, f"{name!r} is neither text nor a whole number")
