"""The authority, held to the reference verifier of `cryptography` and to `pki.checks`."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from simfleet.pki.authority import (
    CHAIN_MAX_CHARS,
    CSR_MAX_CHARS,
    DAYS_MAX,
    Authority,
    PkiInvalid,
    chain_of,
    hosts_in,
    read_request,
    sign_content,
)
from simfleet.pki.checks import check_authority, check_chain, facts_of
from simfleet.pki.requests import make_certificate_request

NOW_S = 1_800_000_000.0
NOW = datetime.fromtimestamp(NOW_S, UTC)
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(at_wall_s=NOW_S)


def verifying(authority: Authority) -> PolicyBuilder:
    root = x509.load_pem_x509_certificate(authority.certificate_pem)
    return PolicyBuilder().store(Store([root])).time(NOW)


def csr_with(key: object, *names: str, organization: str = "") -> bytes:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = builder.sign(key, algorithm)  # type: ignore[arg-type]
    return request.public_bytes(serialization.Encoding.PEM)


def test_a_new_authority_is_a_root_that_stations_install(authority: Authority) -> None:
    assert check_authority(authority.certificate_pem, at_wall_s=NOW_S) is None
    assert len(authority.certificate_pem) < CSR_MAX_CHARS  # InstallCertificate has room for as much


def test_an_authority_is_made_again_from_its_own_pem(authority: Authority) -> None:
    again = Authority(authority.certificate_pem, authority.key_pem)
    client = again.issue_client("CP-1", at_wall_s=NOW_S)
    assert authority.problem_with(client.certificate_pem, at_wall_s=NOW_S) is None


def test_a_servers_certificate_is_for_its_names_and_addresses(authority: Authority) -> None:
    hosts = ["csms.example.org", "192.0.2.7", "2001:db8::1"]
    pem = authority.issue_server(hosts, at_wall_s=NOW_S).certificate_pem
    assert hosts_in(pem) == hosts
    leaf = x509.load_pem_x509_certificate(pem)
    for subject in (
        x509.DNSName("csms.example.org"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    ):
        verifying(authority).build_server_verifier(subject).verify(leaf, [])
    with pytest.raises(VerificationError):
        verifying(authority).build_server_verifier(x509.DNSName("other.example.org")).verify(
            leaf, []
        )


def test_a_clients_certificate_names_the_station_and_is_for_clients(authority: Authority) -> None:
    issued = authority.issue_client("CP-1", at_wall_s=NOW_S)
    problem = check_chain(
        issued.certificate_pem,
        authority.certificate_pem,
        at_wall_s=NOW_S,
        key_pem=issued.key_pem,
        common_name="CP-1",
        organization="SimFleet",
    )
    assert problem is None


def test_a_servers_certificate_is_none_of_a_client(authority: Authority) -> None:
    server = authority.issue_server(["CP-1"], at_wall_s=NOW_S)
    problem = check_chain(
        server.certificate_pem, authority.certificate_pem, at_wall_s=NOW_S, common_name="CP-1"
    )
    assert problem is not None
    assert "not for TLS clients" in problem


def test_a_request_is_signed_with_its_names_and_for_its_key(authority: Authority) -> None:
    request = make_certificate_request("SERIAL-7", "Acme Charging")
    leaf = authority.sign_request(request.csr_pem, at_wall_s=NOW_S)
    problem = check_chain(
        chain_of(leaf, authority.certificate_pem),
        authority.certificate_pem,
        at_wall_s=NOW_S,
        key_pem=request.key_pem,
        common_name="SERIAL-7",
        organization="Acme Charging",
    )
    assert problem is None


def test_a_request_for_somebody_else_is_not_signed(authority: Authority) -> None:
    request = make_certificate_request("CP-2")
    with pytest.raises(PkiInvalid, match="for 'CP-2', not for 'CP-1' or 'SERIAL-1'"):
        authority.sign_request(request.csr_pem, names=("CP-1", "SERIAL-1"), at_wall_s=NOW_S)
    assert authority.sign_request(request.csr_pem, names=("CP-2",), at_wall_s=NOW_S)


def test_requests_with_rsa_keys_are_signed_too(authority: Authority) -> None:
    key = rsa.generate_private_key(65537, 2048)
    assert authority.sign_request(csr_with(key, "CP-1"), at_wall_s=NOW_S)


@pytest.mark.parametrize(
    ("csr", "said"),
    [
        (b"", "no certificate signing request"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "no "),
        (b"x" * (CSR_MAX_CHARS + 1), "at most 5500"),
        (csr_with(ec.generate_private_key(ec.SECP256R1())), "exactly one common name"),
        (csr_with(ec.generate_private_key(ec.SECP256R1()), "A", "B"), "exactly one common name"),
        (csr_with(ec.generate_private_key(ec.SECP192R1()), "CP-1"), "none of RSA from 2048"),
        (csr_with(rsa.generate_private_key(65537, 1024), "CP-1"), "none of RSA from 2048"),
        (csr_with(ed25519.Ed25519PrivateKey.generate(), "CP-1"), "none of RSA from 2048"),
    ],
)
def test_what_must_not_be_signed_says_why(csr: bytes, said: str) -> None:
    with pytest.raises(PkiInvalid, match=said):
        read_request(csr)


def test_a_request_whose_signature_is_wrong_is_refused() -> None:
    pem = make_certificate_request("CP-1").csr_pem
    lines = pem.decode().strip().splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-1] ^= 1
    broken = "\n".join([lines[0], base64.b64encode(der).decode(), lines[-1], ""])
    with pytest.raises(PkiInvalid, match=r"signature is wrong|no certificate signing request"):
        read_request(broken)


@pytest.mark.parametrize("days", [0, DAYS_MAX + 1])
def test_a_time_that_cannot_be_is_refused(authority: Authority, days: int) -> None:
    with pytest.raises(PkiInvalid, match=f"write 1 to {DAYS_MAX}"):
        authority.issue_client("CP-1", at_wall_s=NOW_S, days=days)


@pytest.mark.parametrize("identity", ["", "x" * 65])
def test_a_name_that_x509_has_no_room_for_is_refused(authority: Authority, identity: str) -> None:
    with pytest.raises(PkiInvalid, match="1 to 64"):
        authority.issue_client(identity, at_wall_s=NOW_S)


@pytest.mark.parametrize("host", ["", "a b", "http://x", "x:9000", "." * 3])
def test_a_host_that_is_none_is_refused(authority: Authority, host: str) -> None:
    with pytest.raises(PkiInvalid, match="is no host"):
        authority.issue_server([host], at_wall_s=NOW_S)


def test_dates_count_from_now_and_an_expired_certificate_can_be_asked_for(
    authority: Authority,
) -> None:
    good = authority.issue_client("CP-1", at_wall_s=NOW_S, days=2).certificate_pem
    assert facts_of(good).not_after_s == NOW_S + 2 * DAY_S
    assert facts_of(good).not_before_s < NOW_S
    assert authority.problem_with(good, at_wall_s=NOW_S + 3 * DAY_S) == (
        "expired at 2027-01-17T08:00:00Z"
    )
    old = authority.issue_client("CP-1", at_wall_s=NOW_S, days=-1).certificate_pem
    problem = authority.problem_with(old, at_wall_s=NOW_S)
    assert problem is not None
    assert problem.startswith("expired")


def test_a_certificate_of_another_authority_is_noticed(authority: Authority) -> None:
    other = Authority.create(at_wall_s=NOW_S)  # the same name, another key
    leaf = other.issue_client("CP-1", at_wall_s=NOW_S).certificate_pem
    assert authority.problem_with(leaf, at_wall_s=NOW_S) == "not issued by this CA"
    with pytest.raises(PkiInvalid, match="does not belong"):
        Authority(authority.certificate_pem, other.key_pem)
    issued = other.issue_client("CP-1", at_wall_s=NOW_S)
    with pytest.raises(PkiInvalid, match="no CA's"):
        Authority(issued.certificate_pem, issued.key_pem)


def test_serial_numbers_and_keys_are_never_the_same(authority: Authority) -> None:
    issued = [authority.issue_client("CP-1", at_wall_s=NOW_S) for _ in range(20)]
    assert len({facts_of(one.certificate_pem).serial_number for one in issued}) == 20
    assert len({one.key_pem for one in issued}) == 20


def test_a_chain_that_ocpp_has_no_room_for_is_refused(authority: Authority) -> None:
    pieces = CHAIN_MAX_CHARS // len(authority.certificate_pem) + 1
    with pytest.raises(PkiInvalid, match="CertificateSigned takes 10000"):
        chain_of(*[authority.certificate_pem] * pieces)


def test_firmware_is_signed_so_that_the_certificate_verifies_it(authority: Authority) -> None:
    signer = authority.issue_signer(at_wall_s=NOW_S)
    signature = base64.b64decode(sign_content(signer.key_pem, b"firmware"))
    key = x509.load_pem_x509_certificate(signer.certificate_pem).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, b"firmware", ec.ECDSA(hashes.SHA256()))
