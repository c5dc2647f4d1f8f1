"""Where models are found: the built-in ones, a directory of the user's own, and single files.

A directory has a folder per brand with a file per model, `acme/wall-22.yaml`, and the model is
called `acme/wall-22`. Files are read when they are first asked for, and once.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simfleet.documents.fields import Draft, Part
from simfleet.documents.kinds import BAD, did_you_mean
from simfleet.documents.nodes import (
    SIZE_MAX_BYTES,
    Entry,
    Node,
    Pairs,
    Place,
    Report,
    Scalar,
    YamlBroken,
    parse_yaml,
)
from simfleet.documents.problems import Problems
from simfleet.errors import Missing, ModelInvalid, UsageWrong
from simfleet.models.model import ChargerModel
from simfleet.models.rules import check_settings, check_words
from simfleet.models.schema import MODEL_FILE, MODEL_NAME, ModelWords

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

BUILT_IN: Final = Path(__file__).parent / "builtin"
MODELS_MAX: Final = 1_000
"""Models in a user's directory."""
EXTENDS_MAX: Final = 8
"""Models that one model is derived from, one from the other."""
FILES_REMEMBERED_MAX: Final = 1_000
_SUFFIXES: Final = (".yaml", ".yml")
_WORDS: Final = Part(ModelWords, "a charger model, a mapping that begins with schema: 1,")


class ModelMissing(Missing):
    """No model of that name. `near` is the one that may have been meant, or ""."""

    code = "MODEL_NOT_FOUND"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        near = did_you_mean(name, known)
        see = near or "; `simfleet models` lists them"
        super().__init__(f"no charger model is called {name[:80]!r}{see}")
        self.name = name


def names_a_model(text: str) -> bool:
    """Whether a text is a model's name or file, and not just what a charger calls itself."""
    return "/" in text or text.endswith(_SUFFIXES)


class Catalogue:
    """See the module. Raises `UsageWrong` for a directory that cannot be used as one."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._files = _files_in(BUILT_IN)
        if directory is not None:
            self._files |= self._own(directory)
        self._models: dict[Path, ChargerModel] = {}

    def _own(self, directory: Path) -> Mapping[str, Path]:
        own = _files_in(directory)
        if taken := sorted(own.keys() & self._files.keys()):
            raise UsageWrong(
                f"{own[taken[0]]}: a built-in model is called {taken[0]} as well; give it another"
                " name, and write `extends: " + taken[0] + "` in it to derive from that one"
            )
        return own

    @property
    def names(self) -> list[str]:
        """Of all models, in order."""
        return sorted(self._files)

    def find(self, name: str) -> ChargerModel:
        """The model `brand/model`. Raises `ModelMissing`, `ModelInvalid`, `UsageWrong`."""
        problems = Problems()
        if name not in self._files:
            raise ModelMissing(name, self._files)
        model = self.read(self._files[name], problems.report, name=name)
        problems.raise_if_any(ModelInvalid)
        assert model is not None
        return model

    def all(self) -> list[ChargerModel]:
        """All of them, in order. Raises as `find`."""
        return [self.find(name) for name in self.names]

    def source(self, name: str) -> str:
        """The text of a model's file. Raises `ModelMissing`, `UsageWrong`."""
        if name not in self._files:
            raise ModelMissing(name, self._files)
        return _content(self._files[name]).decode("utf-8", "replace")

    def named(
        self, text: str, *, folder: Path | None, place: Place, path: str, report: Report
    ) -> ChargerModel | None:
        """The model that a document names: one of the catalogue, or a file beside it.

        `folder` is where the document is; None for one that is no file, and may name none. What is
        wrong is reported, at `place` or in the file; then None.
        """
        found = self._named(text, folder=folder, place=place, path=path, report=report)
        if found is None:
            return None
        return self.read(found, report, name=text if found in self._files.values() else str(found))

    def _named(
        self, text: str, *, folder: Path | None, place: Place, path: str, report: Report
    ) -> Path | None:
        if re.fullmatch(MODEL_FILE, text):
            if folder is None:
                message = f"{text!r} is a file, which only a document that is one can name; "
                report(place, path, f"{message}write the name of a model of the catalogue")
                return None
            file = folder / text
            if not file.is_file():
                report(place, path, f"there is no file {str(file)!r}")
                return None
            return file
        if not re.fullmatch(MODEL_NAME, text) or text not in self._files:
            report(place, path, str(ModelMissing(text, self._files)))
            return None
        return self._files[text]

    def read(self, file: Path, report: Report, *, name: str) -> ChargerModel | None:
        """The model in `file`; None, and a report of all that is wrong. Raises `UsageWrong`."""
        known = self._models.get(file)
        if known is not None:
            return known
        problems = Problems()

        def noted(place: Place, path: str, message: str) -> None:
            problems.report(place, path, message)
            report(place, path, message)

        node = self._tree(file, noted, behind=())
        draft = BAD if node is None else _WORDS.read(node, "", noted)
        if isinstance(draft, Draft):
            check_words(draft, noted)
        if problems:
            return None
        words: ModelWords = draft.build()
        check_settings(draft, words, noted)
        if problems:
            return None
        model = ChargerModel(name, words)
        if len(self._models) >= FILES_REMEMBERED_MAX:
            self._models.clear()
        self._models[file] = model
        return model

    def _tree(self, file: Path, report: Report, *, behind: tuple[Path, ...]) -> Node | None:
        """What is written in `file`, on top of what is written in those that it extends."""
        source = _shown(file)
        try:
            node = parse_yaml(_content(file), source, report)
        except YamlBroken as broken:
            report(broken.place, "", broken.message)
            return None
        if node is None or (isinstance(node, Scalar) and not node.text):
            message = "the file is empty; a charger model begins with schema: 1"
            report(Place(source, 1, 1), "", message)
            return None
        if not isinstance(node, Pairs) or "extends" not in node.entries:
            return node
        base = node.entries["extends"].value
        if not isinstance(base, Scalar):
            return node  # whoever reads the fields says what is wrong with it
        found = self._named(
            base.text, folder=file.parent, place=base.place, path="extends", report=report
        )
        if found is None:
            return None
        behind = (*behind, file)
        if found.resolve() in {one.resolve() for one in behind}:
            report(base.place, "extends", f"{base.text!r} leads back to this very model")
            return None
        if len(behind) > EXTENDS_MAX:
            report(base.place, "extends", f"more than {EXTENDS_MAX} models, one behind the other")
            return None
        below = self._tree(found, report, behind=behind)
        return below if below is None or not isinstance(below, Pairs) else laid_over(below, node)


def laid_over(below: Pairs, above: Pairs) -> Pairs:
    """Both mappings: mappings in them are merged, anything else is replaced by what is above.

    An empty value above takes away what is below.
    """
    entries = dict(below.entries)
    for name, entry in above.entries.items():
        old = entries.get(name)
        if isinstance(entry.value, Scalar) and entry.value.plain and not entry.value.text:
            if old is None:
                entries[name] = entry  # there is nothing to take away: read, and reported
            else:
                del entries[name]
        elif old is not None and isinstance(old.value, Pairs) and isinstance(entry.value, Pairs):
            entries[name] = Entry(entry.place, laid_over(old.value, entry.value))
        else:
            entries[name] = entry
    return Pairs(above.place, entries)


@cache
def built_in() -> Catalogue:
    """The catalogue without anything of the user's own."""
    return Catalogue()


def model_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a model's file, for editors; reading one checks more."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "SimFleet charger model, schema 1",
    }
    return head | _WORDS.json_schema()


def _files_in(directory: Path) -> dict[str, Path]:
    """The models of a directory by name. Raises `UsageWrong`."""
    found: dict[str, Path] = {}
    try:
        files = sorted(
            one for one in directory.rglob("*") if one.suffix in _SUFFIXES and one.is_file()
        )
        if not directory.is_dir():
            raise UsageWrong(f"{directory} is no directory of charger models")
    except OSError as error:
        raise UsageWrong(f"cannot read {directory}: {error.strerror or error}") from None
    for file in files:
        name = file.relative_to(directory).with_suffix("").as_posix()
        if not re.fullmatch(MODEL_NAME, name):
            raise UsageWrong(
                f"{file}: a model's file is brand/model.yaml in {directory}, with lower-case"
                " letters, digits and dashes in both"
            )
        if name in found:
            raise UsageWrong(f"{file}: {found[name].name} is called {name} as well; keep one")
        found[name] = file
    if len(found) > MODELS_MAX:
        raise UsageWrong(f"{directory} has {len(found)} models; at most {MODELS_MAX} are read")
    return found


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise UsageWrong(
            f"cannot read the charger model {str(file)!r}: {error.strerror or error}"
        ) from None


def _shown(file: Path) -> str:
    """What messages call a file: a built-in one by its place in the catalogue."""
    if file.is_relative_to(BUILT_IN):
        return f"builtin/{file.relative_to(BUILT_IN).as_posix()}"
    return str(file)
