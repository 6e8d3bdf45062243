"""Text, JSON, and what templates may do with them."""

import json
import re
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjobd.monitoring.selection import parse_selection
from asyncjobd.monitoring.signatures import longest_part, signature_of
from asyncjobd.web.json_text import HIDDEN, compact, laid_out, write_only
from asyncjobd.web.search_box import term
from asyncjobd.web.text import segments, visible

WEB = files("asyncjobd.web")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def test_no_template_makes_markup_of_a_value() -> None:
    for template in (WEB / "templates").iterdir():
        text = template.read_text()
        assert not re.search(r"\|\s*safe|Markup|autoescape|style=|onclick|javascript:", text), template.name


def test_only_the_documentation_becomes_markup() -> None:
    code = {file.name: file.read_text() for file in WEB.iterdir() if file.name.endswith(".py")}
    assert {name: len(re.findall(r"Markup\(", text)) for name, text in code.items() if "Markup" in text} == {
        "drawing.py": 1
    }


@given(st.text())
def test_what_is_shown_is_printable(text: str) -> None:
    shown = visible(text)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    assert "".join(part for part, _ in segments(text)) == shown


def test_usual_text_stays_as_it_is() -> None:
    text = "Grüße, 東京 🚀\n\tline"
    assert visible(text) == text
    assert list(segments(text)) == [(text, False)]


@given(JSON)
def test_json_that_is_laid_out_is_the_same_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    shown = "".join(token.text for token in laid_out(text, []))
    assert json.loads(shown) == value
    assert json.loads(compact(text, [])) == value


def test_json_that_is_nested_deeply_is_laid_out_in_about_its_length() -> None:
    text = "[" * 5000 + "1, 2" + "]" * 5000
    shown = "".join(token.text for token in laid_out(text, []))
    assert len(shown) < 1.2 * len(text)
    assert shown.split() == [*"[" * 20, "[" * 4980 + "1,", "2" + "]" * 4979, *"]" * 21]


@given(JSON, st.integers(0, 2000))
def test_hidden_value_is_in_no_part_of_a_cut_text(value: Any, length: int) -> None:
    secret = "3c0b7f19"
    text = json.dumps({"a": value, "Api_Token": {"x": [secret, {"y": secret}]}, "password": secret, "z": 1})[
        :length
    ]
    shown = "".join(token.text for token in laid_out(text, ["*token*", "pass*"]))
    assert secret not in shown
    assert secret not in compact(text, ["*token*", "pass*"])


def test_numbers_stay_as_they_are_written() -> None:
    text = '{"a": 1e400, "b": 1000000000000000000000000000001, "c": 0.10}'
    assert compact(text, []) == text


def test_what_the_schema_marks_as_write_only_is_hidden() -> None:
    schema = {
        "$defs": {"Inner": {"properties": {"pin[x]": {"writeOnly": True}}}},
        "properties": {"card": {"writeOnly": True}, "to": {}},
    }
    names = write_only(msgspec.json.encode(schema).decode())
    assert sorted(names) == ["card", "pin[[]x]"]
    assert (
        compact('{"card": [1], "pin[x]": 2, "to": 3}', names)
        == f'{{"card": {HIDDEN}, "pin[x]": {HIDDEN}, "to": 3}}'
    )


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        ("KeyError: 'a@b.c'", "KeyError: …"),
        ("timed out after 30.5 s at 12:01:02\nmore", "timed out after … s at …"),
        ("no row 4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "no row …"),
        ("object at 0x7f00aa", "object at …"),
        ('relation "x" is missing', "relation … is missing"),
        ("", ""),
        (None, ""),
    ],
)
def test_signature(message: str | None, signature: str) -> None:
    assert signature_of(message) == signature


def test_messages_of_a_signature_are_found_by_its_longest_part() -> None:
    assert longest_part("KeyError: … in … of the table") == "of the table"
    assert longest_part("… a …") == ""


@given(st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text))
def test_search_box_takes_what_a_link_says(text: str) -> None:
    from datetime import UTC, datetime

    assert parse_selection(term("message", text), datetime.now(UTC)).message == text
