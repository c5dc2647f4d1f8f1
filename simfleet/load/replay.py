"""A run once more, from its `manifest.json`: the same fleet, the same schedule, or a refusal.

The manifest has the scenario as one text, with includes and `--set` in it and variables still as
`${NAME}`, the values of the variables, and the digests of what was read and of the fleet. Secrets
are not in it: they are asked from the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from simfleet import __version__
from simfleet.errors import UsageWrong
from simfleet.load.adjust import with_chargers, with_seed, with_target
from simfleet.load.fleet_digest import fleet_block
from simfleet.load.fleet_plans import plans_of
from simfleet.load.scenario import parse_scenario
from simfleet.load.secrets import HIDDEN
from simfleet.models.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.schema1 import Scenario

MANIFEST = "manifest.json"


class _Written(msgspec.Struct):
    document: str = ""
    folder: str = ""
    variables: dict[str, str] = {}
    secrets: list[str] = []
    files: dict[str, str] = {}


class Options(msgspec.Struct, frozen=True):
    """What the command line said besides `--set`, which is in the document."""

    chargers: int | None = None
    seed: int | None = None
    target: str | None = None
    models: str | None = None
    time_scale: float | None = None
    virtual: bool = False


class Manifest(msgspec.Struct):
    """The part of a manifest that a replay reads."""

    schema: int
    seed: int
    scenario_sha256: str = ""
    written: _Written = msgspec.field(default_factory=_Written)
    options: Options = Options()
    versions: dict[str, str] = {}
    fleet: dict[str, Any] = {}


class Replay(NamedTuple):
    """What is to be run. `warnings` are sentences for people."""

    scenario: Scenario
    plans: list[ChargerPlan]
    options: Options
    scenario_sha256: str
    """Of the file that the run was first made of."""
    warnings: list[str]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run folder. Raises `UsageWrong`."""
    path = folder / MANIFEST if folder.is_dir() else folder
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise UsageWrong(f"cannot read {path}: {error.strerror or error}") from None
    except msgspec.MsgspecError as error:
        raise UsageWrong(f"{path} is no manifest of a run: {error}") from None
    if found.schema != 1:
        raise UsageWrong(f"{path}: schema {found.schema}; this version reads 1")
    if not found.written.document or not found.fleet:
        raise UsageWrong(f"{path} was written before runs could be replayed; run its scenario anew")
    return found


def replay_of(
    manifest: Manifest, environment: Mapping[str, str], *, target: str | None = None
) -> Replay:
    """The run of a manifest. Raises `UsageWrong` where a secret is missing, a file has changed or
    the fleet would be another one, `ScenarioInvalid` for what this version does not accept.
    """
    written, options = manifest.written, manifest.options
    missing = [name for name in written.secrets if name not in environment]
    if missing:
        raise UsageWrong(
            f"the run had secrets, which are in no manifest: set {', '.join(missing)} in the"
            " environment"
        )
    folder = Path(written.folder) if written.folder else None
    scenario = parse_scenario(
        written.document.encode(),
        source=MANIFEST,
        folder=folder,
        models=Catalogue(Path(options.models)) if options.models else None,
        environment={**environment, **written.variables},
    )
    if options.chargers is not None:
        scenario = with_chargers(scenario, options.chargers)
    if options.seed is not None:
        scenario = with_seed(scenario, options.seed)
    for wanted in (options.target, target):
        if wanted is not None:
            scenario = with_target(scenario, wanted)
    changed = sorted(
        name
        for name, sha256 in scenario.written.files.items()
        if written.files.get(name, sha256) != sha256
    )
    if changed:
        raise UsageWrong(f"{', '.join(changed)}: not the file any more that the run has read")
    plans = plans_of(scenario)
    warnings = _differences(manifest, fleet_block(scenario, plans))
    return Replay(scenario, plans, options, manifest.scenario_sha256, warnings)


def _differences(manifest: Manifest, now: dict[str, Any]) -> list[str]:
    version = manifest.versions.get("simfleet", "an unknown version")
    then = manifest.fleet
    if now["digest"] != then.get("digest") or now["count"] != then.get("count"):
        raise UsageWrong(
            f"this would be another fleet: {now['count']} chargers with digest"
            f" {now['digest'][:12]}, the run had {then.get('count')} with"
            f" {str(then.get('digest'))[:12]} (by SimFleet {version}, this is {__version__});"
            " run the scenario anew instead"
        )
    warnings = []
    if HIDDEN in manifest.written.document:
        warnings.append(f"a secret stood in the scenario without a name: it is {HIDDEN!r} now")
    if now["schedule_digest"] != then.get("schedule_digest"):
        warnings.append("the fleet is the same, its schedule is not: stages or commands differ")
    if version != __version__:
        warnings.append(f"the run was made by SimFleet {version}, this is {__version__}")
    return warnings
