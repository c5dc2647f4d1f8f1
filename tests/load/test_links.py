"""How a scenario's target is reached."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from builders_link import authority
from simfleet.errors import UsageWrong
from simfleet.load.links import link_options
from simfleet.load.schema1 import Target

if TYPE_CHECKING:
    from pathlib import Path

WSS = "wss://csms.example/ocpp"


def test_transport_password_and_timeout_are_the_targets() -> None:
    options = link_options(
        Target(url="ws://csms", transport="trio-websocket", password="pw", connect_timeout_s=2.5)
    )
    assert options.transport == "trio-websocket"
    assert options.password == "pw"
    assert options.connect_timeout_s == 2.5
    assert options.ssl_context is None


def test_tls_checks_certificate_and_host_name() -> None:
    context = link_options(Target(url=WSS)).ssl_context
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_ca_file_of_ones_own_is_trusted(tmp_path: Path) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = link_options(Target(url=WSS, ca_file=str(tmp_path / "ca.pem"))).ssl_context
    assert context is not None
    assert len(context.get_ca_certs()) == 1


def test_a_ca_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(UsageWrong, match=r"target\.ca_file: cannot use .*PEM certificates"):
            link_options(Target(url=WSS, ca_file=str(tmp_path / name)))


def test_the_password_is_in_no_representation() -> None:
    assert "s3cret" not in repr(link_options(Target(password="s3cret")))
