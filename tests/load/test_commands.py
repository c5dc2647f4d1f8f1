"""`commands` of a scenario, as they are read: what is taken, and every mistake with its place."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest
import yaml

from builders_load import a_scenario
from simfleet.errors import ScenarioInvalid, UsageWrong
from simfleet.load.adjust import with_target
from simfleet.load.commands import ROUNDS_MAX, Command, uses
from simfleet.load.recipients import Recipients
from simfleet.load.scenario import parse_scenario, scenario_schema

HEAD = """\
schema: 1
name: s
fleet: [{name: ac, count: 4, id: "S-{n}"}]
stages: [{do: ramp, to: 4, over: 2s}, {do: hold, for: 8s}]
"""


def commands_of(text: str) -> tuple[Command, ...]:
    return parse_scenario(f"{HEAD}commands:\n{text}".encode(), source="s.yaml").commands


def test_a_command_has_everything_that_was_written() -> None:
    (command,) = commands_of("""\
  - at: 5s
    every: 500ms
    until: 1m
    send: ReserveNow
    to: {slice: ac, share: 50%}
    payload: {connectorId: 1, expiryDate: $now+10m, idTag: "0123", reservationId: $n}
    expect: [Accepted, Occupied]
    answer: {status: Accepted}
""")
    assert command == Command(
        at_s=5.0,
        every_s=0.5,
        until_s=60.0,
        send="ReserveNow",
        to=Recipients(slices=("ac",), share=0.5),
        payload={
            "connectorId": 1,
            "expiryDate": "$now+10m",
            "idTag": "0123",
            "reservationId": "$n",
        },
        expect=("Accepted", "Occupied"),
        answer={"status": "Accepted"},
    )


def test_what_is_left_out_is_everybody_once_and_the_good_status() -> None:
    first, second, third = commands_of("""\
  - {at: 1s, send: ClearCache}
  - {at: 1s, send: UnlockConnector, payload: {connectorId: 1}}
  - {at: 1s, send: GetConfiguration}
""")
    assert (first.to, first.payload, first.answer) == (Recipients(), {}, None)
    assert first.expected == ("Accepted",)
    assert second.expected == ("Unlocked",)
    assert third.expected == ("Answered",)


def test_a_scenario_without_commands_has_none() -> None:
    assert parse_scenario(HEAD.encode()).commands == ()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("-1", -1),
        ("16.5", 16.5),
        ("true", True),
        ("false", False),
        ('"5"', "5"),
        ('"true"', "true"),
        ("no", "no"),
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
    ],
)
def test_values_of_a_payload_are_what_json_would_have(written: str, value: Any) -> None:
    (command,) = commands_of(
        f"  - {{at: 1s, send: DataTransfer, payload: {{vendorId: V}}, answer: {{x: {written}}}}}"
    )
    assert command.answer == {"x": value}
    assert type((command.answer or {})["x"]) is type(value)


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("at: 1s", [1]),
        ("at: 1s, every: 4s", [1, 5, 9]),
        ("at: 1s, every: 3s, until: 7s", [1, 4, 7]),
        ("at: 1s, every: 3s, until: 6999ms", [1, 4]),
        ("at: 10s, every: 100ms", [10]),
        ("at: 0s, every: 100ms, until: 300ms", [0, 0.1, 0.2, 0.3]),
    ],
)
def test_a_command_comes_at_its_moments(text: str, moments: list[float]) -> None:
    (command,) = commands_of(f"  - {{{text}, send: ClearCache}}")
    assert list(command.moments(10.0)) == pytest.approx(moments)


def test_a_repeated_command_has_an_end() -> None:
    (command,) = commands_of("  - {at: 0s, every: 100ms, until: 168h, send: ClearCache}")
    assert sum(1 for _ in command.moments(1e6)) == ROUNDS_MAX


MISTAKES: list[tuple[str, str]] = [
    ("  - {at: 11s, send: ClearCache}", "6:10: commands[0].at: is after the stages, which end"),
    ("  - {send: ClearCache}", "6:5: commands[0]: 'at' is missing"),
    ("  - {at: 1s}", "6:5: commands[0]: 'send' is missing"),
    ("  - {at: 1s, send: ClearCash}", "6:20: commands[0].send: 'ClearCash' is not a message"),
    ("  - {at: 1s, send: Heartbeat}", "not a message that a CSMS sends"),
    ("  - {at: 1s, send: ClearCache, until: 2s}", "until: is only for a command that is repeated"),
    ("  - {at: 3s, every: 1s, until: 2s, send: ClearCache}", "until: comes before at: 3s"),
    ("  - {at: 3s, every: 1ms, send: ClearCache}", "every: '1ms' is out of range"),
    ("  - {at: 1s, send: ClearCache, to: {slice: dc}}", "to.slice: 'dc' is not a slice"),
    ("  - {at: 1s, send: ClearCache, to: {share: 0%}}", "to.share: '0%' is out of range"),
    ("  - {at: 1s, send: ClearCache, to: all}", "to: a mapping such as {slice: ac, share: 50%} is"),
    ("  - {at: 1s, send: ClearCache, expect: Yes}", "expect: 'Yes' is no answer to ClearCache"),
    ("  - {at: 1s, send: ClearCache, expect: {}}", "expect: a status, a CALLERROR code, timeout"),
    ("  - {at: 1s, send: ClearCache, expect: []}", "expect: 0 names; write 1 to 100"),
    ("  - {at: 1s, send: Reset}", "6:5: commands[0].payload: type is required but missing"),
    (
        "  - {at: 1s, send: Reset, payload: {type: Gently}}",
        '6:43: commands[0].payload.type: type is "Gently", expected',
    ),
    (
        "  - {at: 1s, send: Reset, payload: {type: Hard, when: now}}",
        "commands[0].payload.when: when is not a field here",
    ),
    (
        "  - at: 1s\n    send: SendLocalList\n    payload:\n      listVersion: 1\n"
        "      updateType: Full\n      localAuthorizationList:\n        - idTag: 12\n",
        "12:18: commands[0].payload.localAuthorizationList[0].idTag: idTag is an integer",
    ),
    (
        "  - {at: 1s, send: Reset, payload: {type: $tpye}}",
        "6:43: commands[0].payload.type: '$tpye' is no placeholder",
    ),
    (
        "  - {at: 1s, send: Reset, payload: {type: Hard}, answer: {x: [$nope]}}",
        "commands[0].answer.x[0]: '$nope' is no placeholder",
    ),
    ("  - {at: 1s, send: Reset, payload: {type: ~}}", "payload.type: is empty; OCPP has no null"),
    ("  - {at: 1s, send: Reset, payload: {type: 010}}", "'010' has leading zeros; write 10"),
    ("  - {at: 1s, send: Reset, payload: Hard}", "payload: a mapping, the payload of the message,"),
    ("  - Reset", "commands[0]: a command such as {at: 5s, send: ClearCache} is expected here"),
]


@pytest.mark.parametrize(("text", "says"), MISTAKES)
def test_one_mistake_is_one_message_with_its_place(text: str, says: str) -> None:
    with pytest.raises(ScenarioInvalid) as invalid:
        commands_of(text)
    (problem,) = invalid.value.problems
    assert problem.startswith("s.yaml:")
    assert says in problem


def test_only_the_embedded_csms_sends_commands() -> None:
    text = f"{HEAD}target: {{url: ws://h:1}}\ncommands:\n  - {{at: 1s, send: ClearCache}}"
    with pytest.raises(ScenarioInvalid, match="are sent by the embedded CSMS"):
        parse_scenario(text.encode())
    scenario = a_scenario(commands="{at: 1s, send: ClearCache}")
    with pytest.raises(UsageWrong, match="sent by the embedded CSMS"):
        with_target(scenario, "ws://h:1")


def test_editors_know_the_messages_and_the_keys() -> None:
    good = yaml.safe_load(f"{HEAD}commands: [{{at: 1s, send: Reset, payload: {{type: Hard}}}}]")
    assert jsonschema_rs.is_valid(scenario_schema(), good)
    for wrong in (
        {"at": 1, "send": "Reset"},
        {"at": "1s", "send": "Rest"},
        {"at": "1s", "send": "Reset", "to": {"share": 2}},
        {"at": "1s", "send": "Reset", "too": {}},
    ):
        assert not jsonschema_rs.is_valid(scenario_schema(), good | {"commands": [wrong]}), wrong


def test_what_a_payload_uses_is_known_before_the_run() -> None:
    located = commands_of(
        '  - {at: 1s, send: GetDiagnostics, payload: {location: "$uploads/logs"}}'
    )
    assert uses(located, "uploads")
    assert not uses(located, "signature")
    assert not uses((), "uploads")


# ── versions ─────────────────────────────────────────────────────────────────────────────────────

MIXED = """\
schema: 1
name: mixed
fleet:
  - {name: old, count: 2, id: "A{n}"}
  - {name: new, count: 2, id: "B{n}", version: ocpp2.0.1}
stages: [{do: hold, for: 10s}]
commands:
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("send: GetVariables", "a CSMS sends no GetVariables in OCPP 1.6, but in 2.0.1, 2.1; say"),
        ("send: ChangeConfiguration, to: {slice: new}", "sends no ChangeConfiguration in OCPP 2.0"),
        ("send: Reset, payload: {type: Hard}", "says the schema of Reset in OCPP 2.0.1"),
        ("send: Reset, payload: {type: Immediate}", "says the schema of Reset"),
        ("send: ClearCache, to: {version: ocpp3}", "'ocpp3' is not a version"),
        ("send: Reset, to: {slice: new}, payload: {type: OnIdle}, expect: Gone", "is no answer"),
    ],
)
def test_a_message_fits_the_versions_of_all_that_get_it(line: str, message: str) -> None:
    with pytest.raises(ScenarioInvalid, match=re.escape(message)):
        parse_scenario(f"{MIXED}  - {{at: 1s, {line}}}\n".encode())


@pytest.mark.parametrize(
    "line",
    [
        "send: ClearCache",
        "send: GetVariables, to: {version: ocpp2.0.1}, payload: {getVariableData: "
        "[{component: {name: C}, variable: {name: V}}]}",
        "send: Reset, to: {version: ocpp1.6}, payload: {type: Hard}",
        "send: Reset, to: {slice: new}, payload: {type: OnIdle}, expect: Scheduled",
        "send: Reset, to: {version: [ocpp2.0.1, ocpp2.1]}, payload: {type: Immediate}",
    ],
)
def test_a_message_may_be_for_some_versions_only(line: str) -> None:
    parse_scenario(f"{MIXED}  - {{at: 1s, {line}}}\n".encode())
