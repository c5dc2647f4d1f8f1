"""Reading a scenario file: bytes in, a `Scenario` or every problem with its place out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simfleet.documents.fields import Part
from simfleet.documents.nodes import SIZE_MAX_BYTES, Place, Scalar, YamlBroken, parse_yaml
from simfleet.documents.problems import Problems
from simfleet.errors import UsageWrong
from simfleet.load.preparation import prepare
from simfleet.load.rules import check_rules
from simfleet.load.schema1 import Behaviour, Hold, Ramp, Scenario, Slice, Stage, Stop, Target
from simfleet.load.slice_data import SliceData
from simfleet.load.slice_models import put_models_in
from simfleet.models.catalogue import built_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simfleet.models.catalogue import Catalogue

__all__ = [
    "Behaviour",
    "Hold",
    "Ramp",
    "Scenario",
    "Slice",
    "Stage",
    "Stop",
    "Target",
    "load_scenario",
    "parse_scenario",
    "scenario_schema",
]

_SCENARIO = Part(Scenario, "a scenario, a mapping that begins with schema: 1,")


def load_scenario(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    models: Catalogue | None = None,
    environment: Mapping[str, str] | None = None,
) -> Scenario:
    """Read a scenario file; `overrides` are `path=value` as given to `--set`, `models` the charger
    models that it can name (None: the built-in ones), `environment` the variables that it can
    name (None: those of the process).

    Raises ScenarioInvalid with all problems, UsageWrong if the file cannot be read at all.
    """
    return parse_scenario(
        read_content(path),
        source=str(path),
        overrides=overrides,
        models=models,
        folder=Path(path).parent,
        environment=os.environ if environment is None else environment,
    )


def read_content(path: str | Path) -> bytes:
    """The bytes of a scenario file, or one more than are allowed. Raises UsageWrong."""
    try:
        with Path(path).open("rb") as file:
            return file.read(SIZE_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageWrong(f"cannot read the scenario {str(path)!r}: {reason}") from None


def parse_scenario(
    content: bytes,
    *,
    source: str = "scenario.yaml",
    overrides: Sequence[str] = (),
    models: Catalogue | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Scenario:
    """As `load_scenario`, of content at hand; any bytes give a Scenario or ScenarioInvalid.

    `folder` is where the files are that it names: models, data, included ones; None: it may name
    none. `environment` has the variables that it may name as `${NAME}`; None: none.
    """
    problems = Problems()
    models = built_in() if models is None else models
    try:
        node = parse_yaml(content, source, problems.report)
    except YamlBroken as broken:
        problems.report(broken.place, "", broken.message)
        node = None
    else:
        if node is None or (isinstance(node, Scalar) and not node.text):
            message = "the file is empty; a scenario begins with schema: 1"
            problems.report(Place(source, 1, 1), "", message)
            node = None
    if node is None:
        problems.raise_if_any()
    assert node is not None
    node, written = prepare(
        node,
        problems,
        source=source,
        overrides=overrides,
        environment=environment,
        folder=folder,
    )
    draft = _SCENARIO.read(node, "", problems.report)
    put_models_in(draft, models, folder, problems.report)
    data = SliceData(folder, problems.report)
    data.put_in(draft)
    written.files.update(data.files)
    if data.passwords:
        written.redactor.add(data.passwords)
    check_rules(draft, problems.report)
    problems.raise_if_any()
    draft.values["written"] = written
    scenario: Scenario = draft.build()
    return scenario


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of scenario files, for editors; reading one checks more."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "SimFleet scenario, schema 1",
    }
    return head | _SCENARIO.json_schema()
