"""`simfleet run` with chargers of every security profile, and TLS to a CSMS of one's own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from builders_load import a_run
from simfleet.csms.embedded import embedded_csms
from simfleet.csms.pki_folder import PkiFolder
from simfleet.errors import TargetUnreachable, UsageWrong
from simfleet.load.adjust import with_target
from simfleet.load.fleet_plans import plans_of
from simfleet.load.scenario import parse_scenario
from simfleet.load.security import ensure_credentials

if TYPE_CHECKING:
    from simfleet.load.schema1 import Scenario

FOUR = """
  - {name: none, count: 2, id: "P0-{n}"}
  - {name: basic, count: 2, id: "P1-{n}", security_profile: 1}
  - {name: tls, count: 2, id: "P2-{n}", security_profile: 2}
  - {name: mtls, count: 2, id: "P3-{n}", security_profile: 3}"""


def a_scenario(
    fleet: str, *, chargers: int, target: str = "url: embedded", more: str = ""
) -> Scenario:
    text = f"""
schema: 1
name: secure
seed: 7
target: {{{target}}}
fleet:{fleet}
behaviour: {{think_time: 50ms, energy_kwh: 0.002..0.003, pause: 100ms}}
stages:
  - {{do: ramp, to: {chargers}, over: 200ms, mode: charging}}
  - {{do: hold, for: 1s}}
  - {{do: stop, over: 100ms}}
{more}"""
    return parse_scenario(text.encode(), source="secure.yaml")


def slice_of(profile: int, *, count: int = 3, identity: str = "SIM-{n}", more: str = "") -> str:
    return f"""
  - {{name: only, count: {count}, id: "{identity}", security_profile: {profile}{more}}}"""


async def test_chargers_of_all_profiles_share_one_csms(tmp_path: Path) -> None:
    with trio.fail_after(60):
        run = await a_run(a_scenario(FOUR, chargers=8), tmp_path)
    assert run.result == "passed"
    assert run.summary["chargers"]["booted"] == 8
    books = run.summary["ledger"]["csms"]
    assert books["security_profiles"] == {"0": 2, "1": 2, "2": 2, "3": 2}
    assert books["refused"] == {}


@pytest.mark.parametrize("profile", [1, 2, 3])
async def test_a_fleet_of_one_profile_is_held_to_it(tmp_path: Path, profile: int) -> None:
    with trio.fail_after(60):
        run = await a_run(a_scenario(slice_of(profile), chargers=3), tmp_path)
    assert run.result == "passed"
    books = run.summary["ledger"]["csms"]
    wanted = dict.fromkeys("0123", 0) | {str(profile): 3}
    assert books["security_profiles"] == wanted
    assert books["starts"] == books["stops"] > 0
    left = [path for path in Path(tmp_path).rglob("*") if path.suffix in (".pem", ".key")]
    assert left == []


async def test_the_passwords_of_a_run_are_in_none_of_its_files(tmp_path: Path) -> None:
    scenario = a_scenario(slice_of(1), chargers=3, target="url: embedded, password: s3cret-pass")
    with trio.fail_after(60):
        run = await a_run(scenario, tmp_path)
    assert run.result == "passed"
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"s3cret-pass" not in path.read_bytes()


# ── a CSMS of one's own ──────────────────────────────────────────────────────────────────────────


async def test_files_of_ones_own_open_the_door_of_another_csms(tmp_path: Path) -> None:
    pki = PkiFolder(tmp_path / "pki")
    authority = pki.init(at_wall_s=time.time())
    for identity in ("A:1", "A:2"):
        pki.issue(identity, authority=authority, at_wall_s=time.time())
    async with embedded_csms(pki=pki.path, security_profile=3) as csms:
        target = (
            f"url: '{csms.secure_url}', ca_file: '{pki.ca_pem}', "
            f"client_cert: '{pki.chargers}/{{identity}}.pem', "
            f"client_key: '{pki.chargers}/{{identity}}.key'"
        )
        fleet = slice_of(3, count=2, identity="A:{n}")
        with trio.fail_after(60):
            run = await a_run(a_scenario(fleet, chargers=2, target=target), tmp_path / "run")
        assert run.result == "passed"
        assert (await csms.ledger())["security_profiles"]["3"] == 3  # two, and who looked first


async def test_a_csms_that_refuses_the_first_charger_is_not_loaded(tmp_path: Path) -> None:
    pki = PkiFolder(tmp_path / "pki")
    pki.init(at_wall_s=time.time())
    async with embedded_csms(pki=pki.path, security_profile=2, password="right") as csms:
        target = f"url: '{csms.url}', ca_file: '{pki.ca_pem}', password: not-this-one"
        with pytest.raises(TargetUnreachable, match="wrong credentials"):
            await a_run(a_scenario(slice_of(2), chargers=3, target=target), tmp_path / "run")


@pytest.mark.parametrize(
    ("profile", "target", "said"),
    [
        (1, "url: 'ws://127.0.0.1:9'", "'only' have security_profile 1 and no password"),
        (2, "url: 'wss://127.0.0.1:9'", "'only' have security_profile 2 and no password"),
        (3, "url: 'wss://127.0.0.1:9'", "no certificate: write target.client_cert"),
        (3, "url: 'wss://127.0.0.1:9', client_cert: 'no/{identity}.pem'", "no/SIM-1.pem"),
    ],
)
def test_what_chargers_lack_is_said_before_anything_is_started(
    profile: int, target: str, said: str
) -> None:
    scenario = a_scenario(slice_of(profile), chargers=3, target=target)
    with pytest.raises(UsageWrong, match=said):
        ensure_credentials(scenario, plans_of(scenario))


def test_files_for_another_csms_are_of_no_use_to_the_embedded_one() -> None:
    target = "url: 'wss://127.0.0.1:9', client_cert: 'no/{identity}.pem'"
    scenario = with_target(a_scenario(slice_of(3), chargers=3, target=target), "embedded")
    with pytest.raises(UsageWrong, match="issues its chargers' certificates itself"):
        ensure_credentials(scenario, plans_of(scenario))


# ── what the CSMS of a run can do ────────────────────────────────────────────────────────────────


async def test_a_run_tells_its_chargers_another_key_and_has_them_sign(tmp_path: Path) -> None:
    key = "00112233445566778899aabbccddeeff"
    commands = f"""
commands:
  - {{at: 300ms, send: ChangeConfiguration, payload: {{key: AuthorizationKey, value: "{key}"}}}}
  - {{at: 700ms, send: ExtendedTriggerMessage, expect: [Accepted, NotImplemented],
     payload: {{requestedMessage: SignChargePointCertificate}}}}
"""
    scenario = a_scenario(
        slice_of(2, more=", configuration: {CpoName: Acme}"), chargers=3, more=commands
    )
    with trio.fail_after(60):
        run = await a_run(scenario, tmp_path)
    books = run.summary["ledger"]["csms"]
    assert run.summary["chargers"]["booted"] == 3
    assert books["security_profiles"]["2"] == 6  # each came again, with the new key
    assert books["refused"] == {}
    certificates = books["certificates"]
    assert certificates["signed"] == certificates["asked"] == certificates["accepted"] == 3
