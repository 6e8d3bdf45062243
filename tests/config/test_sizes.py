"""Sizes of memory as people write them."""

import re

import pytest

from asyncjobd.config.sizes import SizeError, SizeText, format_size, parse_size

SIZES = {
    "100 B": 100,
    "1 kB": 1024,
    "512 MB": 512 * 1024**2,
    "1.5GiB": 1536 * 1024**2,
    "2 TB": 2 * 1024**4,
}


def test_text_with_a_unit_is_read() -> None:
    assert {text: parse_size(text) for text in SIZES} == SIZES
    assert format_size(1536 * 1024**2) == "1.5 GB"
    assert SizeText(1024).read("1 kB") == "1 kB"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (512, '512 has no unit: write "512 MB" or "2 GB"'),
        ("2 mb", '"2 mb" is not a size: write one such as "512 MB" or "2 GB"'),
        ("much", '"much" is not a size'),
        (None, "a NoneType is not a size"),
        ("1 B", '"1 B" is out of range: the smallest is 1 kB'),
        ("9" * 30 + " TB", "is out of range"),
    ],
)
def test_all_else_is_refused_with_advice(value: object, reason: str) -> None:
    with pytest.raises(SizeError, match=re.escape(reason)):
        SizeText(1024).read(value)


def test_size_above_the_largest_is_refused() -> None:
    with pytest.raises(SizeError, match='"1 MB" is out of range: the smallest is 1 kB, the largest 256 kB'):
        SizeText(1024, 256 * 1024).read("1 MB")
