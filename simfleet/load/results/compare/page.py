"""A comparison as one offline HTML page, in the dress of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet import __version__
from simfleet.load.results.compare.text import (
    change_text,
    opinion_text,
    shown,
    statement,
)
from simfleet.load.results.compare.values import value_text
from simfleet.load.results.report.markup import badge, code, facts, folded, section, table, text
from simfleet.load.results.report.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.load.results.compare.comparison import Comparison, Side
    from simfleet.load.results.compare.differences import Difference
    from simfleet.load.results.report.markup import Html

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TONES: Final = {"better": "good", "worse": "bad", "different": "poor"}


def comparison_page(comparison: Comparison) -> str:
    """The whole page. Whatever comes from the folders is escaped."""
    parts = (
        _head(comparison),
        section("rules", "Rules", _rules(comparison)),
        section("changed", "What changed", _table(shown(comparison))),
        section("same", "Did both run the same?", _sameness(comparison)),
        section("all", "Every figure", folded("Show", _table(comparison.differences))),
    )
    title = text(f"{comparison.b.scenario}: two runs compared")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"{''.join(parts)}"
        f"<footer><p>SimFleet {text(__version__)}</p></footer></main></body></html>\n"
    )


def _head(comparison: Comparison) -> str:
    verdict = badge("failed", "bad") if comparison.broken else badge("compared", "good")
    if comparison.invalid:
        verdict = badge("proves nothing", "bad")
    sides = facts((("A, before", _side(comparison.a)), ("B, now", _side(comparison.b))))
    doubts = "".join(f"<p>{text(doubt)}</p>" for doubt in comparison.invalid)
    return (
        f"<header><h1>{text(comparison.b.scenario)}: two runs compared</h1>"
        f'<p class="lead">{verdict} {text(statement(comparison))}</p>{doubts}{sides}</header>'
    )


def _side(side: Side) -> str:
    words = (side.folder, side.began, side.result.replace("_", " "), f"generator {side.generator}")
    return ", ".join(word for word in words if word)


def _rules(comparison: Comparison) -> Html:
    return table(
        ("rule", "broken by"), [(code(one.rule), one.message) for one in comparison.broken]
    )


def _table(found: Iterable[Difference]) -> Html:
    return table(
        ("figure", "A", "B", "change", "worth", "by"),
        [
            (
                code(one.metric),
                value_text(one.a, one.kind),
                value_text(one.b, one.kind),
                change_text(one),
                badge(opinion_text(one), _tone(one)),
                one.why,
            )
            for one in found
        ],
        numbers=(1, 2, 3),
    )


def _tone(one: Difference) -> str:
    """What has no test gets no colour of a judgement."""
    proven = one.p is not None or one.opinion == "different"
    return _TONES.get(one.opinion, "plain") if proven else "plain"


def _sameness(comparison: Comparison) -> str:
    same = comparison.sameness
    if not same.known:
        return "<p>A manifest is missing or damaged, so nobody knows.</p>"
    told = "Yes, the same load." if same.same else "No; the figures mean something else:"
    return (
        f"<p>{told}</p>"
        + table(("scenario",), [(one,) for one in same.changes])
        + table(("circumstances",), [(one,) for one in same.circumstances])
    )
