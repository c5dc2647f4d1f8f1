"""What chargers are given to connect with, before there is a CSMS to connect to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from simfleet.csms.access import parse_passwords
from simfleet.csms.pki_folder import PkiFolder
from simfleet.errors import ScenarioInvalid
from simfleet.fleet.plan import authorization_key
from simfleet.load import security
from simfleet.load.fleet_plans import plans_of
from simfleet.load.scenario import parse_scenario
from simfleet.load.security import IssuedCertificates, installed, profile_of
from simfleet.pki.authority import Authority
from simfleet.pki.checks import check_chain
from simfleet.station.credentials import current

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.load.schema1 import Scenario

HEAD = """
schema: 1
name: secure
seed: 7
target: {%s}
fleet:
  - {name: only, count: 2, id: "%s"%s}
stages: [{do: hold, for: 1s}]
"""


def a_scenario(
    more: str = "", *, target: str = "url: embedded", identity: str = "SIM-{n}"
) -> Scenario:
    return parse_scenario((HEAD % (target, identity, more)).encode(), source="s.yaml")


def problems_of(more: str = "", **options: str) -> list[str]:
    with pytest.raises(ScenarioInvalid) as wrong:
        a_scenario(more, **options)
    return wrong.value.problems


def test_the_profile_of_a_slice_is_a_configuration_key() -> None:
    (plan, _) = plans_of(a_scenario(", security_profile: 2"))
    assert plan.factory.values["SecurityProfile"] == "2"
    assert (profile_of(plan), plan.keyed) == (2, True)
    (plan, _) = plans_of(a_scenario())
    assert (profile_of(plan), plan.keyed) == (0, False)


def test_each_charger_has_a_password_of_its_own_that_the_csms_knows() -> None:
    plans = plans_of(a_scenario(", security_profile: 1"))
    known = parse_passwords(security._passwords_of(plans), source="p.txt")
    shown = {}
    for plan in plans:
        station = plan.build(wall_offset_s=0.0)
        shown[plan.identity] = current(station, at_s=0.0).password.hex()
    assert known == shown
    assert len(set(known.values())) == 2
    assert known["SIM-1"] == authorization_key(7, "SIM-1")


@pytest.mark.parametrize(
    ("more", "target"),
    [
        (", security_profile: 3", "url: embedded"),
        (", security_profile: 1", "url: embedded, password: x"),
        (", security_profile: 1", "url: 'ws://127.0.0.1:9', password: x"),
    ],
)
def test_where_there_is_another_credential_no_password_is_made_up(more: str, target: str) -> None:
    assert not any(plan.keyed for plan in plans_of(a_scenario(more, target=target)))


def test_a_key_in_the_configuration_is_the_password_of_all() -> None:
    key = "00112233445566778899aabbccddeeff"
    more = f', security_profile: 2, configuration: {{AuthorizationKey: "{key}"}}'
    plans = plans_of(a_scenario(more))
    assert security._passwords_of(plans) == f"SIM-1:{key}\nSIM-2:{key}\n"


def test_certificates_are_issued_once_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "CERTIFICATES_MAX", 2)
    authority = Authority.create(at_wall_s=time.time())
    issued = IssuedCertificates(authority)
    first = issued("SIM-1")
    assert issued("SIM-1") is first
    problem = check_chain(
        first.chain_pem,
        authority.certificate_pem,
        at_wall_s=time.time(),
        key_pem=first.key_pem,
        common_name="SIM-1",
    )
    assert problem is None
    issued("SIM-2")
    issued("SIM-3")
    assert issued("SIM-1") is not first


def test_an_installer_leaves_the_ca_beside_the_systems(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path)
    folder.init(at_wall_s=time.time())
    options, keyring = installed(folder)
    assert options.ssl_context is not None
    assert "SimFleet test CA" in str(options.ssl_context.get_ca_certs())
    given = keyring.given(options)
    assert (given.roots, given.certificate, given.password) == (True, True, False)


@pytest.mark.parametrize(
    ("more", "options", "said"),
    [
        (", security_profile: 4", {}, "security_profile: 4"),
        (
            ", security_profile: 1",
            {"identity": "SIM:{n}"},
            "(security_profile 1 and 2) can have; write another character",
        ),
        ("", {"target": "url: embedded, client_cert: a.pem"}, "issues its chargers' certificates"),
        (
            "",
            {"target": "url: 'wss://127.0.0.1:9', client_key: a.key"},
            "write target.client_cert as well",
        ),
    ],
)
def test_mistakes_are_reported_where_they_are_written(
    more: str, options: dict[str, str], said: str
) -> None:
    (problem,) = problems_of(more, **options)
    assert problem.startswith("s.yaml:")
    assert said in problem
