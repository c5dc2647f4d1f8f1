"""Every mistake gets one message, with line, column, path, and what would be accepted."""

from __future__ import annotations

import pytest

from simfleet.documents.fields import fields_of
from simfleet.documents.kinds import Choice
from simfleet.documents.problems import PROBLEMS_MAX
from simfleet.errors import ScenarioInvalid, UsageWrong
from simfleet.load.scenario import Ramp, Scenario, Target, load_scenario, parse_scenario
from simfleet.load.schema1 import STAGES

GOOD = """\
schema: 1
name: good
fleet:
  - {name: ac, count: 10, id: "S-{n}"}
stages:
  - {do: ramp, to: 10, over: 1s}
"""


def problems_of(text: str | bytes, overrides: tuple[str, ...] = ()) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(content, source="s.yaml", overrides=overrides)
    return caught.value.problems


def with_line(number: int, line: str) -> str:
    lines = GOOD.splitlines()
    lines[number - 1] = line
    return "\n".join(lines) + "\n"


def test_the_scenario_that_the_mistakes_are_put_into_is_right() -> None:
    assert parse_scenario(GOOD.encode()).chargers == 10


STAGE_WORDS = Choice(*[str(stage.__struct_config__.tag) for stage in STAGES]).accepts
SLICE_KEYS = (
    "name, count, id, version, type, max_power_kw, connectors, configuration, security_profile,"
    " reboot_time, install_time, transfers, vendor, model"
)
OVER_HIGH = "write a duration such as 10s or 1m30s, 0s to 24h"

ONE_LINE = [
    # line, what it becomes, the message
    (1, "schema: 2", "s.yaml:1:9: schema: 2 is out of range; write 1"),
    (1, "schema: one", "s.yaml:1:9: schema: 'one' is not a whole number"),
    (1, 'schema: "1"', "s.yaml:1:9: schema: '1' is text; write 1, without quotes"),
    (1, "schema: 1.0", "s.yaml:1:9: schema: '1.0' is not a whole number"),
    (2, "name: 5", 's.yaml:2:7: name: 5 is not text; put it in quotes: "5"'),
    (2, "name: true", 's.yaml:2:7: name: true is not text; put it in quotes: "true"'),
    (2, "name: 1.6", 's.yaml:2:7: name: 1.6 is not text; put it in quotes: "1.6"'),
    (
        2,
        "name:",
        "s.yaml:2:6: name: is empty; write a name of letters, digits, '.', '_' and '-',"
        " or leave the key out",
    ),
    (
        2,
        'name: ""',
        "s.yaml:2:7: name: is empty; write a name of letters, digits, '.', '_' and '-'",
    ),
    (
        2,
        "name: ../etc",
        "s.yaml:2:7: name: '../etc' is not accepted;"
        " write a name of letters, digits, '.', '_' and '-'",
    ),
    (
        2,
        f"name: {'n' * 65}",
        f"s.yaml:2:7: name: '{'n' * 57}...' is longer than 64 characters",
    ),
    (
        2,
        "name: [a]",
        "s.yaml:2:7: name: a name of letters, digits, '.', '_' and '-' is expected here,"
        " not a list",
    ),
    (2, "name: a\nseed: -1", "s.yaml:3:7: seed: -1 is out of range; write a whole number, 0 to"),
    (2, "name: a\nseed: 1e3", "s.yaml:3:7: seed: '1e3' is not a whole number"),
    (2, "name: a\nseed: 010", "s.yaml:3:7: seed: '010' has leading zeros; write 10"),
    (2, "name: a\nseed: 1_0", "s.yaml:3:7: seed: '1_0' is not a whole number; write 10"),
    (2, f"name: a\nseed: {'9' * 5000}", f"s.yaml:3:7: seed: '{'9' * 57}...' is too large"),
    (2, "name: a\nsede: 1", "s.yaml:3:1: sede: unknown key; did you mean 'seed'?"),
    (
        2,
        "name: a\nfrobnicate: 1",
        f"s.yaml:3:1: frobnicate: unknown key; accepted here: {', '.join(fields_of(Scenario))}",
    ),
    (2, 'name: a\n"a b": 1', "s.yaml:3:1: 'a b': unknown key; accepted here: schema,"),
    (
        4,
        '  - {name: ac, count: 10001, id: "S-{n}"}',
        "s.yaml:4:23: fleet[0].count: 10001 is out of range;"
        " write a whole number of chargers, 0 to 10000",
    ),
    (
        4,
        '  - {name: ac, count: -1, id: "S-{n}"}',
        "s.yaml:4:23: fleet[0].count: -1 is out of range;"
        " write a whole number of chargers, 0 to 10000",
    ),
    (
        4,
        '  - {name: ac, cuont: 10, count: 10, id: "S-{n}"}',
        "s.yaml:4:16: fleet[0].cuont: unknown key; did you mean 'count'?"
        f" accepted here: {SLICE_KEYS}",
    ),
    (
        4,
        "  - {name: ac, count: 10}",
        "s.yaml:4:5: fleet[0]: 'id' is missing; write id: an identity with {n} or {n:05}"
        ' for the number, such as "SIM-{n:05}"',
    ),
    (
        4,
        "  - {name: ac, count: 10, id: S}",
        "s.yaml:4:31: fleet[0].id: 'S' names 10 chargers alike; put {n} or {n:05} into it",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S/{n}"}',
        "s.yaml:4:31: fleet[0].id: 'S/{n}': '/' cannot be in an OCPP identity;"
        " write letters, digits and * _ = : + | @ . -",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{m}"}',
        "s.yaml:4:31: fleet[0].id: 'S{m}': the only placeholders are {n} and {n:05}"
        " (01 to 09 digits)",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n:5}"}',
        "s.yaml:4:31: fleet[0].id: 'S{n:5}': the only placeholders are {n} and {n:05}"
        " (01 to 09 digits)",
    ),
    (
        4,
        f'  - {{name: ac, count: 10, id: "{"S" * 47}{{n}}"}}',
        f"s.yaml:4:31: fleet[0].id: '{'S' * 47}10' has 49 characters;"
        " an OCPP identity has at most 48",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", version: 2.0.1}',
        "s.yaml:4:48: fleet[0].version: '2.0.1' is not a version;"
        " versions are spelled as the subprotocol, write ocpp2.0.1",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", version: "2.0"}',
        "s.yaml:4:48: fleet[0].version: '2.0' is a version that nobody speaks any more;"
        " write ocpp2.0.1",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", version: 1.6}',
        "s.yaml:4:48: fleet[0].version: '1.6' is not a version;"
        " versions are spelled as the subprotocol, write ocpp1.6",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", version: ocpp16}',
        "s.yaml:4:48: fleet[0].version: 'ocpp16' is not accepted; write ocpp1.6, ocpp2.0.1 or"
        " ocpp2.1;"
        " did you mean 'ocpp1.6'?",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", type: BOTH}',
        "s.yaml:4:45: fleet[0].type: 'BOTH' is not accepted; write AC or DC",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", max_power_kw: 22kW}',
        "s.yaml:4:53: fleet[0].max_power_kw: '22kW': the key has the unit in its name; write 22",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", max_power_kw: 0}',
        "s.yaml:4:53: fleet[0].max_power_kw: '0' is out of range;"
        " write a number of kW, 0.1 to 4000",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", max_power_kw: .nan}',
        "s.yaml:4:53: fleet[0].max_power_kw: '.nan' is not a number;"
        " write digits only, such as 7.4",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", max_power_kw: 1e999}',
        "s.yaml:4:53: fleet[0].max_power_kw: '1e999' is too large",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", connectors: 6}',
        "s.yaml:4:51: fleet[0].connectors: 6 is out of range;"
        " write a whole number of connectors, 1 to 5",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", configuration: [A]}',
        "s.yaml:4:54: fleet[0].configuration: a mapping of configuration keys to values"
        " is expected here, not a list",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", configuration: {A: [1]}}',
        "s.yaml:4:58: fleet[0].configuration.A: one value is expected here, not a list",
    ),
    (
        4,
        f'  - {{name: ac, count: 10, id: "S{{n}}", configuration: {{{"K" * 51}: 1}}}}',
        f"s.yaml:4:55: fleet[0].configuration.{'K' * 51}:"
        " a configuration key has 1 to 50 characters",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", configuration: {Key: 1, kEY: 2}}',
        "s.yaml:4:68: fleet[0].configuration.kEY: given twice;"
        " upper and lower case make no difference",
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", configuration: {MeterValueSampleInterval: soon}}',
        "s.yaml:4:81: fleet[0].configuration.MeterValueSampleInterval:"
        ' "soon" is not a whole number from 0 to',
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", configuration: {heartbeatinterval: -1}}',
        "s.yaml:4:74: fleet[0].configuration.heartbeatinterval:"
        ' "-1" is not a whole number from 0 to',
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", configuration: {NumberOfConnectors: 2}}',
        "s.yaml:4:75: fleet[0].configuration.NumberOfConnectors:"
        ' "2" is not the number of connectors, 1',
    ),
    (
        4,
        '  - {name: ac, count: 10, id: "S{n}", configuration: {VendorKey: "a\\nb"}}',
        "s.yaml:4:66: fleet[0].configuration.VendorKey: 'a\\nb' has control characters;",
    ),
    (
        4,
        f'  - {{name: ac, count: 10, id: "S{{n}}", vendor: {"V" * 21}}}',
        "s.yaml:4:47: fleet[0].vendor: 'VVVVVVVVVVVVVVVVVVVVV' is longer than 20 characters",
    ),
    (4, "  - ac", "s.yaml:4:5: fleet[0]: a mapping is expected here, not 'ac'"),
    (
        6,
        "  - {do: ramp, to: 10, over: 10 parsecs}",
        "s.yaml:6:30: stages[0].over: '10 parsecs' is not a duration; write 500ms, 10s, 2m or 1h",
    ),
    (
        6,
        "  - {do: ramp, to: 10, over: 10}",
        "s.yaml:6:30: stages[0].over: '10' has no unit; write 10s or 10ms",
    ),
    (
        6,
        "  - {do: ramp, to: 10, over: -10}",
        "s.yaml:6:30: stages[0].over: '-10' is negative; write 500ms, 10s, 2m or 1h",
    ),
    (
        6,
        "  - {do: ramp, to: 10, over: -10s}",
        "s.yaml:6:30: stages[0].over: '-10s' is not a duration; write 500ms, 10s, 2m or 1h",
    ),
    (
        6,
        "  - {do: ramp, to: 10, over: 1:30}",
        "s.yaml:6:30: stages[0].over: '1:30' is not a duration; write 500ms, 10s, 2m or 1h",
    ),
    (
        6,
        "  - {do: ramp, to: 10, over: 25h}",
        f"s.yaml:6:30: stages[0].over: '25h' is out of range; {OVER_HIGH}",
    ),
    (
        6,
        "  - {do: ramp, to: 11, over: 1s}",
        "s.yaml:6:20: stages[0].to: 11 chargers are more than the fleet has; write 0 to 10",
    ),
    (
        6,
        "  - {do: ramp, to: 10, over: 1s, mode: charge}",
        "s.yaml:6:40: stages[0].mode: 'charge' is not accepted;"
        " write idle, connect or charging; did you mean 'charging'?",
    ),
    (
        6,
        "  - {do: ramp, to: 10, over: 1s, for: 1s}",
        f"s.yaml:6:34: stages[0].for: unknown key; accepted here: do, {', '.join(fields_of(Ramp))}",
    ),
    (
        6,
        "  - {to: 10, over: 1s}",
        f"s.yaml:6:5: stages[0]: 'do' is missing; write do: {STAGE_WORDS}",
    ),
    (
        6,
        "  - {do: holdd, for: 1s}",
        f"s.yaml:6:10: stages[0].do: 'holdd' is not accepted; write {STAGE_WORDS};"
        " did you mean 'hold'?",
    ),
    (
        6,
        "  - {do: [hold]}",
        f"s.yaml:6:10: stages[0].do: {STAGE_WORDS} is expected here, not a list",
    ),
    (
        6,
        "  - {do: hold}",
        "s.yaml:6:5: stages[0]: 'for' is missing; write for: a duration such as 10s or 1m30s,"
        " 0s to 168h",
    ),
    (
        6,
        "  - stop",
        "s.yaml:6:5: stages[0]: a stage such as {do: hold, for: 30s} is expected here, not 'stop'",
    ),
]


@pytest.mark.parametrize(("number", "line", "message"), ONE_LINE)
def test_one_mistake_gives_one_located_message(number: int, line: str, message: str) -> None:
    problems = problems_of(with_line(number, line))
    assert len(problems) == 1, problems
    assert problems[0].startswith(message)


APPENDED = [
    ("target: embedded", "s.yaml:7:9: target: a mapping is expected here, not 'embedded'"),
    ("target:", "s.yaml:7:8: target: a mapping is expected here, not nothing"),
    (
        "target: {url: http://localhost:9000}",
        "s.yaml:7:15: target.url: 'http://localhost:9000' is not a WebSocket address;"
        " write ws://localhost:9000",
    ),
    (
        "target: {url: https://csms.example/x}",
        "s.yaml:7:15: target.url: 'https://csms.example/x' is not a WebSocket address;"
        " write wss://csms.example/x",
    ),
    ("target: {url: localhost:9000}", "s.yaml:7:15: target.url: 'localhost:9000' is not an addr"),
    ("target: {url: ws:localhost}", "s.yaml:7:15: target.url: 'ws:localhost' is not an address;"),
    ("target: {url: 'ws://'}", "s.yaml:7:15: target.url: 'ws://' has no host; write embedded,"),
    ("target: {url: 'ws://:80/x'}", "s.yaml:7:15: target.url: 'ws://:80/x' has no host;"),
    ("target: {url: 'ws://h:0'}", "s.yaml:7:15: target.url: 'ws://h:0' has no port;"),
    ("target: {url: 'ws://h:99999'}", "s.yaml:7:15: target.url: 'ws://h:99999' is not an address"),
    ("target: {url: 'ws://[::1'}", "s.yaml:7:15: target.url: 'ws://[::1' is not an address"),
    ("target: {url: 'ws://a b'}", "s.yaml:7:15: target.url: 'ws://a b' is not an address;"),
    ("target: {url: 'ws://h/p?x=1'}", "s.yaml:7:15: target.url: 'ws://h/p?x=1' has a query or"),
    (
        "target: {url: 'ws://me:secret@h'}",
        "s.yaml:7:15: target.url: the address holds user or password;"
        " the user is the identity, put target.password",
    ),
    (
        "target: {transport: trio}",
        "s.yaml:7:21: target.transport: 'trio' is not accepted; write websockets or trio-websocket",
    ),
    (
        "target: {connect_timeout: 0s}",
        "s.yaml:7:27: target.connect_timeout: '0s' is out of range;"
        " write a duration such as 10s or 1m30s, 100ms to 5m",
    ),
    (
        "target: {password: 1234}",
        's.yaml:7:20: target.password: *** is not text; put it in quotes: "***"',
    ),
    (
        "behaviour: {think_time: 20s..5s}",
        "s.yaml:7:25: behaviour.think_time: '20s..5s' runs backwards; write 5s..20s",
    ),
    (
        "behaviour: {think_time: 5..20s}",
        "s.yaml:7:25: behaviour.think_time: '5' has no unit; write 5s or 5ms",
    ),
    (
        "behaviour: {think_time: 5s..}",
        "s.yaml:7:25: behaviour.think_time: '5s..' is not a range;"
        " write one value or a range such as 5s..20s, 0s to 24h",
    ),
    (
        "behaviour: {energy_kwh: 5kWh..40kWh}",
        "s.yaml:7:25: behaviour.energy_kwh: '5kWh': the key has the unit in its name; write 5",
    ),
    (
        "behaviour: {energy_kwh: 0..40}",
        "s.yaml:7:25: behaviour.energy_kwh: '0' is out of range;"
        " write a number of kWh, 0.001 to 1000",
    ),
    (
        "behaviour: {energy_kwh: 5-40}",
        "s.yaml:7:25: behaviour.energy_kwh: '5-40' is not a number; write digits only, such as 7.4",
    ),
    (
        'thresholds: {boot.acceptd_ratio: ">= 0.9"}',
        "s.yaml:7:14: thresholds.boot.acceptd_ratio: unknown metric;"
        " did you mean 'boot.accepted_ratio'?",
    ),
    (
        'thresholds: {call.response.p99: "< 1"}',
        "s.yaml:7:33: thresholds.call.response.p99: '1' has no unit; write 1s or 1ms",
    ),
    (
        "thresholds: {call.timeouts: 0}",
        "s.yaml:7:29: thresholds.call.timeouts: '0' does not say how to compare;"
        ' write "== 0" or ">= 100"',
    ),
    (
        "thresholds: {call.timeouts: [0]}",
        "s.yaml:7:29: thresholds.call.timeouts: one value is expected here, not a list",
    ),
    (
        'thresholds: {"call[MeterValue].count": "> 0"}',
        "s.yaml:7:14: thresholds.call[MeterValue].count: 'MeterValue' is not an action"
        " that a charger sends; did you mean 'MeterValues'?",
    ),
    (
        'thresholds: {"call[Reset].count": "> 0"}',
        "s.yaml:7:14: thresholds.call[Reset].count: 'Reset' is not an action that a charger sends",
    ),
    ("name: again", "s.yaml:7:1: name: duplicate key; the first is on line 2, keep one of them"),
    (
        "behaviour:\n  pause: 1s\n  pause: 2s",
        "s.yaml:9:3: behaviour.pause: duplicate key; the first is on line 8, keep one of them",
    ),
]


@pytest.mark.parametrize(("lines", "message"), APPENDED)
def test_a_mistake_in_an_optional_part_is_located_too(lines: str, message: str) -> None:
    problems = problems_of(GOOD + lines + "\n")
    assert len(problems) == 1, problems
    assert problems[0].startswith(message)


WHOLE_FILES: list[tuple[bytes, str]] = [
    (b"", "s.yaml:1:1: the file is empty; a scenario begins with schema: 1"),
    (b"# only a comment\n", "s.yaml:1:1: the file is empty; a scenario begins with schema: 1"),
    (b"---\n", "s.yaml:1:1: the file is empty; a scenario begins with schema: 1"),
    (b"- a\n- b\n", "s.yaml:1:1: a scenario, a mapping that begins with schema: 1, is expected"),
    (b"hello", "s.yaml:1:1: a scenario, a mapping that begins with schema: 1, is expected here"),
    (b"schema: 1\nname: caf\xe9\n", "s.yaml:2:10: not UTF-8 text (byte 0xe9); save the file as"),
    (b"\xef\xbb\xbfschema: 1\nname: \xff", "s.yaml:2:7: not UTF-8 text (byte 0xff); save"),
    ("schema: 1".encode("utf-16"), "s.yaml:1:1: not UTF-8 text (byte 0xff); save the file as"),
    (b"schema: 1\nname: a\x00b\n", "s.yaml:2:8: not YAML: character U+0000 is not allowed"),
    (b"schema: 1\r\nname: a\x07b\r\n", "s.yaml:2:8: not YAML: character U+0007 is not allowed"),
    (b"a: 1\n---\nb: 2\n", "s.yaml:2:1: a second document starts here; one document per file"),
    (b"a: [1,\nb: 2\n", "s.yaml:3:1: not YAML: "),
    (b"a: 'x\n", "s.yaml:2:1: not YAML: "),
    (b"a: b: c\n", "s.yaml:1:5: not YAML: mapping values are not allowed"),
    (b"\ta: 1\n", "s.yaml:1:1: not YAML: found character"),
    (b"a: !!python/object:os.system x\n", "s.yaml:1:4: YAML tags such as 'tag:yaml.org,2002:pyt"),
    (b"a: !!int 5\n", "s.yaml:1:4: YAML tags such as 'tag:yaml.org,2002:int' are not used"),
    (b"a: !x [1]\n", "s.yaml:1:4: YAML tags such as '!x' are not used here"),
    (b"? [a]\n: b\n", "s.yaml:1:3: a mapping or list cannot be a key"),
    (b"{a: 1}: b\n", "s.yaml:1:1: a mapping or list cannot be a key"),
    (b"a: *x\n", "s.yaml:1:4: alias *x has no anchor &x before it"),
    (b"a: &x [*x]\n", "s.yaml:1:8: alias *x stands inside the very value it names"),
    (b"[" * 40, "s.yaml:1:33: nested deeper than 32 levels"),
    (b"[" * 500_000, "s.yaml:1:33: nested deeper than 32 levels"),
    (b"- " * 500_000, "s.yaml:1:65: nested deeper than 32 levels"),
    (b"#" * (1024 * 1024 + 1), "s.yaml: the file is larger than 1024 KiB"),
    (b"[" + b"a," * 60_000 + b"]", "s.yaml:1:100000: more than 50000 values, counting what"),
]


@pytest.mark.parametrize(("content", "message"), WHOLE_FILES)
def test_a_file_that_is_no_scenario_at_all_says_why(content: bytes, message: str) -> None:
    problems = problems_of(content)
    assert len(problems) == 1, problems
    assert problems[0].startswith(message)


def test_ten_to_the_ninth_values_behind_aliases_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    problems = problems_of("\n".join(lines))
    assert len(problems) == 1
    assert "more than 50000 values, counting what aliases stand for" in problems[0]


def test_a_limit_without_quotes_is_explained() -> None:
    text = GOOD + "thresholds:\n  boot.accepted_ratio: >= 0.9\n"
    assert problems_of(text) == [
        "s.yaml:8:25: not YAML: did not find expected comment or line break"
        " while scanning a block scalar that starts on line 8"
        "; put text that starts with > or | in quotes"
    ]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("target: {url: ${CSMS_URL}}", "; text with braces, such as ${NAME}, needs quotes there"),
        ("more: {id: CP-{n}}", "; text with braces, such as ${NAME}, needs quotes there"),
        ("\tseed: 1", "; indent with spaces, not with tabs"),
        ("more: {a: 1 b: 2}", "starts on line 7"),
    ],
)
def test_yaml_that_trips_people_up_is_explained(line: str, hint: str) -> None:
    [problem] = problems_of(GOOD + line + "\n")
    assert problem.startswith("s.yaml:7:")
    assert problem.endswith(hint)


def test_a_limit_on_a_storm_that_there_is_not_is_a_mistake() -> None:
    limit = '\nthresholds: {"storm[wafe].seconds_to_95": "< 5s"}\n'
    path = "thresholds.storm[wafe].seconds_to_95: 'wafe' is not the name of a storm; "
    stages = {
        "  - {do: boot_storm, name: wave, for: 5s}": "write 'wave', or leave [wafe] out",
        "  - {do: boot_storm, for: 5s}": "write a name into a storm (name: wafe), or leave [wafe]",
        "  - {do: hold, name: wafe, for: 5s}": "the scenario has none",
    }
    for stage, known in stages.items():
        [problem] = problems_of(GOOD + stage + limit)
        assert path + known in problem


TEN_MISTAKES = """\
schema: 1
name: ten mistakes
seed: lots
target: {url: http://csms, transprot: websockets}
fleet:
  - {name: ac, count: 10, id: "S{n}", connectors: 9}
  - {name: ac, count: 5, id: "S{n}"}
behaviour: {think_time: 5}
stages:
  - {do: ramp, to: 99, over: 10 parsecs}
thresholds:
  call.response.p99: "< 1"
"""


def test_a_password_needs_identities_without_colon() -> None:
    padded = GOOD.replace("S-{n}", "S-{n:03}") + "target: {password: secret}"
    assert parse_scenario(padded.encode()).fleet[0].id_pattern == "S-{n:03}"
    colon = GOOD.replace("S-{n}", "S:{n}")
    assert problems_of(colon + "target: {password: secret}") == [
        "s.yaml:4:31: fleet[0].id: 'S:{n}' has a colon, which no user of HTTP Basic authentication"
        " (target.password) can have; write another character"
    ]
    assert parse_scenario(colon.encode()).fleet[0].id_pattern == "S:{n}"


def test_every_mistake_of_a_file_is_reported_at_once_and_in_order() -> None:
    assert problems_of(TEN_MISTAKES) == [
        "s.yaml:2:7: name: 'ten mistakes' is not accepted;"
        " write a name of letters, digits, '.', '_' and '-'",
        "s.yaml:3:7: seed: 'lots' is not a whole number",
        "s.yaml:4:15: target.url: 'http://csms' is not a WebSocket address; write ws://csms",
        "s.yaml:4:28: target.transprot: unknown key; did you mean 'transport'?"
        f" accepted here: {', '.join(fields_of(Target))}",
        "s.yaml:6:51: fleet[0].connectors: 9 is out of range;"
        " write a whole number of connectors, 1 to 5",
        "s.yaml:7:12: fleet[1].name: 'ac' is the name of fleet[0] already",
        "s.yaml:7:30: fleet[1].id: 'S1' is also in fleet[0]; identities are unique in a run",
        "s.yaml:8:25: behaviour.think_time: '5' has no unit; write 5s or 5ms",
        "s.yaml:10:20: stages[0].to: 99 chargers are more than the fleet has; write 0 to 15",
        "s.yaml:10:30: stages[0].over: '10 parsecs' is not a duration; write 500ms, 10s, 2m or 1h",
        "s.yaml:12:22: thresholds.call.response.p99: '1' has no unit; write 1s or 1ms",
    ]


def test_an_empty_mapping_names_everything_that_is_missing() -> None:
    assert [problem.split(";")[0] for problem in problems_of("{}")] == [
        "s.yaml:1:1: 'schema' is missing",
        "s.yaml:1:1: 'name' is missing",
        "s.yaml:1:1: 'fleet' is missing",
        "s.yaml:1:1: 'stages' is missing",
    ]


@pytest.mark.parametrize("key", ["fleet", "stages"])
def test_an_empty_list_is_no_fleet_and_no_plan(key: str) -> None:
    text = "schema: 1\nname: a\nfleet: []\nstages: []\n"
    what = {"fleet": "slices", "stages": "stages"}[key]
    number = {"fleet": 3, "stages": 4}[key]
    expected = f"s.yaml:{number}:{len(key) + 3}: {key}: 0 {what}; write 1 to 100"
    assert expected in problems_of(text)


def test_slices_together_may_not_exceed_what_a_run_holds() -> None:
    text = with_line(
        4, '  - {name: a, count: 6000, id: "A{n}"}\n  - {name: b, count: 6000, id: "B{n}"}'
    )
    assert problems_of(text) == [
        "s.yaml:4:3: fleet: 12000 chargers in all are out of range; a run has 0 to 10000"
    ]


def test_a_rule_across_fields_waits_for_the_fields_it_needs() -> None:
    """With the fleet's size unreadable, a ramp to 10 is not called too large."""
    assert problems_of(with_line(4, '  - {name: ac, count: many, id: "S-{n}"}')) == [
        "s.yaml:4:23: fleet[0].count: 'many' is not a whole number"
    ]


def test_a_mistake_behind_an_alias_is_shown_where_it_was_written() -> None:
    text = """\
schema: 1
name: a
fleet:
  - {name: a, count: &many 1, id: "A{n}", connectors: &bad 7}
  - {name: b, count: *many, id: "B{n}", connectors: *bad}
stages:
  - {do: hold, for: 1s}
"""
    wanted = "7 is out of range; write a whole number of connectors, 1 to 5"
    assert problems_of(text) == [
        f"s.yaml:4:55: fleet[0].connectors: {wanted}",
        f"s.yaml:4:55: fleet[1].connectors: {wanted}",
    ]


def test_a_flood_of_mistakes_is_cut_and_counted() -> None:
    text = GOOD + "\n".join(f"junk{n}: 1" for n in range(PROBLEMS_MAX + 7)) + "\n"
    problems = problems_of(text)
    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1] == "7 more problems are not shown"


def test_every_message_is_one_line() -> None:
    text = GOOD + '"a\\nb": 1\nseed: "x\\ny"\n'
    problems = problems_of(text)
    assert len(problems) == 2
    assert not any("\n" in problem for problem in problems)


@pytest.mark.parametrize("path", ["missing.yaml", ".", "a\x00b"])
def test_a_file_that_cannot_be_read_is_a_usage_error(path: str) -> None:
    with pytest.raises(UsageWrong, match="cannot read the scenario"):
        load_scenario(path)
