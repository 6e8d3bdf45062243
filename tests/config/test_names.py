"""Names and keys: the configuration takes what the tables take."""

import asyncpg
import pytest

from asyncjobd.config.names import check_name, has_nul
from tests.support.jobs import Connection

INSERT = "insert into asyncjob.schedule (name, job_name, every, limit_key) values ($1, $2, '1 hour', $2)"


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["x", " ", "a\nb", "ü" * 250, "x" * 500])
async def test_name_that_the_table_takes_is_taken(db: Connection, name: str) -> None:
    assert check_name(name) == name
    await db.execute(INSERT, "s", name)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", '"" is empty: expected 1 to 500 bytes'), ("ü" * 250 + "x", "has 501 bytes, of at most 500"),
        ("a\0b", '"a\\u0000b" has \\u0000, which PostgreSQL cannot store'),
    ],
)  # fmt: skip
async def test_name_that_the_table_refuses_is_refused(db: Connection, name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"bytes|u0000") as refused:
        check_name(name)
    assert reason in str(refused.value)
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.CharacterNotInRepertoireError)):
        await db.execute(INSERT, "s", name)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="5: expected text in quotes"):
        check_name(5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [({"a": [1, {"b": "x\0"}]}, True), ({"a\0": 1}, True), ({"a": ["\\u0000", 1.5, None]}, False)],
)
def test_nul_is_found_at_any_depth(value: object, expected: bool) -> None:
    assert has_nul(value) is expected
