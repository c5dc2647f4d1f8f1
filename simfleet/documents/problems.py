"""Everything that is wrong with what was read, in the order in which it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.errors import ScenarioInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.documents.nodes import Place

PROBLEMS_MAX = 100  # more help nobody


class Problems:
    """Collects problems; `report` is the `Report` of readers. Files keep the order of their first
    problem.
    """

    def __init__(self) -> None:
        self._found: list[tuple[Place, str, str]] = []
        self.clean: Callable[[str], str] = str
        """What takes secrets out of a line."""
        self.told: set[Place] = set()
        """Places of which enough was said: what follows from that is not reported."""

    def __bool__(self) -> bool:
        return bool(self._found)

    def report(self, place: Place, path: str, message: str) -> None:
        """Note one problem at `place`, with the value at `path`."""
        if place not in self.told:
            self._found.append((place, path, message))

    def raise_if_any(self, error: type[ScenarioInvalid] = ScenarioInvalid) -> None:
        """Raise `error` with all problems that were reported, if there are any."""
        if not self._found:
            return
        sources = {place.source: None for place, _, _ in self._found if place.line}
        rank = {source: number for number, source in enumerate(sources)}
        # What was given on the command line has no line, and comes last.
        in_order = sorted(
            self._found,
            key=lambda found: (
                not found[0].line,
                rank.get(found[0].source, 0),
                found[0].line,
                found[0].column,
            ),
        )
        lines = [
            f"{place}: {path}: {text}" if path else f"{place}: {text}"
            for place, path, text in in_order
        ]
        if len(lines) > PROBLEMS_MAX:
            lines[PROBLEMS_MAX:] = [f"{len(lines) - PROBLEMS_MAX} more problems are not shown"]
        raise error([self.clean(line) for line in lines])
