"""The queries' parameters have names, and each query and parameter is used."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import asyncjobd
from asyncjobd.engine.jobs.claims import CLAIM_COLUMNS
from asyncjobd.insertion import Query
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.statement import load_statement, query_names, read_query, translate
from tests.support.jobs import Connection

GIVEN_BY_EACH = {  # by the callers of a function that runs several queries
    "upkeep/find_known_jobs": {"limit", "left_alone"},
    "upkeep/find_unknown_jobs": {"limit", "left_alone"},
}


def test_parameters_are_numbered_in_the_order_in_which_they_come() -> None:
    statement = translate("a", "select :b::text, :a_1, :b || :c")
    assert statement.sql == "select $1::text, $2, $1 || $3"
    assert statement.parameters == ("b", "a_1", "c")
    assert statement.arguments({"a_1": 2, "c": 3, "b": 1}) == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        "select '{}'::text[]",
        "select now() :: timestamptz",
        "select 'a :b'",
        "select 'it''s :b'",
        'select ":b" from c',
        "select 1 -- it's :b\n",
        "select 1 /* :b\n :c */",
        "select $$ :b $$, $x$ :b $$ :c $x$",
        "a := 1",
    ],
)
def test_what_is_no_parameter_stays(text: str) -> None:
    statement = translate("a", text)
    assert (statement.sql, statement.parameters) == (text, ())


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"job_id": 1}, "no value for :claim_token"),
        ({"job_id": 1, "claim_token": 2, "lease": 3}, "no parameter :lease"),
        ({"claim_token": 2, "job": 1}, "no value for :job_id, no parameter :job"),
    ],
)
def test_wrong_arguments_are_named_with_their_query(values: dict[str, int], wrong: str) -> None:
    with pytest.raises(TypeError, match=f"^query jobs/read_params: {wrong}$"):
        load_statement("jobs/read_params").arguments(values)


def test_statement_is_translated_once_for_each_schema() -> None:
    assert load_statement("client/get_job") is load_statement("client/get_job")
    assert "from other.job" in load_statement("client/get_job", "other").sql


def test_each_query_is_called_with_its_parameters() -> None:
    names = query_names()
    callers = calls()
    assert callers.keys() == set(names)
    for name in names:
        for given in callers[name]:
            expected = set(load_statement(name).parameters) - GIVEN_BY_EACH.get(name, set())
            assert given is None or given - {"patience", "as_engine"} == expected, name


def calls() -> dict[str, list[set[str] | None]]:
    """Return the names of the arguments of each call, by query; None where not all are written there."""
    names = set(query_names())
    found: dict[str, list[set[str] | None]] = defaultdict(list, {query: [None] for query in Query})
    for path in Path(asyncjobd.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call):
                continue
            for argument in call.args:
                if isinstance(argument, ast.Constant) and argument.value in names:
                    given = [keyword.arg for keyword in call.keywords]
                    found[argument.value].append(None if None in given else {str(each) for each in given})
    return found


def test_first_line_says_what_a_query_does() -> None:
    for name in query_names():
        lines = read_query(name).splitlines()
        assert lines[0].startswith("-- ") and lines[0].endswith("."), name
        assert max(map(len, lines)) <= 110, name


@pytest.mark.anyio
async def test_claimed_columns_are_the_fields_of_a_job(db: Connection) -> None:
    prepared = await db.prepare(load_statement("jobs/claim_jobs").sql)
    columns = [attribute.name for attribute in prepared.get_attributes()]
    assert columns == [*CLAIM_COLUMNS, *ClaimedJob.__struct_fields__]
