"""Scripted cases carried out in a virtual world: each step, and what a failed one says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from builders_storms import virtually
from simfleet.documents.fields import fields_of
from simfleet.load.cases.fields import Case
from simfleet.load.cases.steps import (
    FLAT_STEPS,
    Assert,
    CsmsStep,
    Disconnect,
    Expect,
    Plug,
    PowerCycle,
    Set,
    Start,
    Stop,
    Until,
)
from simfleet.load.run_folder import manifest
from simfleet.load.scenario import parse_scenario

ROOT = Path(__file__).parents[2]


def a_case(
    steps: str, *, version: str = "ocpp1.6", name: str = "one", to: str = "charger: T-1"
) -> str:
    return f"""\
schema: 1
name: tiny
seed: 3
fleet:
  - {{name: t, count: 4, id: "T-{{n}}", version: {version}, reboot_time: 1s,
      configuration: {{MeterValueSampleInterval: 1}}}}
stages:
  - {{do: ramp, to: 4, over: 1s, mode: connect}}
  - {{do: cases, within: 2m}}
  - {{do: stop, over: 1s}}
cases:
  - name: {name}
    {to}
    steps: [{steps}]
"""


def outcome(text: str, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first result, and the summary."""
    summary = virtually(parse_scenario(text.encode()), path / "run")
    return summary["cases"][0], summary


START_16 = "start, until: {transaction: started}"
PASSING = {
    "plug and unplug": "plug, assert: {phase: Preparing}, unplug, until: {phase: Available}",
    "swipe": "plug, swipe: {id_tag: ABC}, expect: {sent: Authorize, where: {idTag: ABC}}",
    "authorize": "plug, authorize,"
    " expect: {reply_to: Authorize, where: {idTagInfo.status: Accepted}}",
    "start and stop": "start: {energy_kwh: 2}, {until: {transaction: started}}, {wait: 2s},"
    " stop: {reason: EmergencyStop},"
    " expect: {sent: StopTransaction, where: {reason: EmergencyStop}}",
    "set": "start, {expect: {sent: StartTransaction}}, set: {vehicle: suspended},"
    " {expect: {sent: StatusNotification, where: {status: SuspendedEV}}}, assert: {power_kw: 0}",
    "energy": "plug: {energy_kwh: 0.01, soc: 10%}, swipe,"
    " {expect: {sent: StopTransaction, where: {meterStop: 10}}}, until: {phase: Available}",
    "fault and clear": "fault: {kind: error_code, error_code: GroundFailure},"
    " {expect: {sent: StatusNotification, where: {status: Faulted}}}, clear,"
    " expect: {sent: StatusNotification, where: {status: Available}}",
    "power cycle": "power_cycle: {off_for: 3s}, {expect: {sent: BootNotification, within: 30s}},"
    " until: {online: true}",
    "disconnect for a while": "disconnect: {for: 5s}, assert: {online: false},"
    " until: {online: true, within: 20s}",
    "offline stop": "start, {until: {transaction: started}}, disconnect, {wait: 1s}, stop,"
    " {assert: {queued: '>= 1'}}, reconnect, {expect: {sent: StopTransaction, within: 20s}},"
    " until: {transaction: stopped}",
    "the CSMS": "csms: {send: RemoteStartTransaction, payload: {connectorId: 1, idTag: ZZ}}, plug,"
    " expect: {sent: StartTransaction, where: {idTag: $id_tag}}, {until: {transaction: started}},"
    " csms: {send: RemoteStopTransaction, payload: {transactionId: $transaction_id}},"
    " expect: {received: RemoteStopTransaction, where: {transactionId: present}}",
    "never": "plug, expect: {sent: StartTransaction, not: true, within: 5s}",
    "counts": "repeat: {times: 2, steps: [plug, unplug, {wait: 1s}]},"
    " assert: {sent: StatusNotification, where: {status: Available}, count: 2}",
    "an error": "csms: {send: DataTransfer, payload: {vendorId: x}, expect: any},"
    " assert: {reply_to: DataTransfer, where: {status: [UnknownVendorId, Rejected]}}",
}


def steps_of(text: str) -> str:
    """A list as YAML has it, of steps that are words or pairs."""
    parts, depth, part = [], 0, ""
    for letter in text:
        depth += (letter in "{[") - (letter in "}]")
        if letter == "," and not depth:
            parts.append(part.strip())
            part = ""
        else:
            part += letter
    parts.append(part.strip())
    return ", ".join(
        one if one.startswith("{") or ":" not in one else f"{{{one}}}" for one in parts
    )


@pytest.mark.parametrize("what", PASSING)
def test_a_step_does_what_it_says(what: str, tmp_path: Path) -> None:
    result, summary = outcome(a_case(steps_of(PASSING[what])), tmp_path)
    assert (result["result"], result["message"]) == ("passed", "")
    assert summary["verdict"]["result"] == "passed"
    assert summary["case_totals"] == {
        "total": 1, "passed": 1, "failed": 0, "skipped": 0, "left_out": 0
    }  # fmt: skip


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
def test_the_same_words_work_in_2x(version: str, tmp_path: Path) -> None:
    steps = (
        "start, {expect: {sent: TransactionEvent, where: {eventType: Started, evse.id: 1}}},"
        " {until: {transaction: started}}, {wait: 2s},"
        " {assert: {transaction: true, limit_kw: '> 1'}},"
        " {csms: {send: RequestStopTransaction, payload: {transactionId: $transaction_id}}},"
        " {expect: {sent: TransactionEvent, where: {eventType: Ended}}}"
    )
    result, _ = outcome(a_case(steps, version=version), tmp_path)
    assert (result["result"], result["message"]) == ("passed", "")


FAILING = {
    "expect: {sent: StatusNotification, where: {status: Charging}, within: 2s}": (
        'step 2 (expect): StatusNotification sent where status "Charging" did not come within 2 s;'
        ' went at 0.000 s: status is "Preparing", wanted "Charging"'
    ),
    "expect: {sent: StopTransaction, within: 2s}": (
        "step 2 (expect): StopTransaction sent did not come within 2 s; instead it"
        " sent StatusNotification, received the reply to StatusNotification"
    ),
    "expect: {sent: StatusNotification, count: 2, within: 1s}": (
        "did not come 2 times within 1 s, only 1"
    ),
    "expect: {sent: StatusNotification, not: true, within: 1s}": (
        "StatusNotification sent was not to come, but came: +0.000s sent StatusNotification"
    ),
    "expect: {reply_to: StatusNotification, error: InternalError, within: 1s}": (
        "wanted the error InternalError"
    ),
    "assert: {phase: Charging, transaction: true}": (
        "step 2 (assert): connector 1 is Preparing, wanted Charging;"
        " no transaction runs on connector 1"
    ),
    "assert: {sent: Heartbeat, count: '> 3'}": "there are 0 of Heartbeat sent, wanted > 3",
    "plug": "step 2 (plug): the charger refuses: connector 1 has a cable in already",
    "reconnect": "the network is not cut",
    "until: {transaction: started, within: 2s}": (
        "the CSMS has no transaction on connector 1, even after 2 s"
    ),
    "csms: {send: UnlockConnector, payload: {connectorId: 9}}": (
        "UnlockConnector was answered with NotSupported, wanted Unlocked"
    ),
    "csms: {send: RemoteStopTransaction, payload: {transactionId: $transaction_id}}": (
        "$transaction_id has no value now"
    ),
}


@pytest.mark.parametrize("step", FAILING)
def test_a_failed_step_says_what_was_wanted_and_what_came(step: str, tmp_path: Path) -> None:
    result, summary = outcome(a_case(steps_of(f"plug, {step}")), tmp_path)
    assert FAILING[step] in result["message"]
    assert (result["result"], result["failed_step"]) == ("failed", "cases[0].steps[1]")
    assert result["frames"]
    assert summary["verdict"]["result"] == "threshold_failed"
    assert any(
        reason.startswith("case: one on T-1: step 2") for reason in summary["verdict"]["reasons"]
    )
    kinds = [(one["kind"], one["name"]) for one in summary["annotations"]["kept"]]
    assert ("case", "one") in kinds


def test_messages_faster_than_the_script_are_not_missed_and_each_is_had_once(
    tmp_path: Path,
) -> None:
    steps = (
        "plug, {wait: 5s}, {expect: {sent: StatusNotification, within: 0s}},"
        " {expect: {sent: StatusNotification, within: 1s}}"
    )
    result, _ = outcome(a_case(steps), tmp_path)
    assert result["failed_step"] == "cases[0].steps[3]"
    assert result["took_s"] == pytest.approx(6, abs=0.5)


def test_a_new_deed_turns_the_page(tmp_path: Path) -> None:
    steps = (
        "plug, {wait: 1s}, unplug,"
        " {expect: {sent: StatusNotification, where: {status: Preparing}, within: 1s}}"
    )
    result, _ = outcome(a_case(steps), tmp_path)
    assert 'status is "Available", wanted "Preparing"' in result["message"]


def test_a_case_leaves_its_charger_well_for_the_next(tmp_path: Path) -> None:
    text = a_case("start, disconnect, {fault: {kind: frozen_meter}}, {assert: {online: true}}")
    text += "  - {name: two, charger: T-1, steps: [plug, {expect: {sent: StatusNotification}}]}\n"
    _, summary = outcome(text, tmp_path)
    assert [(one["name"], one["result"]) for one in summary["cases"]] == [
        ("one", "failed"),
        ("two", "passed"),
    ]
    assert summary["ledger"]["balanced"]


def test_a_charger_that_is_not_there_fails_its_case(tmp_path: Path) -> None:
    text = a_case("plug").replace("charger: T-1", "charger: T-4").replace("to: 4", "to: 2")
    result, _ = outcome(text, tmp_path)
    assert result["message"].startswith("the charger is not there; a ramp before this stage")
    assert result["steps"] == 0


def test_what_the_time_of_the_stage_was_too_short_for_fails(tmp_path: Path) -> None:
    text = a_case("{wait: 1m}, plug", to="each: {slice: t}").replace(
        "within: 2m", "within: 10s, parallel: 1"
    )
    _, summary = outcome(text, tmp_path)
    assert summary["case_totals"]["failed"] == 4
    assert [one["message"] for one in summary["cases"]] == [
        "the time of the stage was over at step 1 (wait)",
        *["the time of the stage was over before it began"] * 3,
    ]


def test_a_stage_may_carry_out_some_of_the_cases(tmp_path: Path) -> None:
    text = a_case("plug").replace("within: 2m", "within: 2m, only: two")
    text += "  - {name: two, charger: T-2, steps: [plug]}\n"
    _, summary = outcome(text, tmp_path)
    assert [one["name"] for one in summary["cases"]] == ["two"]


def test_a_hundred_chargers_at_the_same_time(tmp_path: Path) -> None:
    text = a_case(
        "start, {until: {transaction: started}}, {wait: 10s}, {stop: {unplug: true}},"
        " {expect: {sent: StopTransaction}}, {until: {transaction: stopped}}",
        to="each: {slice: t}",
    )
    text = text.replace("count: 4", "count: 100").replace("to: 4", "to: 100")
    _, summary = outcome(text, tmp_path)
    assert summary["case_totals"]["passed"] == 100
    assert max(one["took_s"] for one in summary["cases"]) < 20
    assert summary["ledger"]["balanced"]


def test_every_name_of_a_result_is_documented(tmp_path: Path) -> None:
    result, summary = outcome(a_case("plug, {assert: {phase: Charging}}"), tmp_path)
    page = (ROOT / "docs" / "summary.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(case[^`]+)` \|", page, re.MULTILINE))
    found = {f"cases[].{name}{'[]' * (name == 'frames')}" for name in result}
    assert documented == found | {f"case_totals.{name}" for name in summary["case_totals"]} | {
        "case_totals"
    }


STEP = re.compile(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*|`wait: 5s`) \|", re.MULTILINE)


def test_the_page_about_cases_has_every_step_and_every_key() -> None:
    page = (ROOT / "docs" / "cases.md").read_text("utf-8")
    words = {word for row in STEP.findall(page) for word in re.findall(r"[a-z_]+", row)}
    assert {*FLAT_STEPS, "repeat"} <= words
    for struct in (
        Case,
        Plug,
        Start,
        Stop,
        Set,
        PowerCycle,
        Disconnect,
        Expect,
        Assert,
        CsmsStep,
        Until,
    ):
        for name in fields_of(struct):
            assert f"`{name}`" in page, (struct.__name__, name)


def test_the_scenarios_with_cases_and_with_a_dispatch_signal_pass(tmp_path: Path) -> None:
    summary = virtually(ROOT / "scenarios" / "cases.yaml", tmp_path / "cases")
    assert summary["verdict"]["result"] == "passed", summary["verdict"]["reasons"]
    assert summary["case_totals"]["passed"] == summary["case_totals"]["total"] == 60
    dispatch = ROOT / "scenarios" / "smart-charging-dispatch.yaml"
    summary = virtually(dispatch, tmp_path / "dispatch", chargers=40)
    assert summary["verdict"]["result"] == "passed", summary["verdict"]["reasons"]
    assert summary["scenario_commands"]["by_action"]["SetChargingProfile"]["converged"] == 40


def test_secrets_are_not_in_the_messages_of_a_failed_case(tmp_path: Path) -> None:
    steps = (
        "{csms: {send: ChangeConfiguration, payload: {key: AuthorizationKey, value: "
        "'0123456789ABCDEF0123456789ABCDEF'}, expect: any}}, {assert: {phase: Charging}}"
    )
    result, summary = outcome(a_case(steps), tmp_path)
    assert any("AuthorizationKey" in line and "***" in line for line in result["frames"])
    assert "0123456789ABCDEF" not in str(summary["cases"])
    content = a_case(steps).encode()
    told = manifest(parse_scenario(content), source="0" * 64, arguments=["run"], began_wall_s=0.0)
    assert "0123456789ABCDEF" not in str(told)
