"""What each command accepts. Kept apart from the commands so that help needs no heavy import.

A `Command` row is all that `main` needs to know: its module is `simfleet.cli.<name>`, imported on
call.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from simfleet.cli.csms_arguments import configure_csms
from simfleet.cli.run_arguments import (
    add_models,
    configure_check,
    configure_compare,
    configure_models,
    configure_replay,
    configure_report,
    configure_run,
)
from simfleet.cli.values import PORT_MAX, whole_number
from simfleet.csms import misbehaviour

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

CERTIFICATE_DAYS_MAX = 36_500


class Command(NamedTuple):
    """One verb of the command line. `examples` are whole command lines; the first is the best.

    `details` is text for the end of the command's help.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    configure: Callable[[argparse.ArgumentParser], None]
    details: str = ""


def configure_bench(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet bench`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks (default: all)")
    parser.add_argument("--list", action="store_true", help="only name them and what they measure")
    parser.add_argument(
        "--quick", action="store_true", help="smaller and shorter: shows that they work, no figures"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the Markdown report here as well"
    )


def configure_serve(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet serve`; what is not given is the environment's, or the default."""
    parser.add_argument(
        "--host", metavar="HOST", help="address to listen on (default: SIMFLEET_HOST, or 127.0.0.1)"
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, PORT_MAX),
        metavar="N",
        help="port of the API (default: SIMFLEET_PORT, or 8080); 0 takes a free one and prints it",
    )
    csms = parser.add_mutually_exclusive_group()
    csms.add_argument(
        "--csms-port",
        type=whole_number(0, PORT_MAX),
        metavar="N",
        help="port of the embedded CSMS (default: SIMFLEET_CSMS_PORT, or 9000)",
    )
    csms.add_argument(
        "--no-csms", action="store_true", help="no embedded CSMS: chargers go where users say"
    )
    parser.add_argument(
        "--pki",
        type=Path,
        metavar="DIR",
        help="have the embedded CSMS serve TLS as well, and sign certificates; see simfleet pki",
    )
    add_models(parser)
    _add_database(parser)


def configure_user(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet user`: one verb, and whom it is about."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="add a user")
    add.add_argument("name", metavar="NAME", help="1 to 64 letters, digits and . _ @ -")
    listed = verbs.add_parser("list", help="list all users")
    remove = verbs.add_parser("remove", help="remove a user with keys, settings and chargers")
    remove.add_argument("name", metavar="NAME")
    _add_database(add, listed, remove)


def configure_key(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet key`: one verb, and whose or which key."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="make a key and print it, this once")
    create.add_argument("user", metavar="USER", help="whose key it will be")
    create.add_argument("--label", default="", help="what it is for, shown by list")
    listed = verbs.add_parser("list", help="list what is known of all keys, or of one user's")
    listed.add_argument("user", metavar="USER", nargs="?")
    revoke = verbs.add_parser("revoke", help="revoke a key, also in a service that is running")
    revoke.add_argument("prefix", metavar="PREFIX", help="how the key begins, as list shows it")
    _add_database(create, listed, revoke)


def configure_pki(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet pki`: one verb and a folder."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    init = verbs.add_parser("init", help="make a CA and a certificate for a CSMS")
    init.add_argument(
        "folder", type=Path, nargs="?", default=Path("pki"), metavar="DIR", help="(default: pki)"
    )
    init.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="DNS name or IP address of the CSMS (default: this machine's own); may be repeated",
    )
    issue = verbs.add_parser("issue", help="issue certificates for stations")
    issue.add_argument("folder", type=Path, metavar="DIR")
    issue.add_argument("identity", nargs="+", metavar="IDENTITY", help="1 to 64 characters")
    for verb, what in ((init, "CA"), (issue, "certificate")):
        verb.add_argument(
            "--days",
            type=whole_number(1, CERTIFICATE_DAYS_MAX),
            metavar="N",
            help="how long certificates are valid (default: a year, ten for a CA)",
        )
        verb.add_argument(
            "--force", action="store_true", help=f"replace a {what} that is there already"
        )
    show = verbs.add_parser("show", help="list the certificates, and whether they can be used")
    show.add_argument("folder", type=Path, metavar="DIR")


def _add_database(*parsers: argparse.ArgumentParser) -> None:
    for parser in parsers:
        parser.add_argument(
            "--db",
            type=Path,
            metavar="PATH",
            help="database file (default: SIMFLEET_DB, or ~/.local/share/simfleet/simfleet.db)",
        )


def configure_nothing(parser: argparse.ArgumentParser) -> None:
    """For commands without arguments."""
    del parser


COMMANDS = (
    Command(
        "run",
        "drive a load scenario and judge it",
        (
            "simfleet run scenarios/ten-thousand.yaml",
            "simfleet run my.yaml --target ws://127.0.0.1:9000/ocpp --chargers 500",
            "simfleet run my.yaml --set stages[0].over=30s --json > summary.json",
            "simfleet run my.yaml --target wss://csms.example.org/ocpp --dry-run",
            "simfleet run a-day.yaml --virtual",
        ),
        configure_run,
    ),
    Command(
        "report",
        "make the report of a run again, from the files of its folder",
        (
            "simfleet report runs/smoke-20261120-083300",
            "simfleet report runs/smoke-20261120-083300 --out smoke.html",
        ),
        configure_report,
    ),
    Command(
        "compare",
        "show what differs between two runs, and fail a pipeline on it",
        (
            "simfleet compare runs/before runs/after",
            "simfleet compare runs/before runs/after --fail-on 'p99 > +15%'",
            "simfleet compare runs/before runs/after --html comparison.html",
        ),
        configure_compare,
        details=(
            "rules of --fail-on, from A to B:\n"
            "  p99 > +15%                            relative; also p50, p90, p99_9, mean, max\n"
            "  call[Authorize].response.p99 > +50ms  any metric of thresholds, in its unit\n"
            "  error_ratio > +0.1%                   percentage points\n"
            "  transactions.started < -5%            the other way\n"
            "  p99 > +15% significant                only if it is more than noise\n"
        ),
    ),
    Command(
        "replay",
        "run once more what a run folder says: the same fleet, the same schedule",
        (
            "simfleet replay runs/ten-thousand-20261120-083300",
            "simfleet replay runs/ten-thousand-20261120-083300 --virtual --out again",
        ),
        configure_replay,
    ),
    Command(
        "csms",
        "serve the embedded central system alone",
        (
            "simfleet csms --port 9000",
            "simfleet csms --boot pending --boot-interval 30",
            "simfleet csms --delay 50ms --reject-tag STOLEN-1",
            "simfleet csms --pki pki --security-profile 2 --passwords passwords.txt",
            "simfleet csms --misbehave never-answer=Heartbeat --misbehave stall=5s@10s",
        ),
        configure_csms,
        details=f"kinds of misbehaviour:\n{misbehaviour.as_text()}\n",
    ),
    Command(
        "check",
        "validate a scenario file; names every mistake with line and column",
        ("simfleet check scenarios/ten-thousand.yaml",),
        configure_check,
    ),
    Command(
        "models",
        "list the charger models that chargers can be of, or print one",
        (
            "simfleet models",
            "simfleet models norrvik/hem-11",
            "simfleet models --models my-models",
            "simfleet models --schema > model.schema.json",
        ),
        configure_models,
    ),
    Command(
        "schema",
        "print the JSON Schema of scenario files, for editors",
        ("simfleet schema > scenario.schema.json",),
        configure_nothing,
    ),
    Command(
        "support",
        "print which OCPP messages are supported, as Markdown",
        ("simfleet support > docs/support.md",),
        configure_nothing,
    ),
    Command(
        "bench",
        "measure SimFleet itself, each figure beside a floor or a peer",
        ("simfleet bench", "simfleet bench bench_roundtrip --quick", "simfleet bench --list"),
        configure_bench,
    ),
    Command(
        "serve",
        "serve the REST API, with chargers, load tests, an embedded CSMS, and a memory",
        (
            "simfleet serve",
            "simfleet serve --port 8081 --csms-port 9001 --db /var/lib/simfleet/simfleet.db",
            "simfleet serve --no-csms",
        ),
        configure_serve,
        details=(
            "The first start makes the user 'admin' and prints an API key, or takes the one in\n"
            "SIMFLEET_API_KEY. docs/operations.md lists what else the environment can set.\n"
        ),
    ),
    Command(
        "user",
        "add, list and remove the users of the service",
        (
            "simfleet user add ada",
            "simfleet user list --db /var/lib/simfleet/simfleet.db",
            "simfleet user remove ada",
        ),
        configure_user,
    ),
    Command(
        "key",
        "make, list and revoke API keys; works beside a running service",
        (
            "simfleet key create ada --label ci",
            "simfleet key list ada",
            "simfleet key revoke sf_Vq3hTz",
        ),
        configure_key,
    ),
    Command(
        "pki",
        "make a CA, and certificates for a CSMS and for stations",
        (
            "simfleet pki init pki --host csms.example.org --host 192.0.2.7",
            "simfleet pki issue pki CP-1 CP-2",
            "simfleet pki show pki",
        ),
        configure_pki,
    ),
    Command(
        "version",
        "print the versions a bug report needs",
        ("simfleet version",),
        configure_nothing,
    ),
)
