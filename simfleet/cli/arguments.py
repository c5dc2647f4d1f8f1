"""What each command accepts. Kept apart from the commands so that help needs no heavy import.

A `Command` row is all that `main` needs to know: its module is `simfleet.cli.<name>`, imported on
call.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from simfleet.csms import misbehaviour
from simfleet.csms.misbehaviour import parse_duration_s

if TYPE_CHECKING:
    from collections.abc import Callable

CHARGERS_MAX = 10_000  # per run, for now
PORT_MAX = 65_535
CERTIFICATE_DAYS_MAX = 36_500
SECURITY_PROFILE_MAX = 3
INTERVAL_MAX_S = 2**31 - 1  # OCPP integers are 32 bits wide in practice
_TARGET = re.compile(r"embedded|wss?://[^/\s?#]+[^\s?#]*")
_ASSIGNMENT = re.compile(r"[^=\s]+=.*", re.DOTALL)


class Command(NamedTuple):
    """One verb of the command line. `examples` are whole command lines; the first is the best.

    `details` is text for the end of the command's help.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    configure: Callable[[argparse.ArgumentParser], None]
    details: str = ""


# ── kinds of value ───────────────────────────────────────────────────────────────────────────────


def interval_s(text: str) -> int:
    """Whole seconds, as OCPP counts its intervals: `300`, or a duration such as `5m`."""
    try:
        took_s = float(text) if text.isdecimal() else parse_duration_s(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from wrong
    if not took_s.is_integer() or took_s > INTERVAL_MAX_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of seconds up to {INTERVAL_MAX_S}"
        )
    return int(took_s)


def target(text: str) -> str:
    """`embedded`, or the WebSocket URL that a station's identity is appended to."""
    if _TARGET.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a target; write embedded, or ws://host:port/prefix (or wss://)"
        )
    return text


def assignment(text: str) -> str:
    """`path=value`, kept as it is: what the path may be is the scenario schema's to say."""
    if _ASSIGNMENT.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not path=value, for example stages[0].over=20s"
        )
    return text


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """The argument type for a decimal integer from `least` up to and including `most`."""
    wanted = f"at least {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        number = int(text) if re.fullmatch(r"-?\d{1,20}", text, re.ASCII) else None
        if number is None or number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {wanted}")
        return number

    return parse


# ── the commands' arguments ──────────────────────────────────────────────────────────────────────


def configure_run(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet run`; an option given here wins over the scenario file."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO", help="scenario file (YAML)")
    parser.add_argument(
        "--target",
        type=target,
        metavar="URL",
        help="'embedded', or ws://host:port/prefix; the identity is appended, percent-encoded",
    )
    parser.add_argument(
        "--chargers",
        type=whole_number(0, CHARGERS_MAX),
        metavar="N",
        help=f"how many chargers, 0 to {CHARGERS_MAX}: every slice and stage is scaled to it",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), metavar="S", help="seed of everything that varies"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=assignment,
        metavar="PATH=VALUE",
        help="replace one value of the scenario, e.g. stages[0].over=20s; may be repeated",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the run's files go (default: a new folder under runs/)",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no progress; a summary only if the run failed, or its folder could not be written",
    )
    parser.add_argument(
        "--json", action="store_true", help="the summary as JSON on stdout, and nothing else there"
    )
    _add_models(parser)


def price(text: str) -> float:
    """An amount of money, 0 or more."""
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no price; write one such as 0.45")
    return amount


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
    _add_answers_of_2x(parser)
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
    parser.add_argument(
        "--seed", type=whole_number(0), metavar="S", help="seed of delays and drops (default: 0)"
    )
    # JSON lines on stdin and stdout, for the run that started this process.
    parser.add_argument("--control", action="store_true", help=argparse.SUPPRESS)
    # A whole csms.behaviour.Behaviour as JSON, which the other options refine.
    parser.add_argument("--behaviour", metavar="JSON", help=argparse.SUPPRESS)


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


def configure_check(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet check`."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO", help="scenario file (YAML)")
    _add_models(parser)


def configure_models(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet models`."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="print the file of this one, such as norrvik/hem-11"
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of model files, for editors"
    )
    _add_models(parser)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="charger models of your own, DIR/brand/model.yaml (default: SIMFLEET_MODELS)",
    )


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
    _add_models(parser)
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
        ),
        configure_run,
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
