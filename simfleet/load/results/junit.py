"""`junit.xml`: a run as CI systems show tests.

One test suite per kind of demand, one test case per demand: thresholds, scripted cases, the checks
of the ledger, and whether the generator kept up. A failed demand is a `failure`; a run that proves
nothing (an INVALID generator, a broken ledger, a lost target) is an `error`, since it is not the
CSMS that failed.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from simfleet.load.results.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JUNIT: Final = "junit.xml"
_NOT_XML: Final = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # characters that no XML 1.0 document may hold, escaped or not
_ERRORS: Final = frozenset({"invalid", "ledger_broken", "target_lost", "interrupted"})
NAME_MAX_CHARS: Final = 300
MESSAGE_MAX_CHARS: Final = 1_000
TEXT_MAX_CHARS: Final = 10_000
TEXTS_MAX: Final = 200
"""Failed cases that are told with their frames, the others by their message: CI systems refuse
files of some ten megabytes.
"""


class _Demand(Struct, frozen=True):
    name: str
    passed: bool
    message: str = ""
    text: str = ""
    took_s: float = 0.0
    error: bool = False
    skipped: bool = False


def write_junit(path: Path, summary: Mapping[str, Any]) -> None:
    """Write the file into a run folder. Raises OSError."""
    write_whole(path / JUNIT, junit(summary))


def junit(summary: Mapping[str, Any]) -> bytes:
    """The document, from the content of a `summary.json`."""
    scenario = str(summary["scenario"])
    root = ET.Element("testsuites", {"name": _clean(f"simfleet {scenario}")})
    for name, demands in (
        ("run", list(_of_run(summary))),
        ("thresholds", list(_of_thresholds(summary))),
        ("cases", list(_of_cases(summary))),
        ("ledger", list(_of_ledger(summary))),
    ):
        if demands:
            _suite(root, scenario, name, demands, summary)
    totals = {
        key: str(sum(int(suite.attrib[key]) for suite in root))
        for key in ("tests", "failures", "errors", "skipped")
    }
    root.attrib.update(totals, time=f"{summary.get('load_s', 0.0):.3f}")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(
    root: ET.Element,
    scenario: str,
    name: str,
    demands: list[_Demand],
    summary: Mapping[str, Any],
) -> None:
    suite = ET.SubElement(root, "testsuite")
    suite.attrib.update(
        name=_clean(f"{scenario}.{name}"),
        tests=str(len(demands)),
        failures=str(sum(not one.passed and not one.error for one in demands)),
        errors=str(sum(not one.passed and one.error for one in demands)),
        skipped=str(sum(one.skipped for one in demands)),
        time=f"{sum(one.took_s for one in demands):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    said = {key: str(summary.get(key, "")) for key in ("seed", "target")}
    left_out = (summary.get("case_totals") or {}).get("left_out")
    if name == "cases" and left_out:
        said["results left out"] = str(left_out)
    for key, value in said.items():
        ET.SubElement(properties, "property", {"name": key, "value": _clean(value)})
    for demand in demands:
        case = ET.SubElement(suite, "testcase")
        case.attrib.update(
            classname=_clean(f"{scenario}.{name}"),
            name=_clean(demand.name, NAME_MAX_CHARS),
            time=f"{demand.took_s:.3f}",
        )
        if demand.skipped:
            message = _clean(demand.message, MESSAGE_MAX_CHARS)
            ET.SubElement(case, "skipped", {"message": message})
        elif not demand.passed:
            kind = "error" if demand.error else "failure"
            message = _clean(demand.message, MESSAGE_MAX_CHARS)
            found = ET.SubElement(case, kind, {"message": message, "type": name})
            found.text = _clean(demand.text, TEXT_MAX_CHARS) if demand.text else message


def _of_run(summary: Mapping[str, Any]) -> Iterator[_Demand]:
    """The verdict itself, so that a run without thresholds is a test as well."""
    verdict = summary["verdict"]
    result, reasons = verdict["result"], [str(reason) for reason in verdict["reasons"]]
    why = reasons[0] if reasons else "see summary.json"
    yield _Demand(
        "verdict",
        result == "passed",
        why if why.startswith(result) else f"{result}: {why}",
        "\n".join(reasons),
        took_s=float(summary.get("load_s", 0.0)),
        error=result in _ERRORS,
    )
    doubts = [one for one in reasons if one.startswith("generator ")]
    level = verdict["generator"]
    yield _Demand(
        "generator kept up",
        level != "INVALID",
        f"{level}: the times say more about the generator than about the CSMS",
        "\n".join(doubts),
        error=True,
    )


def _of_thresholds(summary: Mapping[str, Any]) -> Iterator[_Demand]:
    for threshold in summary.get("thresholds", ()):
        why = f" ({threshold['reason']})" if threshold.get("reason") else ""
        yield _Demand(
            f"{threshold['metric']} {threshold['limit']}",
            bool(threshold["passed"]),
            f"was {threshold['actual_text']}{why}",
        )


def _of_cases(summary: Mapping[str, Any]) -> Iterator[_Demand]:
    told = 0
    for case in summary.get("cases") or ():
        failed = case["result"] == "failed"
        told += failed
        yield _Demand(
            f"{case['name']} on {case['charger']}",
            not failed,
            str(case.get("message") or case["result"]),
            _story(case) if failed and told <= TEXTS_MAX else "",
            took_s=float(case.get("took_s") or 0.0),
            skipped=case["result"] == "skipped",
        )


def _story(case: Mapping[str, Any]) -> str:
    where = [f"at {case['failed_step']}"] if case.get("failed_step") else []
    lines = [str(case.get("message") or ""), *where, *map(str, case.get("frames") or ())]
    return "\n".join(line[:TEXT_MAX_CHARS] for line in lines)


def _of_ledger(summary: Mapping[str, Any]) -> Iterator[_Demand]:
    for check in (summary.get("ledger") or {}).get("checks") or ():
        yield _Demand(check["name"], bool(check["holds"]), str(check["detail"]), error=True)


def _clean(text: str, chars: int = MESSAGE_MAX_CHARS) -> str:
    """Text that any XML document may hold, not too long; what a CSMS sends may be anything."""
    text = text if len(text) <= chars else f"{text[: chars - 3]}..."
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
