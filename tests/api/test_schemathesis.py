"""Schemathesis against `simfleet serve`: some 1,700 requests made up from the API's own document.

Left out are the two streams, which do not end by themselves, and POST /api/mass-charger/apply, of
which one valid body may ask for 10,000 chargers (test_contract_mass_charger.py has it). POST
/api/runs is in: no text that is made up is a scenario, so nothing ever runs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from builders_http import Served
from simfleet.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY: Final = "sf_test_0123456789abcdefghijklmnopqrstuvwxyz"
UNLIMITED: Final = {"SIMFLEET_REQUESTS_PER_S": "0", "SIMFLEET_REQUESTS_PER_S_PER_IP": "0"}
CHARGERS: Final = 50
"""Enough that some are left after every DELETE that is made up."""
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
LEFT_OUT: Final = r"/stream$|/mass-charger/apply$"
LEFT_OUT_OPERATIONS: Final = 3
SEED: Final = 1
EXAMPLES_MAX: Final = 10
"""Of each operation in the fuzzing phase; the coverage phase has its own boundary cases."""
RUN_MAX_S: Final = 120.0
"""It takes a tenth of it; this is for a machine that does other things."""

# Without real ids nearly every request below /api/chargers/{chargepoint_id} would end as a 404.
CONFIGURATION: Final = f"""\
[dictionaries.chargers]
values = {json.dumps([f"SIM-{n}" for n in range(1, CHARGERS + 1)])}

[parameters]
"path.chargepoint_id" = {{ dictionary = "chargers", probability = 0.8 }}
"""


def environment(**given: str) -> dict[str, str]:
    """What a child inherits: no settings of ours, and no proxy between it and this machine."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SIMFLEET_")}
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **given}


@asynccontextmanager
async def a_service(folder: Path) -> AsyncIterator[Served]:
    """`simfleet serve` without limits of rates; at the end it must stop in order, and silently."""
    command = [sys.executable, "-m", "simfleet", "serve", "--port", "0", "--csms-port", "0"]
    out, err = folder / "out.txt", folder / "err.txt"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            [*command, "--db", str(folder / "simfleet.db")],
            stdout=stdout,
            stderr=stderr,
            env=environment(
                SIMFLEET_API_KEY=KEY,
                SIMFLEET_REQUESTS_PER_S="0",
                SIMFLEET_REQUESTS_PER_S_PER_IP="0",
            ),
        )
    try:
        with trio.fail_after(30):
            while "database" not in out.read_text():
                assert process.poll() is None, err.read_text()
                await trio.sleep(0.05)
        found = re.search(r"^API +http://127\.0\.0\.1:(\d+) ", out.read_text(), re.MULTILINE)
        assert found is not None, out.read_text()
        yield Served(int(found[1]))
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(30):
            assert await process.wait() == ExitCode.PASSED, err.read_text()
        assert err.read_text() == ""
    finally:
        process.kill()
        await process.wait()


async def some_chargers(service: Served) -> None:
    """Chargers for the requests to find, every other one connected to the embedded CSMS."""

    async def post(path: str, **body: object) -> None:
        headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        reply = await service.ask(path, method="POST", headers=headers, body=content)
        assert reply.status == 200, reply

    new = {"chargepoint_id": "SIM-{n}", "charger_type": "AC", "max_power_kw": 22}
    await post("/api/chargers", **new, count=CHARGERS)
    for number in range(1, CHARGERS + 1, 2):
        await post(f"/api/chargers/SIM-{number}/mode", mode="manual")


async def fuzz(service: Served, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Let Schemathesis make requests up, from a folder where it may leave what it likes."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color"]
    command += ["--config-file", "schemathesis.toml"]
    command += ["run", f"http://127.0.0.1:{service.port}/openapi.json"]
    command += ["--header", f"X-API-Key: {KEY}", "--exclude-path-regex", LEFT_OUT]
    command += ["--checks", ",".join(CHECKS), "--seed", str(SEED), "--warnings", "off"]
    command += ["--max-examples", str(EXAMPLES_MAX), "--request-timeout", "15"]
    command += ["--generation-database", "none", "--suppress-health-check", "all"]
    with trio.fail_after(RUN_MAX_S):
        return await trio.run_process(
            command,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=folder,
            env=environment(),
        )


async def answers(service: Served) -> dict[int, int]:
    """How often the service has answered with each status, as it counts itself."""
    metrics = (await service.ask("/metrics")).content.decode()
    counts: dict[int, int] = {}
    for status, count in re.findall(
        r'simfleet_http_answers_total{.*status="(\d+)"} (\d+)', metrics
    ):
        counts[int(status)] = counts.get(int(status), 0) + int(count)
    return counts


async def test_no_request_that_can_be_made_up_is_answered_otherwise_than_documented(
    tmp_path: Path,
) -> None:
    async with a_service(tmp_path) as service:
        await some_chargers(service)
        run = await fuzz(service, tmp_path)
        report = run.stdout.decode(errors="replace")
        assert run.returncode == 0, report
        found = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", report)
        assert found is not None, report
        selected, known, tested = map(int, found.groups())
        assert (known - selected, tested) == (LEFT_OUT_OPERATIONS, selected), report

        # The service's own count agrees, and the requests did come past the first checks.
        counts = await answers(service)
        assert not [status for status in counts if status >= 500], (counts, report)
        assert {200, 201, 400, 404, 405, 409, 415} - counts.keys() == set(), (counts, report)
        assert sum(counts.values()) > 1_000, (counts, report)
        assert counts[200] > 100, (counts, report)
        health = (await service.ask("/health")).json
        assert health["status"] == "ok", (health, report)
