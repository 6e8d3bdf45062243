"""Params that people write are values, or it is said why they are none."""

import re

import pytest

from asyncjobd.monitoring.given_params import MOST_NESTED, read_params


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a: 1}", r'params "{a: 1}" are not JSON: JSON is malformed'),
        ("", 'params "" are not JSON: '),
        ('{"a": "\udcff"}', "params are not UTF-8 text: byte 0xff"),
        (r'{"a": "x\u0000"}', r"params have \u0000, which PostgreSQL cannot store"),
        (r'["\\\u0000"]', r"params have \u0000"),
        ("[" * 100_000, "params are nested in more than 200 levels"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "params are nested in more than 200 levels"),
    ],
)
def test_what_no_job_can_have_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        read_params(text)


def test_text_is_no_nesting_and_a_backslash_no_escape() -> None:
    assert read_params(r'["\\u0000", "[[\"[["]') == [r"\u0000", '[["[[']
    assert read_params("[" * MOST_NESTED + "]" * MOST_NESTED)
    assert read_params("[" + "[]," * 500 + "1]")[-1] == 1
