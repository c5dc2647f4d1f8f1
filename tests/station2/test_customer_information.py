"""CustomerInformation of OCPP 2.x (2.0.1 N09, N10; row CustomerInformation)."""

from __future__ import annotations

from typing import Any

from builders_device import value
from builders_station2 import OTHER_TAG, TAG, Scene2, id_token, versions


def a_scene(version: str) -> Scene2:
    scene = Scene2(version=version, configuration={"AuthorizationCacheEnabled": "true"})
    scene.boot()
    return scene


def ask(scene: Scene2, *, report: bool = True, clear: bool = False, **who: Any) -> str:
    """What is told of a customer."""
    scene.mark()
    answer = scene.call("CustomerInformation", requestId=5, report=report, clear=clear, **who)
    assert answer.status == "Accepted"
    parts = scene.sent("NotifyCustomerInformation")
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part.payload.get("tbc", False) for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {part["requestId"] for part in parts} == {5}
    return "".join(part["data"] for part in parts)


@versions
def test_what_is_known_of_a_tag_is_told(version: str) -> None:
    """N09: the cache, the list, the transaction that runs."""
    scene = a_scene(version)
    scene.charge()
    scene.call(
        "SendLocalList",
        versionNumber=1,
        updateType="Full",
        localAuthorizationList=[{"idToken": id_token(), "idTokenInfo": {"status": "Accepted"}}],
    )
    text = ask(scene, idToken=id_token())
    assert f"authorization cache: ISO14443 {TAG}: Accepted" in text
    assert f"local authorization list: ISO14443 {TAG}: Accepted" in text
    assert scene.transaction in text


@versions
def test_of_a_stranger_nothing_is_told(version: str) -> None:
    """N09.FR.06: one message with empty data."""
    scene = a_scene(version)
    assert ask(scene, idToken=id_token(OTHER_TAG)) == ""
    assert ask(scene, customerIdentifier="nobody") == ""
    assert len(scene.sent("NotifyCustomerInformation")) == 1


@versions
def test_a_customer_who_is_cleared_is_forgotten(version: str) -> None:
    """N10: the tag is gone from the cache, others stay; the report is of the time before."""
    scene = a_scene(version)
    scene.present_tag(OTHER_TAG)
    scene.run(for_s=300)
    scene.present_tag()
    scene.run(for_s=300)
    assert value(scene, "AuthCacheCtrlr.Storage") == "2"
    assert "cache" in ask(scene, clear=True, idToken=id_token())
    assert ask(scene, idToken=id_token()) == ""
    assert value(scene, "AuthCacheCtrlr.Storage") == "1"
    assert ask(scene, report=False, clear=True, idToken=id_token(OTHER_TAG)) == ""
    assert value(scene, "AuthCacheCtrlr.Storage") == "0"


@versions
def test_a_customer_must_be_named_in_one_way(version: str) -> None:
    """N09.FR.09: none or several are Invalid; neither report nor clear is Rejected."""
    scene = a_scene(version)

    def status(*, report: bool = True, **who: Any) -> str:
        return scene.call(
            "CustomerInformation", requestId=1, report=report, clear=False, **who
        ).status

    assert status() == "Invalid"
    assert status(idToken=id_token(), customerIdentifier="me") == "Invalid"
    assert status(report=False, idToken=id_token()) == "Rejected"
