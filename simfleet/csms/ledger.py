"""The ledger: everything that the book has counted, as JSON values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simfleet.csms.book import Book


def ledger_of(book: Book) -> dict[str, object]:
    """The ledger of a book. docs/csms.md explains each name."""
    return {
        "identities": len(book.stations) + book.forgotten["stations"],
        "connected": book.connected,
        "connected_peak": book.connected_peak,
        "connections": book.connections,
        "duplicate_identities": book.duplicate_identities,
        "replaced": book.replaced,
        "boots": book.boots,
        "calls_before_boot": book.calls_before_boot,
        "refused_before_boot": book.refused_before_boot,
        "starts": book.starts,
        "duplicate_starts": book.duplicate_starts,
        "stops": book.stops,
        "stopped_twice": book.stopped_twice,
        "stop_retries": book.stop_retries,
        "stop_unknown": book.stop_unknown,
        "stop_reasons": dict(sorted(book.stop_reasons.items())),
        "transactions_open": len(book.open),
        "energy_wh": book.energy_wh,
        "exported_wh": book.exported_wh,
        "exports_whole": book.exports_whole,
        "negative_energies": book.negative_energies,
        "meter_values": book.meter_values,
        "sampled_values": book.sampled_values,
        "unreadable_values": book.unreadable_values,
        "meter_values_unknown": book.meter_values_unknown,
        "register_decreases": book.register_decreases,
        "register_decrease_examples": list(book.register_decrease_examples),
        "overlapping_calls": book.overlapping_calls,
        "violations": book.wrongs.violations,
        "violation_examples": list(book.wrongs.violation_examples),
        "results_refused": book.wrongs.results_refused,
        "result_refused_examples": list(book.wrongs.results_refused_examples),
        "calls": dict(sorted(book.calls.items())),
        "statuses": dict(sorted(book.statuses.items())),
        "error_codes": dict(sorted(book.error_codes.items())),
        "commands": {action: dict(ends) for action, ends in sorted(book.commands.items())},
        "frames_in": book.frames_in,
        "frames_out": book.frames_out,
        "unanswered": book.unanswered,
        "late_replies": book.late_replies,
        "duplicate_replies": book.duplicate_replies,
        "unknown_replies": book.unknown_replies,
        "forgotten": dict(book.forgotten),
        "refused": dict(sorted(book.refused.items())),
        "security_profiles": {str(n): count for n, count in enumerate(book.profiles)},
        "transaction_events": book.events.ledger(),
        **book.upkeep.ledger(),
        **book.notices.ledger(),
    }
