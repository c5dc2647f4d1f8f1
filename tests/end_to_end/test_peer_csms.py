"""The foreign CSMS does in each mode what its name says."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
)
from websockets.sync.client import ClientConnection, connect

from end_to_end.peer_process import Peer, peer
from end_to_end.semantic_check import Expected, examine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
START = {
    "connectorId": 1,
    "idTag": "0123456789ABCD",
    "meterStart": 5,
    "timestamp": "2026-01-01T00:00:00Z",
}


def station(one: Peer, identity: str = "SIM-1") -> ClientConnection:
    return connect(f"{one.url}/{identity}", subprotocols=["ocpp1.6"], compression=None)  # type: ignore[list-item]


def say(link: ClientConnection, action: str, payload: dict[str, Any], id_: str = "1") -> None:
    link.send(json.dumps([2, id_, action, payload]))


def hear(link: ClientConnection, *, timeout_s: float = 5.0) -> Any:
    return json.loads(link.recv(timeout_s))


def ask(link: ClientConnection, action: str, payload: dict[str, Any], id_: str = "1") -> Any:
    say(link, action, payload, id_)
    return hear(link)


def test_it_answers_and_logs_both_directions(tmp_path: Path) -> None:
    with peer(tmp_path) as one, station(one, "CP%2F1") as link:
        kind, id_, answer = ask(link, "BootNotification", BOOT, "b-1")
        assert (kind, id_, answer["status"]) == (3, "b-1", "Accepted")
        history = one.histories()["CP/1"]
        (boot,) = history.calls
        assert (boot.action, boot.payload, boot.answer) == ("BootNotification", BOOT, answer)


def test_it_refuses_what_breaks_the_schema(tmp_path: Path) -> None:
    with peer(tmp_path) as one, station(one) as link:
        assert ask(link, "BootNotification", {})[0] == 4
        assert any("was refused with" in complaint for complaint in examine(one.histories()))


def test_restarted_on_the_same_port_it_remembers_its_transactions(tmp_path: Path) -> None:
    with peer(tmp_path) as one:
        port = one.port
        with station(one) as link:
            first = ask(link, "StartTransaction", START)[2]["transactionId"]
            one.kill()
            with pytest.raises(ConnectionClosed):
                link.recv(5)
        one.start()
        assert one.port == port
        with station(one) as link:
            assert ask(link, "StartTransaction", START)[2]["transactionId"] == first
            another = ask(link, "StartTransaction", START | {"meterStart": 9}, "2")[2]
            assert another["transactionId"] != first
        numbers = [entry["connection"] for entry in one.entries("opened")]
        assert len(set(numbers)) == 2


def test_stopped_in_order_it_says_goodbye(tmp_path: Path) -> None:
    with peer(tmp_path) as one, station(one) as link:
        ask(link, "BootNotification", BOOT)
        one.stop()
        with pytest.raises(ConnectionClosed) as closed:
            link.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


def test_frozen_it_still_takes_what_is_sent_and_answers_when_thawed(tmp_path: Path) -> None:
    with peer(tmp_path) as one, station(one) as link:
        one.freeze()
        say(link, "Heartbeat", {})
        with pytest.raises(TimeoutError):
            link.recv(0.2)
        one.thaw()
        assert hear(link)[0] == 3


def test_it_never_answers(tmp_path: Path) -> None:
    with peer(tmp_path, "never_answers") as one, station(one) as link:
        say(link, "BootNotification", BOOT)
        with pytest.raises(TimeoutError):
            link.recv(0.2)
        assert [call["frame"][2] for call in one.calls()] == ["BootNotification"]


def test_it_falls_silent_after_the_boot(tmp_path: Path) -> None:
    with peer(tmp_path, "silent_after_boot") as one, station(one) as link:
        assert ask(link, "BootNotification", BOOT)[2]["status"] == "Accepted"
        say(link, "Heartbeat", {}, "2")
        with pytest.raises(TimeoutError):
            link.recv(0.2)


def test_it_answers_slowly(tmp_path: Path) -> None:
    with peer(tmp_path, "slow", "--delay-s", "0.3") as one, station(one) as link:
        say(link, "BootNotification", BOOT)
        with pytest.raises(TimeoutError):
            link.recv(0.1)
        assert hear(link)[0] == 3


@pytest.mark.parametrize("mode", ["garbage", "only_garbage"])
def test_it_sends_garbage(tmp_path: Path, mode: str) -> None:
    with peer(tmp_path, mode) as one, station(one) as link:
        say(link, "BootNotification", BOOT)
        heard = list(_until_quiet(link))
        answers = [text for text in heard if text.startswith('[3, "1"')]
        assert len(heard) - len(answers) == 17
        assert len(answers) == (1 if mode == "garbage" else 0)
        # It lives on whatever we say to that.
        link.send('[4,"-1","GenericError","not JSON",{}]')
        say(link, "Heartbeat", {}, "2")
        assert len(list(_until_quiet(link))) in (17, 18)


def _until_quiet(link: ClientConnection) -> Iterator[str]:
    try:
        while True:
            yield str(link.recv(0.3))
    except TimeoutError:
        return


def test_it_breaks_the_schema_in_its_answers(tmp_path: Path) -> None:
    with peer(tmp_path, "schema_violations") as one, station(one) as link:
        assert ask(link, "BootNotification", BOOT)[2]["surplus"] is True
        answers = [ask(link, "Heartbeat", {}, str(n))[2] for n in range(6)]
        assert {} in answers
        assert [] in answers
        assert {"currentTime": 5} in answers


def test_it_calls_before_it_answers_and_waits_for_the_reply(tmp_path: Path) -> None:
    with peer(tmp_path, "calls_before_answers") as one, station(one) as link:
        say(link, "BootNotification", BOOT)
        assert hear(link)[2] == "GetConfiguration"  # a station need not answer before its boot is
        assert hear(link)[2]["status"] == "Accepted"
        say(link, "Heartbeat", {}, "2")
        _, command_id, action, _ = hear(link)
        assert action == "GetConfiguration"
        with pytest.raises(TimeoutError):
            link.recv(0.3)
        link.send(json.dumps([3, command_id, {"unknownKey": ["NoSuchKey"]}]))
        assert hear(link)[:2] == [3, "2"]
        assert examine(one.histories(), Expected()) == []


def test_it_notes_a_wrong_reply_to_its_call(tmp_path: Path) -> None:
    with peer(tmp_path, "calls_before_answers") as one, station(one) as link:
        say(link, "BootNotification", BOOT)
        assert [hear(link)[0], hear(link)[0]] == [2, 3]
        say(link, "Heartbeat", {}, "2")
        link.send(json.dumps([3, hear(link)[1], {"surplus": 1}]))
        assert hear(link)[:2] == [3, "2"]
        assert any("GetConfiguration of the CSMS: " in one for one in examine(one.histories()))


@pytest.mark.parametrize("mode", ["closes_in_handshake", "resets_in_handshake"])
def test_it_cuts_the_handshake(tmp_path: Path, mode: str) -> None:
    with peer(tmp_path, mode) as one, socket.create_connection(("127.0.0.1", one.port)) as link:
        link.settimeout(5)
        link.sendall(b"GET /ocpp/SIM-1 HTTP/1.1\r\nHost: there\r\n\r\n")
        if mode == "resets_in_handshake":
            with pytest.raises(ConnectionResetError):
                link.recv(1)
        else:
            assert link.recv(1) == b""
        assert [entry["identity"] for entry in one.entries("cut")] == ["SIM-1"]


def test_it_answers_401(tmp_path: Path) -> None:
    with peer(tmp_path, "http_401") as one:
        with pytest.raises(InvalidStatus) as refused, station(one):
            pass
        assert refused.value.response.status_code == 401
        assert [entry["identity"] for entry in one.entries("unauthorized")] == ["SIM-1"]


def test_it_chooses_no_subprotocol(tmp_path: Path) -> None:
    with peer(tmp_path, "no_subprotocol") as one, station(one) as link:
        assert link.subprotocol is None
        one.wait_until(lambda peer: bool(peer.entries("opened")))
        assert "speaks None" in examine(one.histories())[0]


def test_it_goes_when_its_starter_is_gone(tmp_path: Path) -> None:
    with peer(tmp_path) as one:
        process = one._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 0
