"""The main job: 10,000 chargers with MeterValues every 10 s, by `simfleet run`, embedded CSMS.

Does the generator keep up? Its event-loop lag stands beside that of an idle Trio loop on this
machine; its timeouts and failures beside none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import trio

from bench import results
from bench.children import ROOT, Child, ChildFailed, python
from bench.results import Row, say
from bench.truth import spread_ms

MEASURES = (
    "scenarios/ten-thousand.yaml as `make demo` runs it: 10,000 chargers ramped in 10 s, "
    "MeterValues every 10 s, all stopped; generator and CSMS share the machine."
)
LAG_P99_MAX_MS = 50.0
SCENARIO = ROOT / "scenarios" / "ten-thousand.yaml"
RUN_TIMEOUT_S = 300.0
NAP_S = 0.01
NAPS = 300


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Run it once."""
    idle_ms = trio.run(_idle_lag_p99_ms)
    arguments = ("--chargers", "300") if quick else ()
    say(f"simfleet run {SCENARIO.name} {' '.join(arguments)} ...")
    summary = _summary_of_run(*arguments)
    lag_ms = summary["generator"]["loop_lag_ms"]
    timeouts = sum(call["timeouts"] for call in summary["calls"].values())
    errors = sum(sum(call["errors"].values()) for call in summary["calls"].values())
    failed = summary["chargers"]["failed"] + sum(summary["connect"]["failures"].values())
    peak = summary["chargers"]["connected_peak"]
    rows = [
        Row(
            case=f"event-loop lag p99, {peak:,} chargers",
            figure=lag_ms["p99"],
            unit="ms",
            beside="idle Trio loop",
            beside_figure=idle_ms,
            ratio=lag_ms["p99"] / idle_ms,
            target=f"below {LAG_P99_MAX_MS:g} ms",
            reached=lag_ms["p99"] < LAG_P99_MAX_MS,
            details={"p50 ms": lag_ms["p50"], "max ms": lag_ms["max"]},
        ),
        _none("timeouts", timeouts),
        _none("CALLs that ended in an error", errors),
        _none("chargers or connects that failed", failed),
    ]
    return rows, [_in_short(summary)]


def _none(case: str, count: int) -> Row:
    return Row(case=case, figure=count, unit="", target="none", reached=count == 0)


def _in_short(summary: dict[str, Any]) -> str:
    samples = summary["calls"]["MeterValues"]
    generator = summary["generator"]
    return (
        f"Verdict {summary['verdict']['result']} ({summary['verdict']['generator']}); "
        f"{summary['transactions']['started']:,} transactions, {samples['count']:,} MeterValues, "
        f"response p99 {samples['response_ms']['p99']:.1f} ms, "
        f"{summary['throughput']['calls_per_s']:.0f} CALLs/s, "
        f"{generator['cpu_us_per_call']:.0f} us CPU per CALL all told, "
        f"peak RSS {generator['rss_peak_mib']:.0f} MiB."
    )


def _summary_of_run(*arguments: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = ("run", str(SCENARIO), "--quiet", "--json", "--out", str(Path(folder) / "run"))
        with Child(
            python("simfleet", *command, *arguments),
            stderr=subprocess.DEVNULL,
            stops_on_stdin=False,
        ) as run:
            code, output = run.wait(timeout_s=RUN_TIMEOUT_S)
    if not output:
        raise ChildFailed(f"simfleet run ended with exit code {code} and without a summary")
    summary: dict[str, Any] = json.loads(output)
    return summary


async def _idle_lag_p99_ms() -> float:
    """How late an otherwise idle loop wakes from short naps: the noise of machine and kernel."""
    late_s: list[float] = []
    for _ in range(NAPS):
        due_s = time.perf_counter() + NAP_S
        await trio.sleep(NAP_S)
        late_s.append(max(0.0, time.perf_counter() - due_s))
    return spread_ms(late_s).p99


if __name__ == "__main__":
    sys.exit(results.main("bench_charging", MEASURES, measure))
