"""What run, replay, report, compare, check and models accept: the commands about load tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from simfleet.cli.values import assignment, host_and_port, scale, target, whole_number

if TYPE_CHECKING:
    import argparse

CHARGERS_MAX: Final = 10_000  # per run, for now


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
    parser.add_argument(
        "--no-keys",
        action="store_true",
        help="read no keys from the terminal; otherwise ? shows what they do",
    )
    _add_time(parser)
    add_models(parser)
    _add_outputs(parser)


def _add_time(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("time (docs/virtual-time.md)")
    group.add_argument(
        "--virtual",
        action="store_true",
        help="on a virtual clock, in memory, against the embedded CSMS: a day takes minutes",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="as --virtual, for any target: connect to nothing, predict rates, peaks and limits",
    )
    group.add_argument(
        "--time-scale",
        type=scale,
        metavar="N",
        help="N times as fast as real time, over real sockets; timeouts as well",
    )


def configure_replay(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet replay`: a run folder, and how to run it."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a run folder, or its manifest.json"
    )
    parser.add_argument("--target", type=target, metavar="URL", help="another CSMS")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the run's files go (default: under runs/)"
    )
    parser.add_argument("--quiet", action="store_true", help="as of simfleet run")
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    parser.add_argument("--no-keys", action="store_true", help="read no keys from the terminal")
    _add_time(parser)
    _add_outputs(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("figures while it runs (docs/exports.md)")
    group.add_argument(
        "--prometheus",
        type=host_and_port,
        metavar="HOST:PORT",
        help="serve them at http://HOST:PORT/metrics",
    )
    group.add_argument(
        "--influx",
        metavar="URL",
        help="write them to InfluxDB every 10 s; the token is in INFLUX_TOKEN",
    )
    group.add_argument(
        "--otlp",
        metavar="URL",
        help="send them to an OpenTelemetry collector every 10 s, by HTTP; needs the extra otlp",
    )
    group.add_argument(
        "--jsonl", type=Path, metavar="FILE", help="append them to FILE every second, as JSON"
    )


def configure_report(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet report`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="run folder")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write only the report, to this file"
    )


def configure_compare(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet compare`."""
    parser.add_argument("a", type=Path, metavar="A", help="run folder to compare with: before")
    parser.add_argument("b", type=Path, metavar="B", help="run folder that is compared: now")
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="RULE",
        help="exit with 99 if the change from A to B is beyond this; may be repeated",
    )
    parser.add_argument(
        "--different", action="store_true", help="compare runs of different scenarios as well"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one offline page")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it as Markdown")
    parser.add_argument(
        "--json", action="store_true", help="everything as JSON on stdout, and nothing else there"
    )


def configure_check(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet check`."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO", help="scenario file (YAML)")
    add_models(parser)


def configure_models(parser: argparse.ArgumentParser) -> None:
    """Arguments of `simfleet models`."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="print the file of this one, such as norrvik/hem-11"
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of model files, for editors"
    )
    add_models(parser)


def add_models(parser: argparse.ArgumentParser) -> None:
    """Where charger models of one's own are."""
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="charger models of your own, DIR/brand/model.yaml (default: SIMFLEET_MODELS)",
    )
