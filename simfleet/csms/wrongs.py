"""What stations did against the protocol, and what they could not use of ours. Pure, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.ocpp.results import Violation

EXAMPLES_MAX: Final = 20
"""Of each kind, kept in full."""
FRAME_SHOWN_BYTES: Final = 500
"""Bytes of an offending frame that the ledger shows."""


class Wrongs:
    """Counts, and the first examples."""

    __slots__ = ("results_refused", "results_refused_examples", "violation_examples", "violations")

    def __init__(self) -> None:
        self.violations = 0
        self.violation_examples: list[dict[str, str]] = []
        self.results_refused = 0
        self.results_refused_examples: list[dict[str, str]] = []

    def note(self, identity: str, violations: Sequence[Violation]) -> None:
        """Count what a station did wrong. That it could not use an answer of ours (CALLRESULTERROR)
        is no wrong of its own.
        """
        for violation in violations:
            if violation.kind == "result_refused":
                self.results_refused += 1
                if len(self.results_refused_examples) < EXAMPLES_MAX:
                    self.results_refused_examples.append(
                        {
                            "identity": identity,
                            "error_code": violation.error_code,
                            "description": violation.description,
                        }
                    )
                continue
            self.violations += 1
            if len(self.violation_examples) < EXAMPLES_MAX:
                self.violation_examples.append(
                    {
                        "identity": identity,
                        "kind": violation.kind,
                        "action": violation.action,
                        "error_code": violation.error_code,
                        "description": violation.description,
                        "path": violation.path,
                        "frame": violation.frame[:FRAME_SHOWN_BYTES].decode(errors="replace"),
                    }
                )
