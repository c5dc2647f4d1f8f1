"""What stations report in parts, put together and checked for completeness. Pure, bounded.

A report is known by its kind (the action that carries its parts) and requestId. Parts are numbered
from 0 where OCPP numbers them; `tbc` says that more is to come. The totals say what went wrong:

* `incomplete`: a report has begun and its last part has not come (yet)
* `gaps`: a part came whose number is not the next
* `repeated`: a part came again
* `unasked`: this CSMS has not asked for a report of that requestId
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORTS_MAX: Final = 16
"""Reports remembered per station, and requests for which none has come."""
ITEMS_MAX: Final = 100_000
"""Items kept of all reports of all stations; what comes then is only counted."""

KIND_OF: Final = {
    "GetBaseReport": "NotifyReport",
    "GetReport": "NotifyReport",
    "GetMonitoringReport": "NotifyMonitoringReport",
    "CustomerInformation": "NotifyCustomerInformation",
    "GetDisplayMessages": "NotifyDisplayMessages",
    "GetChargingProfiles": "ReportChargingProfiles",
    "GetDERControl": "ReportDERControl",
}
"""What carries the report that a message asks for."""
KINDS: Final = tuple(dict.fromkeys(KIND_OF.values()))


class Report:
    """One report of one station."""

    __slots__ = ("complete", "items", "items_kept", "kind", "next_seq_no", "parts", "request_id")

    def __init__(self, kind: str, request_id: int) -> None:
        self.kind = kind
        self.request_id = request_id
        self.parts = 0
        self.items = 0
        self.items_kept: list[Any] = []
        self.next_seq_no = 0
        self.complete = False


class StationReports:
    """The newest reports of one station, and what it was asked for."""

    __slots__ = ("asked", "reports")

    def __init__(self) -> None:
        self.reports: dict[tuple[str, int], Report] = {}
        self.asked: dict[tuple[str, int], None] = {}

    def ask(self, kind: str, request_id: int) -> None:
        """The station is asked for a report: what was reported under that number before is over."""
        self.reports.pop((kind, request_id), None)
        self.asked[kind, request_id] = None
        if len(self.asked) > REPORTS_MAX:
            del self.asked[next(iter(self.asked))]


class ReportTotals:
    """Counts over all stations, by kind."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}
        self.kept = 0

    def note(
        self,
        station: StationReports,
        kind: str,
        *,
        request_id: int,
        seq_no: int | None,
        tbc: bool | None,
        items: Sequence[Any],
    ) -> None:
        """Take one part; `seq_no` is None where the parts have no numbers."""
        counts = self._of(kind)
        report = station.reports.get((kind, request_id))
        if report is not None and seq_no is not None and 0 <= seq_no < report.next_seq_no:
            counts["repeated"] += 1
            return
        if report is None or report.complete:
            report = self._begun(station, kind, request_id)
        counts["parts"] += 1
        counts["items"] += len(items)
        if seq_no is not None:
            counts["gaps"] += seq_no != report.next_seq_no
            report.next_seq_no = seq_no + 1
        report.parts += 1
        report.items += len(items)
        room = max(0, ITEMS_MAX - self.kept)
        report.items_kept += items[:room]
        self.kept += min(room, len(items))
        if not tbc:
            report.complete = True
            counts["complete"] += 1
            counts["incomplete"] -= 1

    def _begun(self, station: StationReports, kind: str, request_id: int) -> Report:
        counts, key = self._of(kind), (kind, request_id)
        counts["unasked"] += key not in station.asked
        counts["incomplete"] += 1
        older = station.reports.pop(key, None)
        if older is None and len(station.reports) >= REPORTS_MAX:
            older = station.reports.pop(next(iter(station.reports)))
        if older is not None:
            self.kept -= len(older.items_kept)
        report = station.reports[key] = Report(kind, request_id)
        return report

    def _of(self, kind: str) -> dict[str, int]:
        names = ("complete", "incomplete", "parts", "items", "gaps", "repeated", "unasked")
        return self.counts.setdefault(kind, dict.fromkeys(names, 0))

    def ledger(self) -> dict[str, object]:
        """All of it as JSON values."""
        return {kind: dict(counts) for kind, counts in sorted(self.counts.items())}
