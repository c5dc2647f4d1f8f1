"""Which certificates are good, and why the others are not."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_pki import DAY, YEAR, Ca, a_ca, a_key, pem_key
from simfleet.pki.checks import (
    CHAIN_MAX,
    CertificateUnreadable,
    certificate_hash_data,
    certificates_in,
    check_authority,
    check_chain,
    facts_of,
    issuer_among,
)
from simfleet.pki.requests import make_certificate_request

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_S = NOW.timestamp()
ROOT = Ca("Root", now=NOW)
OTHER = Ca("Other Root", now=NOW)
MIDDLE = Ca("Middle", now=NOW, parent=ROOT)
REQUEST = make_certificate_request("CP-1", "Operator")
GOOD = ROOT.sign(REQUEST.csr_pem)


def problem(chain: bytes | str, roots: bytes = ROOT.pem, **wanted: object) -> str:
    found = check_chain(chain, roots, at_wall_s=NOW_S, **wanted)  # type: ignore[arg-type]
    return found or ""


# ── chains ──────────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_signed_by_an_installed_root_is_good() -> None:
    assert not problem(GOOD, key_pem=REQUEST.key_pem, common_name="CP-1", organization="Operator")


def test_the_chain_may_come_as_text() -> None:
    assert not problem(GOOD.decode())


@pytest.mark.parametrize("backwards", [False, True])
def test_intermediates_are_followed_whatever_their_order(backwards: bool) -> None:
    deep = Ca("Deep", now=NOW, parent=MIDDLE)
    behind = [deep.pem, MIDDLE.pem]
    chain = deep.sign(REQUEST.csr_pem) + b"".join(reversed(behind) if backwards else behind)
    assert not problem(chain)


def test_the_root_may_be_in_the_chain() -> None:
    assert not problem(GOOD + ROOT.pem)


def test_one_root_of_several_is_enough() -> None:
    assert not problem(GOOD, OTHER.pem + ROOT.pem)


def test_an_installed_certificate_is_trusted_itself() -> None:
    assert not problem(GOOD, GOOD)


def test_a_chain_that_leads_to_no_installed_root_is_refused() -> None:
    assert "no installed root vouches" in problem(GOOD, OTHER.pem)


def test_a_missing_intermediate_is_noticed() -> None:
    assert "Middle" in problem(MIDDLE.sign(REQUEST.csr_pem))


def test_without_roots_a_chain_need_only_be_consistent() -> None:
    assert not problem(GOOD, b"")
    assert not problem(MIDDLE.sign(REQUEST.csr_pem) + MIDDLE.pem, b"")
    assert "signed nothing" in problem(GOOD + OTHER.pem, b"")


def test_an_impostor_of_the_same_name_is_refused() -> None:
    assert "no installed root" in problem(Ca("Root", now=NOW).sign(REQUEST.csr_pem))


def test_a_station_cannot_issue_certificates() -> None:
    station = ROOT.station("CP-0")
    impostor = Ca("CP-0", now=NOW)
    impostor.name = certificates_in(station.pem)[0].subject
    impostor.key = load_pem_private_key(  # type: ignore[assignment]
        station.key_pem, None
    )
    assert "no installed root" in problem(impostor.sign(REQUEST.csr_pem) + station.pem)


def test_another_key_than_that_of_the_request_is_refused() -> None:
    assert "another key" in problem(GOOD, key_pem=pem_key(a_key()))


def test_a_key_that_cannot_be_read_is_a_problem_and_no_crash() -> None:
    assert "its key cannot be used" in problem(GOOD, key_pem=b"no key")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"common_name": "CP-2"}, "the common name is 'CP-1', not 'CP-2'"),
        ({"organization": "Rival"}, "the organization is 'Operator', not 'Rival'"),
    ],
)
def test_a_certificate_for_somebody_else_is_refused(wanted: dict[str, Any], said: str) -> None:
    assert said in problem(GOOD, **wanted)


def test_an_expired_certificate_is_refused() -> None:
    chain = ROOT.sign(REQUEST.csr_pem, begins=NOW - 10 * DAY, lasts=DAY)
    assert "expired at 2026-02-20T12:00:00Z" in problem(chain)


def test_a_certificate_of_the_future_is_refused() -> None:
    chain = ROOT.sign(REQUEST.csr_pem, begins=NOW + DAY)
    assert "is not valid before 2026-03-02T12:00:00Z" in problem(chain)


def test_an_expired_intermediate_spoils_the_chain() -> None:
    old = Ca("Old", now=NOW - 10 * DAY, lasts=DAY, parent=ROOT)
    assert "CN=Old" in problem(old.sign(REQUEST.csr_pem, begins=NOW - DAY) + old.pem)


def test_an_expired_root_vouches_for_nobody() -> None:
    old = Ca("Old", now=NOW - 10 * DAY, lasts=DAY)
    assert "expired" in problem(old.sign(REQUEST.csr_pem, begins=NOW - DAY), old.pem)


def test_a_server_certificate_is_none_for_a_station() -> None:
    assert "TLS clients" in problem(ROOT.sign(REQUEST.csr_pem, server_only=True))


def test_an_authority_is_no_station() -> None:
    assert "authority" in problem(ROOT.sign(REQUEST.csr_pem, ca=True))


@pytest.mark.parametrize("nonsense", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_is_no_certificate_is_refused_with_a_reason(nonsense: str) -> None:
    assert "no certificate in PEM" in problem(nonsense)


def test_a_chain_without_end_is_refused() -> None:
    assert f"at most {CHAIN_MAX}" in problem(GOOD * (CHAIN_MAX + 1))


@given(st.binary(max_size=400), st.integers(0, 700))
@settings(max_examples=300, deadline=None)
def test_a_damaged_chain_never_crashes(noise: bytes, at: int) -> None:
    damaged = GOOD[:at] + noise + GOOD[at + len(noise) :]
    found = check_chain(damaged, ROOT.pem, at_wall_s=NOW_S, key_pem=REQUEST.key_pem)
    assert found is None or len(found) > 10


# ── roots ───────────────────────────────────────────────────────────────────────────────────────


def test_a_root_is_good() -> None:
    assert check_authority(ROOT.pem, at_wall_s=NOW_S) is None


def test_an_intermediate_may_be_a_root_of_trust() -> None:
    assert check_authority(MIDDLE.pem, at_wall_s=NOW_S) is None


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (GOOD, "no certificate authority"),
        (ROOT.pem + OTHER.pem, "a root is one"),
        (b"hello", "no certificate in PEM"),
        (Ca("Old", now=NOW - 2 * YEAR, lasts=YEAR).pem, "expired"),
        (Ca("New", now=NOW + YEAR).pem, "not valid before"),
    ],
)
def test_what_cannot_be_a_root_is_refused(pem: bytes, said: str) -> None:
    assert said in (check_authority(pem, at_wall_s=NOW_S) or "")


def test_a_root_with_a_forged_signature_is_refused() -> None:
    der = bytearray(certificates_in(ROOT.pem)[0].public_bytes(Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_certificate(bytes(der)).public_bytes(Encoding.PEM)
    assert "its own signature is wrong" in (check_authority(forged, at_wall_s=NOW_S) or "")


# ── what it says ────────────────────────────────────────────────────────────────────────────────


def test_the_facts_of_a_certificate() -> None:
    facts = facts_of(ROOT.sign(REQUEST.csr_pem, begins=NOW, lasts=timedelta(days=90)))
    assert (facts.common_name, facts.organization) == ("CP-1", "Operator")
    assert facts.issuer == "CN=Root,O=Test PKI"
    assert facts.not_after_s - facts.not_before_s == 90 * 86_400
    assert not facts.authority
    assert not facts.self_signed
    assert facts_of(ROOT.pem).self_signed


def test_facts_of_nonsense_are_an_error() -> None:
    with pytest.raises(CertificateUnreadable):
        facts_of(b"nonsense")


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_hash_data_is_that_of_an_ocsp_request(algorithm: str) -> None:
    data = certificate_hash_data(GOOD, ROOT.pem, algorithm)  # type: ignore[arg-type]
    name = hashlib.new(algorithm.lower(), ROOT.certificate.subject.public_bytes()).hexdigest()
    # RFC 6960: the BIT STRING without tag, length and the number of unused bits.
    spki = ROOT.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert data.hash_algorithm == algorithm
    assert data.issuer_name_hash == name
    assert data.issuer_key_hash == hashlib.new(algorithm.lower(), spki).hexdigest()
    assert int(data.serial_number, 16) == certificates_in(GOOD)[0].serial_number


def test_a_root_is_its_own_issuer() -> None:
    assert certificate_hash_data(ROOT.pem, None) == certificate_hash_data(ROOT.pem, ROOT.pem)


def test_serial_numbers_have_no_leading_zeros() -> None:
    assert certificate_hash_data(Ca("Small", serial=0x0A).pem, None).serial_number == "a"


def test_the_issuer_is_found_among_candidates() -> None:
    assert issuer_among(GOOD, [OTHER.pem, MIDDLE.pem, ROOT.pem]) == ROOT.pem
    assert issuer_among(GOOD, [OTHER.pem, MIDDLE.pem]) is None
    assert issuer_among(a_ca().pem, [a_ca().pem]) == a_ca().pem
