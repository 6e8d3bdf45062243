"""Params of every kind of type: how misfits are reported, in the row and before there is a row."""

import json
import shlex
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjobd import JobHandler, JobResult
from asyncjobd.actions.handlers import LoadedHandler, load_handler
from asyncjobd.monitoring.json_schema.document import Document
from asyncjobd.monitoring.json_schema.example import example, fields
from asyncjobd.monitoring.json_schema.violations import violations
from asyncjobd.params import ParamsError, ParamsType
from asyncjobd.testing import run_job
from tests.api import params_handlers
from tests.api.params_handlers import ByStruct
from tests.conftest import NewDaemon
from tests.support.actions import actions_of, path_of
from tests.support.daemon import asyncjobd, write_config
from tests.support.jobs import Connection

LETTERS = ("ByStruct", "ByDataclass", "by_typed_dict", "by_attrs", "by_pydantic")
ACTIONS = actions_of(params_handlers, retry_interval="90 s")
LETTER = {"to": "a", "copies": 2, "tags": ["x"]}
INNER = {"at": "2026-01-01T00:00:00Z", "level": "low"}
DEEP = {"inner": INNER, "many": {}, "share": 0.5, "pair": [1, 2], "code": "12345", "either": None}
STRICT = ("ByStruct", "by_pydantic")  # they refuse what they do not know


class Named(msgspec.Struct):
    counts: dict[str, int] = msgspec.field(name="a.b")


def loaded(name: str) -> LoadedHandler:
    return load_handler(ACTIONS[name]["handler"])


def document(name: str) -> Document:
    schema = json.loads(msgspec.json.encode(loaded(name).params_schema))  # as it comes from the database
    return Document(schema)


def refusal(name: str, params: Any) -> str:
    with pytest.raises(ParamsError) as refused:
        loaded(name).params.check(json.dumps(params))
    return str(refused.value)


@pytest.mark.parametrize("name", LETTERS)
def test_misfit_names_the_field_whatever_the_type(name: str) -> None:
    assert refusal(name, {}).endswith(": to is missing")
    assert ": copies: " in refusal(name, {"to": "a", "copies": "many"})
    assert ": copies: " in refusal(name, {"to": "a", "copies": 10})
    assert ": tags[1]: " in refusal(name, {"to": "a", "tags": ["x", 7]})
    assert "params do not fit " in refusal(name, [])
    if name in STRICT:
        assert refusal(name, {"to": "a", "copis": 2}).endswith(": copis is unknown")
    loaded(name).params.check('{"to": "a", "copies": 9, "tags": []}')


def test_misfit_within_is_named_with_its_place() -> None:
    loaded("deep").params.check(json.dumps(DEEP))
    assert refusal("deep", DEEP | {"inner": {"at": "soon", "level": "low"}}).endswith(
        "params do not fit deep: inner.at: invalid RFC3339 encoded datetime"
    )
    assert "inner.level is missing" in refusal("deep", DEEP | {"inner": {"at": INNER["at"]}})
    assert "many.x[0].level: invalid enum value 'middle'" in refusal(
        "deep", DEEP | {"many": {"x": [INNER | {"level": "middle"}]}}
    )


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (dict[str, str], '{"a": "b", "to": 1, "z": "c"}', "to: expected `str`, got `int`"),
        (dict[str, list[dict[str, int]]], '{"x": [{}, {"q": "z"}], "y": []}', "x[1].q: expected `int`, got `str`"),
        (dict[str, Named], '{"k": {"a.b": {}}, "l": {}}', "l.a.b is missing"),
        (dict[str, int], json.dumps({str(n): n if n != 777 else "x" for n in range(1000)}), "777: expected `int`, got `str`"),
        (dict[str, str], '{"a": 1, "a": "x"}', "[...]: expected `str`, got `int`"),
        (Named, '{"a.b": {"c": "d"}}', "a.b[...]: expected `int`, got `str`"),
        (set[int], '["a"]', "[0]: expected `int`, got `str`"),
    ],
)  # fmt: skip
def test_misfit_in_a_dict_is_named_by_its_key(kind: Any, text: str, said: str) -> None:
    with pytest.raises(ParamsError) as refused:
        ParamsType(kind, "a").decode(text)
    assert str(refused.value) == f"params do not fit a: {said}"


@pytest.mark.parametrize("name", LETTERS)
def test_schema_tells_the_fields_and_names_the_violations(name: str) -> None:
    letter = document(name)
    found = {field.name: field for field in fields(letter)}
    assert [found[each].required for each in ("to", "copies", "tags")] == [True, False, False]
    assert (found["to"].type, found["copies"].type, found["tags"].type) == (
        "string",
        "integer",
        "array of string",
    )
    assert (found["copies"].constraints, found["copies"].description) == (">= 1, <= 9", "how many")
    assert found["copies"].default == (None if name == "by_typed_dict" else "1")
    assert violations(letter, {}) == ["to is missing"]
    assert violations(letter, {"to": "a", "copies": "many"}) == ["copies must be integer, not string"]
    assert violations(letter, {"to": "a", "copies": 10}) == ["copies must be <= 9"]
    assert violations(letter, {"tags": ["x", 7]}) == ["to is missing", "tags[1] must be string, not integer"]
    assert violations(letter, []) == ["params must be object, not array"]
    assert violations(letter, {"to": "a", "copis": 2}) == (["copis is unknown"] if name in STRICT else [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": "1234"}, ["code must be of a length >= 5"]),
        ({"code": "12345678"}, []),
        ({"code": "123456789"}, ["code must be of a length <= 8"]),
        ({"share": 0}, ["share must be > 0"]),
        ({"share": 1.0}, ["share must be < 1"]),
        ({"either": 2.5}, ["either must be integer or string or null, not number"]),
        ({"perhaps": {}}, ["perhaps.at is missing", "perhaps.level is missing"]),
        ({"many": {"x": [INNER | {"level": "middle"}]}}, ['many.x[0].level must be "high" or "low"']),
    ],
)
def test_schema_names_the_misfits_within(change: dict[str, Any], said: list[str]) -> None:
    assert violations(document("deep"), DEEP | change) == said


@pytest.mark.parametrize("name", [*LETTERS, "deep"])
def test_example_fits_the_handler_and_its_schema(name: str) -> None:
    sample = example(document(name))
    loaded(name).params.check(json.dumps(sample))
    assert violations(document(name), sample) == []


def test_handler_that_sets_its_own_params_is_not_checked_by_type() -> None:
    itself = loaded("ByItself")
    assert itself.params_schema == {"description": "Takes an address."}
    itself.params.check('"a@b.c"')
    itself.params.check("7")
    assert violations(document("ByItself"), 7) == []


@pytest.mark.anyio
async def test_params_that_a_handler_only_checks_are_read_as_by_others() -> None:
    key = uuid4()

    class Plain(JobHandler[dict[int, list[UUID]]]):
        async def execute(self) -> JobResult:
            return JobResult.success(result=[[str(each) for each in self.params[1]]])

    class Checked(Plain):
        def set_params(self, raw: Any) -> None:
            super().set_params(raw)

    class Filled(JobHandler[dict[str, Any]]):
        def set_params(self, raw: Any) -> None:
            super().set_params({"at": compile("1", "", "eval")})

        async def execute(self) -> JobResult:
            return JobResult.success(result=eval(self.params["at"]))

    assert (await run_job(Filled)).result == 1
    assert [(await run_job(cls, {1: [key]})).result for cls in (Plain, Checked)] == [[[str(key)]]] * 2


def test_description_is_the_first_paragraph_of_the_handlers_own_docstring() -> None:
    assert loaded("ByStruct").description == "Posts a letter, or several."
    assert document("ByStruct").description == "Posts a letter, or several."
    assert loaded("ByDataclass").description is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 9, 10])
    | st.sampled_from([0.0, 0.5, 1.0])
    | st.sampled_from(["", "low", "12345", "12345678"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["to", "copies", "tags", "at", "level", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("name", ["ByStruct", "ByDataclass", "by_typed_dict", "by_attrs", "deep"])
def test_schema_refuses_nothing_that_the_handler_takes(name: str) -> None:
    params, published = loaded(name).params, document(name)
    good = DEEP if name == "deep" else LETTER
    changes = st.dictionaries(st.sampled_from(sorted(good)), VALUES, min_size=1, max_size=2)

    @settings(max_examples=300, deadline=None)
    @given(VALUES | changes.map(lambda changed: good | changed))
    def check(value: Any) -> None:
        try:
            params.check(json.dumps(value))
        except ParamsError:
            return
        assert violations(published, value) == []

    check()


def test_schema_refuses_no_whole_number_that_pydantic_takes() -> None:
    loaded("by_pydantic").params.check('{"to": "a", "copies": 2.0}')
    assert violations(document("by_pydantic"), {"to": "a", "copies": 2.0}) == []


@pytest.fixture
def served(start_daemon: NewDaemon) -> str:
    """The configuration of a daemon with the actions."""
    return str(start_daemon(actions=ACTIONS).ready().config)


@pytest.fixture
def bare(dsn: str, tmp_path: Path, served: str) -> str:
    """A configuration as on a host without the handlers, where one action cannot be imported."""
    (tmp_path / "bare").mkdir()
    return str(write_config(tmp_path / "bare", dsn, actions={"by_attrs": {"handler": "not_here:by_attrs"}}))


def ran(config: str, *arguments: str, code: int = 0) -> str:
    done = asyncjobd("--config", config, *arguments)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stderr if code == 2 else done.stdout


def test_action_show_tells_what_to_send_where_the_handlers_are_not(bare: str) -> None:
    shown = ran(bare, "action", "show", "ByStruct")
    assert "Posts a letter, or several." in shown
    assert "how many" in shown
    (command,) = [line for line in shown.splitlines() if line.startswith("asyncjobd enqueue")]
    assert "Completed" in ran(bare, *shlex.split(command)[1:], "--wait")

    told = json.loads(ran(bare, "action", "show", "ByStruct", "--json"))
    assert {field["name"]: field["required"] for field in told["fields"]} == {
        "to": True,
        "copies": False,
        "tags": False,
    }
    assert (told["handler"], told["example"]) == (path_of(ByStruct), command)
    assert "is not declared: see its code" in ran(bare, "action", "show", "ByItself")
    unknown = asyncjobd("--config", bare, "action", "show", "Nobody")
    assert (unknown.returncode, "no daemon has ever served an action 'Nobody'" in unknown.stderr) == (1, True)


@pytest.mark.anyio
async def test_params_that_do_not_fit_are_refused_before_there_is_a_row(
    db: Connection, served: str, bare: str
) -> None:
    for config, name, params, said in (
        (
            served,
            "ByStruct",
            '{"to": "a", "copies": 10}',
            "params do not fit ByStruct: copies: expected `int` <= 9",
        ),
        (bare, "ByStruct", '{"to": "a", "copies": 10}', "params do not fit ByStruct: copies must be <= 9"),
        (bare, "by_attrs", "{}", "params do not fit by_attrs: to is missing"),
    ):
        refused = ran(config, "enqueue", name, params, code=2)
        assert refused == f"Error: nothing was inserted: {said}; --no-check inserts it all the same\n"
    assert await db.fetchval("select count(*) from asyncjob.job") == 0


def test_params_that_do_not_fit_are_inserted_all_the_same(bare: str) -> None:
    assert "Failed: params do not fit" in ran(
        bare, "enqueue", "ByStruct", "{}", "--no-check", "--wait", code=1
    )


def test_params_that_cannot_be_checked_are_inserted(served: str, bare: str) -> None:
    for config in (bare, served):
        assert "Completed" in ran(config, "enqueue", "ByItself", '"a@b.c"', "--wait")
    ran(bare, "enqueue", "Unheard", "[1]")
