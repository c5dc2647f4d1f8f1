"""What is wrong with the cases of a scenario, told where it is written."""

from __future__ import annotations

import pytest

from simfleet.errors import ScenarioInvalid
from simfleet.load.scenario import parse_scenario

HEAD = """\
schema: 1
name: tiny
target: {{url: "{url}"}}
fleet:
  - {{name: a, count: 2, id: "A-{{n}}"}}
  - {{name: b, count: 2, id: "B-{{n}}", version: ocpp2.0.1}}
stages: [{{do: ramp, to: 4, over: 1s, mode: connect}}, {{do: cases, within: 1m}}]
cases:
"""


def problems(case: str, *, url: str = "embedded") -> list[str]:
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario((HEAD.format(url=url) + f"  - {case}\n").encode(), source="x.yaml")
    return str(caught.value).splitlines()


def step(text: str, to: str = "charger: A-1") -> str:
    return f"{{name: one, {to}, steps: [{text}]}}"


MISTAKES = {
    step("plugg"): "'plugg' is not a step; did you mean 'plug'?",
    step("{plug: {}, unplug: {}}"): "is expected here, not 2 keys",
    step("{wait: 5}"): "'5' has no unit; write 5s or 5ms",
    step("{plug: {connector: 2}}"): "steps[0].plug.connector: 2 is no connector here",
    step("{expect: {sent: StatusNotificaton}}"): "did you mean 'StatusNotification'?",
    step("{expect: {sent: RemoteStartTransaction}}"): (
        "a charger sends no RemoteStartTransaction in OCPP 1.6; the CSMS sends it: write received"
    ),
    step("{expect: {sent: TransactionEvent}}"): "a charger sends no TransactionEvent in OCPP 1.6",
    step("{expect: {sent: StatusNotification}}", "each: {slice: [a, c]}"): "'c' is not a slice",
    step("{expect: {sent: StatusNotification, where: {stauts: Charging}}}"): (
        "steps[0].expect.where.stauts: there is no 'stauts'; did you mean 'status'?,"
        " in StatusNotification of OCPP 1.6"
    ),
    step("{expect: {sent: StatusNotification, where: {status: Chargin}}}"): (
        "'Chargin' never comes there; did you mean 'Charging'?"
    ),
    step("{expect: {sent: MeterValues, where: {meterValue.sampledValue: {valu: 1}}}}"): (
        "there is no 'valu'; did you mean 'value'?"
    ),
    step("{expect: {sent: Heartbeat, where: {a: '> soon'}}}"): "neither a number nor a date-time",
    step("{expect: {sent: Authorize, where: {idTag: $idtag}}}"): "did you mean $id_tag?",
    step("{expect: {}}"): "is about one message; write sent, received or reply_to",
    step("{expect: {sent: Heartbeat, error: GenericError}}"): "is what a reply may be",
    step("{expect: {reply_to: Heartbeat, error: GenericErorr}}"): "did you mean 'GenericError'?",
    step("{assert: {}}"): "says nothing; write one of sent, received",
    step("{assert: {count: 2}}"): "is about messages; write sent, received or reply_to as well",
    step("{assert: {power_kw: some}}"): "write a number of kW such as '<= 11'",
    step("{until: {}}"): "write one of transaction, phase, online",
    step("{set: {}}"): "write one of vehicle, energy_kwh",
    step("{csms: {send: Reset}}"): "type is required but missing",
    step("{csms: {send: RequestStartTransaction}}"): "a CSMS sends no RequestStartTransaction in",
    step("{fault: {kind: frozen_meter, to: {slice: a}}}"): "the case says which charger",
    step("{repeat: {times: 2, steps: [{repeat: {}}]}}"): "'repeat' is not a step",
    step("plug", "charger: A-9"): "'A-9' is no charger of the fleet; identities are such as A-1",
    step("plug", "to: {slice: a, number: 3}"): "3 is beyond the slice, which has 2; write 1 to 2",
    "{name: one, steps: [plug]}": "write one of charger: ID",
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_where_it_is(case: str) -> None:
    found = problems(case)
    assert any(MISTAKES[case] in line for line in found), found
    assert all(line.strip().startswith("x.yaml:9:") for line in found if "x.yaml" in line)


def test_the_csms_can_be_told_only_if_it_is_the_embedded_one() -> None:
    found = problems(step("{csms: {send: ClearCache}}"), url="ws://h/ocpp")
    assert any("is for the embedded CSMS" in line for line in found)


def test_cases_need_a_stage_and_the_stage_needs_cases() -> None:
    text = HEAD.format(url="embedded")
    lonely = text.replace(", {do: cases, within: 1m}", "") + f"  - {step('plug')}\n"
    with pytest.raises(ScenarioInvalid, match="are carried out by a stage"):
        parse_scenario(lonely.encode())
    with pytest.raises(ScenarioInvalid, match="there are no cases"):
        parse_scenario(text.replace("cases:\n", "").encode())


def test_two_cases_have_two_names_and_a_stage_names_those_there_are() -> None:
    text = HEAD.format(url="embedded").replace("within: 1m", "within: 1m, only: on")
    text += f"  - {step('plug')}\n" * 2
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(text.encode())
    assert "'one' is the name of cases[0] already" in str(caught.value)
    assert "'on' is no case; did you mean 'one'?" in str(caught.value)
