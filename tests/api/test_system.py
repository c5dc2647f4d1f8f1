from __future__ import annotations

import re

import pytest

from builders_http import WITH_KEY, an_app
from simfleet import __version__
from simfleet.api.services import Component
from simfleet.api.system import exposition

OK = Component("ok")


@pytest.mark.parametrize(
    ("components", "status", "code"),
    [
        ({"store": OK, "csms": OK}, "ok", 200),
        ({"store": OK, "csms": Component("off", "--no-csms")}, "ok", 200),
        ({"store": Component("degraded", "disk full"), "csms": OK}, "degraded", 200),
        ({"store": Component("degraded"), "csms": Component("down", "gone")}, "down", 503),
    ],
)
async def test_health_is_that_of_the_worst_part(
    components: dict[str, Component], status: str, code: int
) -> None:
    asked = {name: (lambda part=part: part) for name, part in components.items()}
    answer = await an_app(components=asked).test_client().get("/health")
    assert answer.status_code == code
    body = await answer.get_json()
    assert (body["status"], body["version"]) == (status, __version__)
    assert {name: part["status"] for name, part in body["components"].items()} == {
        name: part.status for name, part in components.items()
    }


async def test_health_says_what_is_wrong() -> None:
    app = an_app(components={"journal": lambda: Component("degraded", "1,200 rows lost")})
    body = await (await app.test_client().get("/health")).get_json()
    assert body["components"]["journal"] == {"status": "degraded", "detail": "1,200 rows lost"}


async def test_metrics_are_in_the_prometheus_format() -> None:
    app = an_app(
        components={"store": lambda: OK, "csms": lambda: Component("down")},
        figures=lambda: {"simfleet_chargers_connected": 12},
    )
    client = app.test_client()
    await client.get("/api/things", headers=WITH_KEY)
    await client.get("/api/things")
    answer = await client.get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    text = (await answer.get_data(as_text=False)).decode()
    label = r"\w+=\"[^\"]*\""
    sample = rf"\w+(\{{{label}(,{label})*\}})? -?[\d.e+-]+"
    kind = r"# TYPE \w+ (counter|gauge)"
    assert [row for row in text.splitlines() if not re.fullmatch(f"{kind}|{sample}", row)] == []
    assert "# TYPE simfleet_http_answers_total counter\n" in text
    assert 'simfleet_http_answers_total{method="GET",status="200"} 1\n' in text
    assert 'simfleet_http_answers_total{method="GET",status="401"} 1\n' in text
    assert 'simfleet_component_up{component="store"} 1\n' in text
    assert 'simfleet_component_up{component="csms"} 0\n' in text
    assert "# TYPE simfleet_chargers_connected gauge\nsimfleet_chargers_connected 12\n" in text


async def test_labels_take_few_values_whatever_clients_send() -> None:
    client = an_app().test_client()
    for number in range(50):
        await client.get(f"/nothing/{number}")
        await client.open(f"/nothing/{number}", method=f"M{number}", json=None)
    text = (await (await client.get("/metrics")).get_data(as_text=False)).decode()
    rows = [line for line in text.splitlines() if line.startswith("simfleet_http_answers_total{")]
    assert sorted(rows) == [
        'simfleet_http_answers_total{method="GET",status="404"} 50',
        'simfleet_http_answers_total{method="other",status="404"} 50',
    ]


def test_each_family_is_introduced_once() -> None:
    shown = exposition({'a_total{x="1"}': 1, 'a_total{x="2"}': 2.5, "b": 1e6})
    assert shown == (
        b'# TYPE a_total counter\na_total{x="1"} 1\na_total{x="2"} 2.5\n# TYPE b gauge\nb 1000000\n'
    )
