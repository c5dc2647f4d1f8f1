"""The redactor: no form of a secret is left in any text, and no text without one is changed."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simfleet.errors import ConnectFailed, ConnectReason, UsageWrong
from simfleet.load.secrets import Redactor, clean_error

SECRET = "hunter2&<'x'>é\"long"


def test_a_secret_from_a_variable_is_replaced_by_its_name() -> None:
    redactor = Redactor.of(["by-nature"], {"PASSWORD": "hunter2-hunter2"})
    assert redactor.clean("a hunter2-hunter2 b") == "a ${PASSWORD} b"
    assert redactor.clean("a by-nature b") == "a *** b"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps({"password": SECRET}),
        repr(SECRET),
        html.escape(SECRET),
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_form_of_a_secret_is_taken_out(form: str) -> None:
    cleaned = Redactor.of([SECRET]).clean(f"before {form} after")
    assert "hunter2" not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


@pytest.mark.parametrize("text", ["it said hunter2-hun", "'hunter2-hun...'", "x hunter2-hun…"])
def test_a_secret_that_was_cut_off_is_taken_out(text: str) -> None:
    assert "hunter2" not in Redactor.of(["hunter2-hunter2"]).clean(text)


def test_the_longest_of_several_secrets_is_taken_out() -> None:
    redactor = Redactor.of(["secret-one", "secret-one-and-more"])
    assert redactor.clean("secret-one-and-more secret-one") == "*** ***"


def test_a_short_secret_is_taken_out_where_it_stands_alone() -> None:
    redactor = Redactor.of(["a1"])
    assert redactor.clean("a1 is wrong, 'a1', a12 and ba1 are words") == (
        "*** is wrong, '***', a12 and ba1 are words"
    )


def test_thousands_of_secrets_are_taken_out() -> None:
    values = [f"pw-{n:05}-{n * 7919 % 10007}" for n in range(10_000)]
    redactor = Redactor.of(values)
    text = f"{values[0]} {values[9_999]} pw-00000-x"
    assert redactor.clean(text) == "*** *** pw-00000-x"


def test_trees_are_cleaned_to_the_last_text_and_numbers_stay() -> None:
    redactor = Redactor.of(["distinctive"])
    data = {"a": ["x distinctive", 7, None, True], "distinctive-key": {"b": 1.5}}
    assert redactor.clean_tree(data) == {"a": ["x ***", 7, None, True], "***-key": {"b": 1.5}}


def test_errors_and_what_led_to_them_are_cleaned() -> None:
    redactor = Redactor.of(["distinctive"])
    error = UsageWrong("cannot: distinctive")
    error.__cause__ = cause = ConnectFailed(ConnectReason.TLS, "distinctive")
    clean_error(ExceptionGroup("both", [error]), redactor)
    assert str(error) == "cannot: ***"
    assert "distinctive" not in str(cause)


def test_without_secrets_nothing_changes() -> None:
    text = "anything"
    assert not Redactor()
    assert Redactor().clean(text) is text
    assert Redactor.of([""]).clean_tree({"a": "b"}) == {"a": "b"}


@settings(max_examples=200)
@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=6, max_size=60),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
)
@example(secret="aaaaaa", before="a", after="a")
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    cleaned = Redactor.of([secret]).clean(before + secret + after)
    assert secret not in cleaned.replace("***", "\0") or secret in "***"
