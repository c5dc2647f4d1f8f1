"""What `simfleet csms` accepts: where it listens, whom it lets in, and how it behaves."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from simfleet.cli.values import PORT_MAX, interval_s, price, whole_number

SECURITY_PROFILE_MAX: Final = 3


def configure_csms(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet csms`; what is not given is the behaviour's own default.

    Those that describe the behaviour stay text here: `csms.behaviour.behaviour_of` reads them.
    """
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port",
        type=whole_number(0, PORT_MAX),
        default=9000,
        metavar="N",
        help="port to listen on (%(default)s); 0 takes a free one and prints it",
    )
    _add_access(parser)
    _add_registration(parser)
    _add_answers_of_2x(parser)
    _add_repeatable(parser)
    parser.add_argument(
        "--seed", type=whole_number(0), metavar="S", help="seed of delays and drops (default: 0)"
    )
    # The clock of an accelerated run, so that both sides have the same.
    parser.add_argument("--time-scale", type=float, default=1.0, help=argparse.SUPPRESS)
    # JSON lines on stdin and stdout, for the run that started this process.
    parser.add_argument("--control", action="store_true", help=argparse.SUPPRESS)
    # A whole csms.behaviour.Behaviour as JSON, which the other options refine.
    parser.add_argument("--behaviour", metavar="JSON", help=argparse.SUPPRESS)


def _add_access(parser: argparse.ArgumentParser) -> None:
    """Who may connect, and what a connection must be protected by."""
    parser.add_argument(
        "--password",
        metavar="TEXT",
        help="require HTTP Basic authentication with this password; the user is the identity",
    )
    parser.add_argument(
        "--passwords",
        type=Path,
        metavar="FILE",
        help="passwords of stations, lines of identity:password; they win over --password",
    )
    parser.add_argument(
        "--pki",
        type=Path,
        metavar="DIR",
        help="serve TLS as well, on the same port, and sign certificates; see simfleet pki",
    )
    parser.add_argument(
        "--security-profile",
        type=whole_number(0, SECURITY_PROFILE_MAX),
        default=0,
        metavar="N",
        help="the least that stations must do: 1 password, 2 TLS as well, 3 TLS with a client"
        " certificate (default: 0, nothing)",
    )


def _add_registration(parser: argparse.ArgumentParser) -> None:
    """What a station is told when it boots."""
    parser.add_argument(
        "--boot",
        metavar="ANSWER",
        help="answer to BootNotification: accepted, pending, rejected; pending:2 accepts after two",
    )
    parser.add_argument(
        "--boot-interval",
        type=interval_s,
        metavar="SECONDS",
        help="when a pending or rejected station is to boot again",
    )
    parser.add_argument(
        "--heartbeat-interval",
        type=interval_s,
        metavar="SECONDS",
        help="heartbeat interval of accepted stations",
    )


def _add_answers_of_2x(parser: argparse.ArgumentParser) -> None:
    """What is answered in OCPP 2.0.1 and 2.1 only."""
    parser.add_argument(
        "--price-per-kwh",
        type=price,
        metavar="PRICE",
        help="tell transactions of 2.x what they have cost so far (default: nothing is told)",
    )
    parser.add_argument(
        "--tariff",
        type=price,
        metavar="PRICE",
        help="send a tariff (EUR per kWh, without tax) with every accepted tag (2.1)",
    )
    for option, values, purpose in (
        ("--charging-needs", ("Accepted", "Rejected", "Processing"), "to what vehicles need"),
        ("--contract-certificates", ("Accepted", "Failed"), "to Get15118EVCertificate"),
        (
            "--revocation",
            ("good", "revoked", "unknown", "failed"),
            "about certificates that stations ask about, with --pki",
        ),
    ):
        parser.add_argument(
            option, choices=values, help=f"answer {purpose} (2.x; default: {values[0]})"
        )


def _add_repeatable(parser: argparse.ArgumentParser) -> None:
    """Rules of tags, of transactions, of lateness and of misbehaviour, as many as are wanted."""
    for option, value, purpose in (
        ("--reject-tag", "TAG[=STATUS]", "an idTag that is refused (Invalid), or has this status"),
        ("--parent-tag", "TAG=PARENT", "the parentIdTag of an idTag"),
        (
            "--transaction-limit",
            "KIND=MOST",
            "tell each transaction (2.1) a limit: cost=5.50, energy=20kWh, time=30m, soc=80",
        ),
        ("--delay", "[ACTION=]TIME", "answer this late: 50ms, 50ms..2s, MeterValues=1s"),
        ("--misbehave", "KIND[=VALUE]", "break a rule on purpose, see the kinds below"),
    ):
        parser.add_argument(
            option, action="append", default=[], metavar=value, help=f"{purpose}; may be repeated"
        )
