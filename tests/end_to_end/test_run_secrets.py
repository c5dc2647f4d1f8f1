"""No secret of a run is in anything that the run leaves behind or says, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SECRETS = {
    "PASSWORD": "distinctive-password-0001",
    "OWN_PASSWORD": "distinctive-password-0002",
    "SITE": "DISTINCTIVE-SITE",
    "TAG": "DISTINCTIVETAG",
    "API_KEY": 'distinctive "header" <value>',
    "PLACE": "distinctive-vendor",
}
FED = ["distinctive-fed-0001", "distinctive-fed-0002"]
SCENARIO = """\
include: [base.yaml]
schema: 1
name: secretive
description: at ${SITE}, with ${API_KEY}
secrets: [SITE, TAG, API_KEY, PLACE]
target: {url: embedded, password: "${PASSWORD}", headers: {X-Api-Key: "${API_KEY}"}}
fleet:
  - {name: plain, count: 2, id: "${SITE}-{n}", id_tags: ["${TAG}"],
     vendor: "${PLACE}", configuration: {MeterValueSampleInterval: 1}}
  - {name: own, count: 1, id: OWN, password: "${OWN_PASSWORD}", security_profile: 1}
  - {name: fed, data: {file: fed.csv, identity: id, password: secret}, security_profile: 1}
  - {name: keyed, count: 1, id: KEYED, security_profile: 2,
     configuration: {AuthorizationKey: "64697374696e63746976652d6b65792d30303031"}}
behaviour: {think_time: 50ms..200ms, energy_kwh: {normal: {mean: 6, sd: 1}}}
stages:
  - {do: ramp, to: 6, over: 300ms}
  - do: hold
    for: 3s
    faults: [{kind: schema_invalid, share: 50%}, {kind: unanswered_call, count: 1}]
thresholds: {call.count: ">= 100000"}
"""
BASE = """\
commands:
  - {at: 1s, send: DataTransfer, payload: {vendorId: "${SITE}", data: "${API_KEY}"},
     expect: Rejected}
  - {at: 2s, send: ChangeConfiguration, to: {slice: own},
     payload: {key: AuthorizationKey, value: "64697374696e63746976652d6b65792d30303032"}}
  - {at: 2s, send: RemoteStartTransaction, payload: {idTag: "${TAG}"}, expect: Rejected}
"""
FORBIDDEN = [*SECRETS.values(), *FED, "distinctive-key-0001", "distinctive-key-0002"]


def forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield json.dumps(secret)[1:-1].encode()
    yield secret.encode().hex().encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")


def run(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[bytes], Path]:
    (folder / "main.yaml").write_text(SCENARIO)
    (folder / "base.yaml").write_text(BASE)
    (folder / "fed.csv").write_text(f"id,secret\nFED-1,{FED[0]}\nFED-2,{FED[1]}\n")
    out = folder / "out"
    command = [sys.executable, "-m", "simfleet", "run", str(folder / "main.yaml")]
    ended = subprocess.run(
        [*command, "--out", str(out), *arguments],
        cwd=ROOT,
        env=os.environ | SECRETS,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return ended, out


def assert_silent(where: str, content: bytes) -> None:
    for secret in FORBIDDEN:
        for form in forms(secret):
            assert form.lower() not in content.lower(), f"{where} tells {form!r}"


def test_a_run_that_goes_wrong_tells_no_secret_anywhere(tmp_path: Path) -> None:
    given = f"seed={len(FED)}", "--set", "description=${SITE} " + SECRETS["API_KEY"]
    ended, out = run(tmp_path, "--set", *given)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {"summary.json", "manifest.json", "errors.jsonl", "run.hlog"} <= {p.name for p in files}
    assert_silent("standard output", ended.stdout)
    assert_silent("standard error", ended.stderr)
    for path in files:
        assert_silent(path.name, path.read_bytes())
    summary = json.loads((out / "summary.json").read_bytes())
    assert summary["chargers"]["booted"] == 6  # passwords and all
    assert summary["injected"]["total"] > 0
    errors = (out / "errors.jsonl").read_text()
    assert '"charger":"${SITE}-' in errors
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert manifest["scenario"]["fleet"][0]["vendor"] == "${PLACE}"
    assert manifest["scenario"]["target"]["headers"] == {"X-Api-Key": "${API_KEY}"}
    assert manifest["written"]["secrets"] == sorted(SECRETS)


@pytest.mark.parametrize(
    "option",
    [
        "target.url=ws://127.0.0.1:9/${SITE}",  # nobody listens
        "target.url=ws://127.0.0.1:9/x y ${SITE}",
        "fleet[1].security_profile=${PASSWORD}",
        "fleet[3].configuration={AuthorizationKey: distinctive-key-0001}",
        "target.password=distinctive-key-0001ü",
        "seed=${API_KEY}",
        "stages[0].to=${SITE}",
    ],
)
def test_a_run_that_is_refused_tells_no_secret_either(tmp_path: Path, option: str) -> None:
    ended, out = run(tmp_path, "--set", "commands=[]", "--set", option)
    assert ended.returncode in (104, 105)
    assert not out.exists()
    assert_silent("standard output", ended.stdout)
    assert_silent("standard error", ended.stderr)
