"""URLs: what the identity becomes, and where a URL points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simfleet.errors import UsageWrong
from simfleet.link.address import endpoint_url, identity_of, parse_target


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("ws://h:1", "ws://h:1/CP1"),
        ("ws://h:1/", "ws://h:1/CP1"),
        ("ws://h:1/ocpp", "ws://h:1/ocpp/CP1"),
        ("ws://h:1/ocpp/", "ws://h:1/ocpp/CP1"),
        ("ws://h:1/ocpp/?key=a/b", "ws://h:1/ocpp/CP1?key=a/b"),
    ],
)
def test_the_identity_is_appended_to_the_path_and_a_query_is_kept(
    prefix: str, expected: str
) -> None:
    assert endpoint_url(prefix, "CP1") == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_identity_survives_the_url(identity: str) -> None:
    url = endpoint_url("ws://h/ocpp?x=1", identity)
    assert url.isascii()
    assert identity_of(parse_target(url).resource) == identity


def test_a_slash_in_an_identity_makes_no_further_segment() -> None:
    assert endpoint_url("ws://h", "a/b ü?#%") == "ws://h/a%2Fb%20%C3%BC%3F%23%25"


@pytest.mark.parametrize(
    ("url", "host", "port", "resource", "authority"),
    [
        ("ws://h", "h", 80, "/", "h"),
        ("wss://H.example/a?b=c", "h.example", 443, "/a?b=c", "h.example"),
        ("ws://[::1]:9000/x", "::1", 9000, "/x", "[::1]:9000"),
        ("wss://h:443/", "h", 443, "/", "h"),
        (
            "ws://bücher.example:1/ü",
            "xn--bcher-kva.example",
            1,
            "/%C3%BC",
            "xn--bcher-kva.example:1",
        ),
    ],
)
def test_a_url_is_read(url: str, host: str, port: int, resource: str, authority: str) -> None:
    target = parse_target(url)
    assert (target.host, target.port, target.resource, target.authority) == (
        host,
        port,
        resource,
        authority,
    )
    assert target.secure is url.startswith("wss")


@pytest.mark.parametrize(
    "url",
    ["", "h:9000", "http://h/", "ws://", "ws:///x", "ws://h:x/", "ws://h:99999", "ws://h/#f"],
)
def test_what_is_no_websocket_url_is_refused_with_what_would_be_accepted(url: str) -> None:
    with pytest.raises(UsageWrong, match="ws://host:port/prefix"):
        parse_target(url)


def test_credentials_in_a_url_are_refused_without_being_shown() -> None:
    with pytest.raises(UsageWrong) as caught:
        parse_target("ws://user:secret@h/")
    assert "secret" not in str(caught.value)
