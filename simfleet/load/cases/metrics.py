"""The metrics of scripted cases."""

from __future__ import annotations

from simfleet.load.figures import Metric, figure


def metrics_of_cases() -> list[Metric]:
    """How many cases came out how; no figure for a scenario without cases."""
    return [
        Metric(
            f"cases.{result}",
            "count",
            f"scripted cases that {how}, counted once for each charger",
            f"case_totals.{result}",
            lambda summary, result=result: figure(summary, "case_totals", result),  # type: ignore[misc]
        )
        for result, how in (
            ("total", "were to be carried out"),
            ("passed", "passed"),
            ("failed", "failed"),
            ("skipped", "were not carried out, for the run ended before"),
        )
    ]
