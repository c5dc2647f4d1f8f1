"""Data files into the slices that name them, and what a slice leaves to the whole scenario.

Works on Drafts, so that every mistake has a place; afterwards a slice has its count, its rows, its
pool of tags, and a behaviour that is complete.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from simfleet.documents.fields import Draft, fields_of, missing
from simfleet.documents.kinds import BAD
from simfleet.documents.quantities import shown
from simfleet.load.feed_fields import PASSWORD, TAG_LENGTH_MAX, Rows, TagFile, Tags
from simfleet.load.feeds import Table, read_table
from simfleet.load.identities import identity_problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simfleet.documents.nodes import Report

TAG_MAX_16: Final = 20
"""Characters of an idTag of OCPP 1.6."""


class SliceData:
    """Puts data into the slices of one scenario; afterwards `files` has the SHA-256 of each data
    file, and `passwords` what the redactor has to know.
    """

    def __init__(self, folder: Path | None, report: Report) -> None:
        self.files: dict[str, str] = {}
        self.passwords: list[str] = []
        self._folder = folder
        self._report = report

    def put_in(self, draft: Draft) -> None:
        """All slices of a scenario being read, which may be BAD or have gaps."""
        fleet: Any = BAD if draft is BAD else draft.get("fleet")
        for item in () if fleet is BAD else fleet:
            if item is not BAD:
                self._data(item)
                self._tags(item)
                _behave(item, draft)

    # ── data ────────────────────────────────────────────────────────────────────────────────────

    def _data(self, item: Draft) -> None:
        data = item.get("data")
        if data is None or data is BAD:
            return
        wanted = [name for name in ("identity", "id_tag", "password") if data.get(name)]
        if not wanted and not any(data.get(name) is BAD for name in ("identity", "id_tag")):
            self._refuse(item, "data", "names no column; write identity, id_tag or password")
            return
        if data.get("identity") is None and "id_pattern" not in item.places:
            field = fields_of(item.struct)["id"]
            self._report(item.place, item.path, missing(field))
        if data.get("identity") and "id_pattern" in item.places:
            message = "the identities come from data.identity; leave one of the two out"
            self._report(item.place_of("id_pattern"), f"{item.path}.id", message)
        if any(data.get(name) is BAD for name in ("file", "identity", "id_tag", "password")):
            del item.values["data"]
            return
        table = self._table(
            data, {data.get(name): _check_of(name, item) for name in wanted}, item, "data"
        )
        if table is None or not self._check_rows(table, data, item):
            del item.values["data"]
            return
        rows = Rows(table.count, table.sha256)
        rows.keep(**{name: table.columns[data.get(name)] for name in wanted})
        self.passwords += rows.column("password")
        data.values["rows"] = rows
        if data.get("identity"):
            item.values["id_pattern"] = ""

    def _check_rows(self, table: Table, data: Draft, item: Draft) -> bool:
        """Whether there are enough rows, each of a charger of its own; sets the count."""
        good = True
        first: dict[str, int] = {}
        for row, identity in enumerate(table.columns.get(data.get("identity"), ())):
            before = first.setdefault(identity, row)
            if before != row:
                line = table.lines[before]
                message = f"{identity!r} is on line {line} already; identities are unique in a run"
                self._report(table.place(row), "", message)
                good = False
        if "count" not in item.places:
            item.values["count"] = table.count
        count = item.get("count")
        if count is not BAD and count > table.count:
            message = f"{count} chargers, but {table.source} has {table.count} rows"
            self._report(item.place_of("count"), f"{item.path}.count", f"{message}; write fewer")
            good = False
        return good

    def _table(
        self, named: Draft, checks: dict[str, Callable[[str], str | None]], item: Draft, key: str
    ) -> Table | None:
        path = f"{item.path}.{key}.file"
        place = named.place_of("file")
        if self._folder is None:
            message = "a scenario that is no file can name no file; write the values themselves"
            self._report(place, path, message)
            return None
        file = self._folder / named.get("file")
        table = read_table(file, checks, place=place, at=path, report=self._report)
        if table is not None:
            self.files[str(file)] = table.sha256
        return table

    def _refuse(self, item: Draft, key: str, message: str) -> None:
        self._report(item.place_of(key), f"{item.path}.{key}", message)
        del item.values[key]

    # ── tags ────────────────────────────────────────────────────────────────────────────────────

    def _tags(self, item: Draft) -> None:
        named = item.get("id_tags")
        if named is None or named is BAD:
            return
        data = item.get("data")
        if isinstance(data, Draft) and data.get("id_tag"):
            message = "the tags come from data.id_tag; leave one of the two out"
            self._refuse(item, "id_tags", message)
            return
        if isinstance(named, Draft):
            tags = self._filed(named, item)
            if tags is None:
                del item.values["id_tags"]
                return
            item.values["id_tags"] = tags
        elif problem := _too_long(named, item):
            self._refuse(item, "id_tags", problem)

    def _filed(self, named: Draft, item: Draft) -> Tags | None:
        if named.get("file") is BAD or named.get("column") is BAD:
            return None
        column = named.get("column")
        table = self._table(named, {column: _check_of("id_tag", item)}, item, "id_tags")
        if table is None:
            return None
        rows = Rows(table.count, table.sha256)
        rows.keep(tags=table.columns[column])
        return Tags(filed=TagFile(file=named.get("file"), column=column, rows=rows))


def _check_of(name: str, item: Draft) -> Callable[[str], str | None]:
    if name == "identity":
        return identity_problem
    if name == "password":
        return _password_problem
    return partial(_tag_problem, longest=_tag_max(item))


def _tag_max(item: Draft) -> int:
    return TAG_MAX_16 if item.get("version") == "ocpp1.6" else TAG_LENGTH_MAX


def _tag_problem(tag: str, *, longest: int) -> str | None:
    if len(tag) > longest:
        return f"{shown(tag)} has {len(tag)} characters; a tag has at most {longest}"
    if not tag.isprintable():
        return f"{shown(tag)} has characters that are not printable"
    return None


def _password_problem(password: str) -> str | None:
    """Without the password."""
    try:
        PASSWORD.parse(password)
    except ValueError:
        return f"not accepted; write {PASSWORD.accepts}"
    return None


def _too_long(tags: Tags, item: Draft) -> str | None:
    count = item.get("count")
    longest = _tag_max(item)
    for tag in tags.all(1 if count is BAD else count):
        if problem := _tag_problem(tag, longest=longest):
            return problem
    return None


def _behave(item: Draft, draft: Draft) -> None:
    """A slice's own behaviour has what it does not say from the scenario's."""
    own: Any = item.get("behaviour")
    if not isinstance(own, Draft):
        return
    common: Any = draft.get("behaviour")
    for field in fields_of(own.struct).values():
        name = field.attribute
        if name in own.places:
            continue
        value = common.get(name) if isinstance(common, Draft) else field.default
        if value is not BAD:
            own.values[name] = value
