"""From a station's credentials to URL, password and TLS context."""

from __future__ import annotations

import ssl

import pytest

from builders_pki import Ca, Issued, a_ca
from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.fleet.keyring import ClientCertificate, Keyring
from simfleet.link.client_tls import ClientContexts, roots_of
from simfleet.link.link import DEFAULT_OPTIONS, LinkOptions
from simfleet.station.credentials import PLAIN, Credentials, Given

GIVEN_TLS = ClientContexts().context([a_ca().pem])
GIVEN = LinkOptions(password="installer", ssl_context=GIVEN_TLS)
BASIC = Credentials(1, b"own")
TLS = Credentials(2, b"own", (a_ca().pem,))


def certificate(station: Issued) -> ClientCertificate:
    return ClientCertificate(station.pem, station.key_pem)


def mutual(*, roots: tuple[bytes, ...] = (a_ca().pem,), own: Issued | None = None) -> Credentials:
    own = own or a_ca().station("CP")
    return Credentials(3, b"", roots, own.pem, own.key_pem)


def used(
    credentials: Credentials, given: LinkOptions = GIVEN, keyring: Keyring | None = None
) -> LinkOptions:
    return (keyring or Keyring()).options(credentials, given, identity="CP")


# ── where to ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("profile", "url", "expected"),
    [
        (0, "ws://csms:9000/ocpp", "ws://csms:9000/ocpp"),
        (1, "ws://csms:9000/ocpp", "ws://csms:9000/ocpp"),
        (2, "ws://csms:9000/ocpp", "wss://csms:9000/ocpp"),
        (3, "ws://csms/ocpp?a=ws:b", "wss://csms/ocpp?a=ws:b"),
        (0, "wss://csms:9000/ocpp", "wss://csms:9000/ocpp"),
        (3, "wss://csms:9000/ocpp", "wss://csms:9000/ocpp"),
    ],
)
def test_tls_is_spoken_from_profile_2_on(profile: int, url: str, expected: str) -> None:
    assert Keyring().url(Credentials(profile), url) == expected


def test_a_csms_may_speak_tls_somewhere_else() -> None:
    keyring = Keyring(secure_url="wss://tls.csms:8443/ocpp")
    assert keyring.url(Credentials(2), "ws://csms/ocpp") == "wss://tls.csms:8443/ocpp"
    assert keyring.url(Credentials(1), "ws://csms/ocpp") == "ws://csms/ocpp"


# ── with what ───────────────────────────────────────────────────────────────────────────────────


def test_a_network_profile_names_its_csms_itself() -> None:
    keyring = Keyring(secure_url="wss://elsewhere:8443/ocpp")
    own = Credentials(2, url="wss://other.example/ocpp")
    assert keyring.url(own, "ws://csms:9000/ocpp") == "wss://other.example/ocpp"


def test_a_plain_station_connects_as_the_installer_left_it() -> None:
    assert used(PLAIN) is GIVEN


def test_a_key_of_its_own_replaces_the_password() -> None:
    assert used(BASIC).password == b"own"
    assert used(Credentials(1)).password == "installer"


def test_profile_3_sends_no_password() -> None:
    assert used(mutual()).password is None


def test_installed_roots_replace_those_of_the_installer() -> None:
    other = Ca("Other")
    context = used(Credentials(2, b"own", (other.pem,))).ssl_context
    assert context is not None
    assert [ssl.PEM_cert_to_DER_cert(pem.decode()) for pem in roots_of(context)] == (
        [ssl.PEM_cert_to_DER_cert(other.pem.decode())]
    )


def test_without_installed_roots_the_installers_count() -> None:
    assert used(Credentials(2, b"own")).ssl_context is GIVEN_TLS
    context = used(mutual(roots=())).ssl_context
    assert context is not None
    assert roots_of(context) == roots_of(GIVEN_TLS)


def test_below_profile_2_no_context_is_made() -> None:
    assert used(BASIC, DEFAULT_OPTIONS).ssl_context is None


def test_the_installers_certificate_is_used_until_there_is_another() -> None:
    asked: list[str] = []
    given = certificate(a_ca().station("CP"))

    def certificate_of(identity: str) -> ClientCertificate:
        asked.append(identity)
        return given

    keyring = Keyring(certificate_of=certificate_of)
    first = used(Credentials(3, b"", (a_ca().pem,)), keyring=keyring).ssl_context
    again = used(Credentials(3, b"", (a_ca().pem,)), keyring=keyring).ssl_context
    assert first is again
    assert asked == ["CP", "CP"]
    used(mutual(), keyring=keyring)
    assert asked == ["CP", "CP"]


def test_chargers_with_equal_credentials_share_a_context() -> None:
    keyring = Keyring()
    assert used(TLS, keyring=keyring).ssl_context is used(TLS, keyring=keyring).ssl_context


def test_credentials_that_cannot_be_used_are_a_failed_connection() -> None:
    broken = Credentials(3, b"", (a_ca().pem,), a_ca().station("CP").pem, b"no key")
    with pytest.raises(ConnectFailed) as failed:
        used(broken)
    assert failed.value.reason is ConnectReason.TLS
    assert "own credentials cannot be used" in failed.value.detail


# ── what a station may count on ─────────────────────────────────────────────────────────────────


def test_what_was_given() -> None:
    assert Keyring().given(DEFAULT_OPTIONS) == Given()
    keyring = Keyring(certificate_of=lambda _: None)
    assert keyring.given(GIVEN) == Given(password=True, roots=True, certificate=True)
    assert keyring.given(GIVEN) is keyring.given(GIVEN)
