"""The support matrix: made from the program's own tables, and docs/support.md is its output."""

from __future__ import annotations

from pathlib import Path

import pytest

from simfleet.cli.main import main
from simfleet.cli.support import rows_of, support
from simfleet.csms.answers import ANSWERS
from simfleet.ocpp.v16 import V16
from simfleet.station.dialects import DIALECTS

PAGE = Path(__file__).parents[2] / "docs" / "support.md"


def test_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["support"]) == 0
    assert capsys.readouterr().out == PAGE.read_text() == support()


@pytest.mark.parametrize("version", DIALECTS)
def test_every_message_of_a_version_has_its_row(version: str) -> None:
    actions = DIALECTS[version].catalog.actions
    assert sorted(row.action for row in rows_of(version)) == sorted(actions)


def test_nothing_of_1_6_is_left_out_on_either_side() -> None:
    missing = [row.action for row in rows_of("ocpp1.6") if "-" in (row.station, row.csms)]
    assert missing == []
    assert len(rows_of("ocpp1.6")) == 39


@pytest.mark.parametrize(("version", "messages"), [("ocpp2.0.1", 64), ("ocpp2.1", 91)])
def test_nothing_of_2_x_is_left_out_on_either_side(version: str, messages: int) -> None:
    missing = [row.action for row in rows_of(version) if "-" in (row.station, row.csms)]
    assert missing == []
    assert len(rows_of(version)) == messages


def test_data_transfer_goes_both_ways() -> None:
    [row] = [row for row in rows_of("ocpp1.6") if row.action == "DataTransfer"]
    assert row.station == "sends, answers"
    assert row.csms == "answers, sends"


def test_a_message_without_code_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = DIALECTS["ocpp1.6"]
    code = {k: v for k, v in dialect.station_code().items() if k not in ("Heartbeat", "Reset")}
    monkeypatch.setattr(type(dialect), "station_code", lambda _: code)
    monkeypatch.delitem(ANSWERS, V16.actions["Authorize"].request)
    rows = {row.action: row for row in rows_of("ocpp1.6")}
    assert (rows["Heartbeat"].station, rows["Heartbeat"].csms) == ("-", "answers")
    assert (rows["Reset"].station, rows["Reset"].csms) == ("-", "sends")
    assert rows["Authorize"].csms == "-"
    assert "| Reset | Core | - | sends |  |" in support()
