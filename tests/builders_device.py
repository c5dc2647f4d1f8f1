"""The device model and its monitors as a CSMS of OCPP 2.x asks for them, see
`builders_station2`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builders_station2 import Payload, Scene2, Sent


def component(
    name: str, *, evse: int | None = None, connector: int | None = None, instance: str | None = None
) -> Payload:
    """A ComponentType."""
    made: Payload = {"name": name}
    if instance is not None:
        made["instance"] = instance
    if evse is not None:
        made["evse"] = {"id": evse} | ({} if connector is None else {"connectorId": connector})
    return made


def names(path: str, *, evse: int | None = None, connector: int | None = None) -> Payload:
    """Component and variable of `Component.Variable` or `Component.Variable[instance]`."""
    owner, _, rest = path.partition(".")
    variable, _, instance = rest.partition("[")
    named = {"name": variable} | ({"instance": instance.rstrip("]")} if instance else {})
    return {"component": component(owner, evse=evse, connector=connector), "variable": named}


def get(scene: Scene2, path: str, *, attribute: str | None = None, **place: Any) -> Payload:
    """The result of GetVariables for one variable."""
    wanted = names(path, **place) | ({} if attribute is None else {"attributeType": attribute})
    (result,) = scene.call("GetVariables", getVariableData=[wanted]).payload["getVariableResult"]
    return dict(result)


def value(scene: Scene2, path: str, **place: Any) -> str:
    """The value of one variable that can be read."""
    result = get(scene, path, **place)
    assert result["attributeStatus"] == "Accepted", result
    return str(result["attributeValue"])


def set_to(
    scene: Scene2, path: str, text: str, *, attribute: str | None = None, **place: Any
) -> Payload:
    """The result of SetVariables for one variable."""
    wanted = names(path, **place) | {"attributeValue": text}
    if attribute is not None:
        wanted["attributeType"] = attribute
    (result,) = scene.call("SetVariables", setVariableData=[wanted]).payload["setVariableResult"]
    return dict(result)


def reason(result: Payload) -> str:
    """The reason code of a result."""
    return str(result["attributeStatusInfo"]["reasonCode"])


def path_of(told: Payload) -> str:
    """`Component.Variable[instance]@evse.connector` of something that names both."""
    owner, variable = told["component"], told["variable"]
    instance = f"[{variable['instance']}]" if "instance" in variable else ""
    path = f"{owner['name']}.{variable['name']}{instance}"
    if "evse" in owner:
        path += f"@{owner['evse']['id']}"
        if "connectorId" in owner["evse"]:
            path += f".{owner['evse']['connectorId']}"
    return path


def told(scene: Scene2, action: str, field: str, request_id: int) -> list[Payload]:
    """All items of a report, from parts that follow the rules: seqNo from 0, tbc but for the last,
    nothing of another report between them.
    """
    parts = scene.sent(action)
    assert [part["requestId"] for part in parts] == [request_id] * len(parts)
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part.payload.get("tbc", False) for part in parts] == [True] * (len(parts) - 1) + [False]
    return [item for part in parts for item in part.payload.get(field, [])]


def report(scene: Scene2, base: str = "FullInventory", *, request_id: int = 1) -> list[Payload]:
    """What a base report tells."""
    scene.mark()
    assert scene.call("GetBaseReport", requestId=request_id, reportBase=base).status == "Accepted"
    return told(scene, "NotifyReport", "reportData", request_id)


def monitor(
    scene: Scene2,
    path: str,
    kind: str,
    limit: float,
    *,
    severity: int = 3,
    evse: int | None = None,
    connector: int | None = None,
    **more: Any,
) -> Payload:
    """The result of SetVariableMonitoring for one monitor."""
    wanted = {
        **names(path, evse=evse, connector=connector),
        "type": kind,
        "value": limit,
        "severity": severity,
        **more,
    }
    answer = scene.call("SetVariableMonitoring", setMonitoringData=[wanted])
    (result,) = answer.payload["setMonitoringResult"]
    return dict(result)


def events(scene: Scene2) -> list[Payload]:
    """The events of all NotifyEvents since the mark."""
    return [event for sent in scene.sent("NotifyEvent") for event in sent["eventData"]]


def moments(scene: Scene2) -> list[float]:
    """When the NotifyEvents since the mark were sent."""
    sent: list[Sent] = scene.sent("NotifyEvent")
    return [one.at_s for one in sent]
