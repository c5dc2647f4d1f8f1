"""What holds for every variable and every size of message: get after set, and complete reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders_device import path_of, report, told
from builders_station2 import VERSIONS, Scene2
from simfleet.station.device_model import model_of

if TYPE_CHECKING:
    from builders_station2 import Payload

RARE = st.sampled_from(["", "-1", "0", "1", "true", "false", "A,A", "ä", "x" * 1001, "0.5"])


def settable(version: str) -> list[Payload]:
    """Everything that a CSMS can set, as the report describes it."""
    scene = Scene2(version=version, connectors=2)
    scene.boot()
    return report(scene, "ConfigurationInventory")


SETTABLE: dict[str, list[Payload]] = {version: settable(version) for version in VERSIONS}


@st.composite
def a_set(draw: Any, version: str) -> tuple[Payload, str]:
    """A variable and a value for it: often one that its characteristics allow."""
    one = draw(st.sampled_from(SETTABLE[version]))
    kind = one["variableCharacteristics"]
    members = kind.get("valuesList", "").split(",")
    match kind["dataType"]:
        case "integer":
            low, high = int(kind.get("minLimit", 0)), int(kind.get("maxLimit", 10_000))
            fitting = st.integers(low, high).map(str)
        case "boolean":
            fitting = st.sampled_from(["true", "false"])
        case "OptionList":
            fitting = st.sampled_from(members)
        case "MemberList" | "SequenceList":
            fitting = st.lists(st.sampled_from(members), unique=True).map(",".join)
        case _:
            fitting = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=50)
    return one, draw(st.one_of(fitting, fitting, RARE))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_was_accepted_is_what_is_read(data: st.DataObject) -> None:
    """Get after set; a set that is not Accepted changes nothing, and each has a good reason."""
    version = data.draw(st.sampled_from(VERSIONS))
    scene = Scene2(version=version, connectors=2)
    scene.boot()
    for _ in range(data.draw(st.integers(1, 5))):
        one, text = data.draw(a_set(version))
        named = {"component": one["component"], "variable": one["variable"]}
        (before,) = scene.call("GetVariables", getVariableData=[named]).payload["getVariableResult"]
        (result,) = scene.call(
            "SetVariables", setVariableData=[named | {"attributeValue": text[:1000]}]
        ).payload["setVariableResult"]
        (after,) = scene.call("GetVariables", getVariableData=[named]).payload["getVariableResult"]
        if one["variableAttribute"][0]["mutability"] == "WriteOnly":
            assert after["attributeStatus"] == "Rejected"
        elif result["attributeStatus"] in ("Accepted", "RebootRequired"):
            assert after["attributeValue"] == text, path_of(one)
        else:
            assert result["attributeStatusInfo"]["reasonCode"]
            assert after == before, path_of(one)


@settings(max_examples=60, deadline=None)
@given(
    version=st.sampled_from(VERSIONS),
    items_max=st.integers(1, 60),
    bytes_max=st.integers(1, 5000),
    connectors=st.integers(1, 3),
    noise=st.lists(st.sampled_from(["plug", "unplug", "report", "beat"]), max_size=6),
)
def test_a_report_is_complete_and_in_order(
    version: str, items_max: int, bytes_max: int, connectors: int, noise: list[str]
) -> None:
    """Whatever fits in a message and whatever happens meanwhile: every variable once, parts in
    order, and of no other report in between.
    """
    scene = Scene2(
        version=version,
        connectors=connectors,
        scripted=False,
        configuration={
            "DeviceDataCtrlr.ItemsPerMessage[GetReport]": items_max,
            "DeviceDataCtrlr.BytesPerMessage[GetReport]": bytes_max,
        },
    )
    scene.boot()
    answered = 0

    def answer_all_but(action: str) -> None:
        nonlocal answered
        while answered < len(scene.log) and scene.log[answered].action != action:
            answered += 1
            scene.reply(scene.log[answered - 1], scene.usual_reply(scene.log[answered - 1]))

    answer_all_but("NotifyReport")
    scene.mark()
    scene.call("GetBaseReport", requestId=1, reportBase="FullInventory")
    for what in noise:
        answer_all_but("NotifyReport")
        match what:
            case "plug" if not scene.station.connectors[0].plugged:
                scene.plug_in()
            case "unplug" if scene.station.connectors[0].plugged:
                scene.unplug()
            case "report" if answered < len(scene.log):
                refused = scene.call("GetBaseReport", requestId=2, reportBase="SummaryInventory")
                assert refused.status == "Rejected"
            case "beat":
                scene.call("TriggerMessage", requestedMessage="Heartbeat")
        if answered < len(scene.log):
            answered += 1
            scene.reply(scene.log[answered - 1], {})
    answer_all_but("")
    items = told(scene, "NotifyReport", "reportData", 1)
    paths = [path_of(one) for one in items]
    assert len(set(paths)) == len(paths) == len(model_of(scene.station).entries)
    assert all(len(part["reportData"]) <= items_max for part in scene.sent("NotifyReport"))
