"""Params of every kind of type: what is said where they do not fit, in the row, and before there is a row."""

import json
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjobd.cli.schema import recipe
from asyncjobd.cli.schema.document import Document
from asyncjobd.cli.schema.misfits import misfits
from asyncjobd.handler import Handler, load_handler
from asyncjobd.params import ParamsError
from tests.conftest import NewDaemon
from tests.support.daemon import HANDLERS, asyncjobd, write_config
from tests.support.jobs import Connection, insert, settled

LETTERS = ("ByStruct", "ByDataclass", "by_typed_dict", "by_attrs", "by_pydantic")
ACTIONS = {
    name: {"handler": f"kinds:{name}", "retry_interval": "90 s"} for name in (*LETTERS, "ByItself", "deep", "anything")
}
STRICT = ("ByStruct", "by_pydantic")  # they refuse what they do not know


@pytest.fixture(autouse=True)
def handler_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HANDLERS))


def loaded(name: str) -> Handler:
    return load_handler(f"kinds:{name}")


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
    inner = {"at": "2026-01-01T00:00:00Z", "level": "low"}
    good = {"inner": inner, "many": {}, "share": 0.5, "pair": [1, 2], "code": "12345", "either": None}
    loaded("deep").params.check(json.dumps(good))
    assert refusal("deep", good | {"inner": {"at": "soon", "level": "low"}}).endswith(
        "params do not fit deep: inner.at: invalid RFC3339 encoded datetime"
    )
    assert "inner.level is missing" in refusal("deep", good | {"inner": {"at": inner["at"]}})
    assert "many[...][0].level: invalid enum value 'middle'" in refusal(
        "deep", good | {"many": {"x": [inner | {"level": "middle"}]}}
    )


@pytest.mark.parametrize("name", LETTERS)
def test_schema_tells_the_fields_and_names_the_misfits(name: str) -> None:
    letter = document(name)
    fields = {field.name: field for field in recipe.fields(letter)}
    assert [fields[each].required for each in ("to", "copies", "tags")] == [True, False, False]
    assert (fields["to"].type, fields["copies"].type, fields["tags"].type) == ("string", "integer", "array of string")
    assert (fields["copies"].constraints, fields["copies"].description) == (">= 1, <= 9", "how many")
    assert fields["copies"].default == (None if name == "by_typed_dict" else "1")
    assert misfits(letter, {}) == ["to is missing"]
    assert misfits(letter, {"to": "a", "copies": "many"}) == ["copies must be integer, not string"]
    assert misfits(letter, {"to": "a", "copies": 10}) == ["copies must be <= 9"]
    assert misfits(letter, {"tags": ["x", 7]}) == ["to is missing", "tags[1] must be string, not integer"]
    assert misfits(letter, []) == ["params must be object, not array"]
    assert misfits(letter, {"to": "a", "copis": 2}) == (["copis is unknown"] if name in STRICT else [])


@pytest.mark.parametrize("name", [*LETTERS, "deep"])
def test_example_fits_the_handler_and_its_schema(name: str) -> None:
    example = recipe.example(document(name))
    loaded(name).params.check(json.dumps(example))
    assert misfits(document(name), example) == []


def test_what_sets_its_own_params_is_not_judged_by_its_type() -> None:
    itself = loaded("ByItself")
    assert itself.params_schema == {"description": "Takes an address."}
    itself.params.check('"a@b.c"')
    itself.params.check("7")
    assert misfits(document("ByItself"), 7) == []


def test_description_is_the_first_paragraph_of_the_handlers_own_docstring() -> None:
    assert loaded("ByStruct").description == "Posts a letter, or several."
    assert document("ByStruct").description == "Posts a letter, or several."
    assert loaded("ByDataclass").description is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats(-1, 2) | st.sampled_from(["", "low", "12345", "a@b.c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["to", "copies", "tags", "at", "level", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)
DEEP = st.fixed_dictionaries(dict.fromkeys(("inner", "many", "share", "pair", "code", "either"), VALUES))


@pytest.mark.parametrize("name", ["ByStruct", "ByDataclass", "by_typed_dict", "by_attrs", "deep"])
def test_schema_refuses_nothing_that_the_handler_takes(name: str) -> None:
    params, published = loaded(name).params, document(name)

    @settings(max_examples=300, deadline=None)
    @given(VALUES | DEEP)
    def check(value: Any) -> None:
        try:
            params.check(json.dumps(value))
        except ParamsError:
            return
        assert misfits(published, value) == []

    check()


@pytest.mark.anyio
async def test_command_line_tells_what_to_send_and_refuses_what_does_not_fit(
    db: Connection, dsn: str, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(actions=ACTIONS).ready()
    (tmp_path / "bare").mkdir()
    bare = str(write_config(tmp_path / "bare", dsn, actions={}))  # as on a host without the handlers

    shown = asyncjobd("--config", bare, "action", "show", "ByStruct")
    assert shown.returncode == 0, shown.stderr
    assert "Posts a letter, or several." in shown.stdout
    assert "how many" in shown.stdout
    (command,) = [line for line in shown.stdout.splitlines() if line.startswith("asyncjobd enqueue")]
    enqueued = asyncjobd("--config", bare, *shlex.split(command)[1:], "--wait")
    assert (enqueued.returncode, "Completed" in enqueued.stdout) == (0, True), enqueued.stderr

    told = json.loads(asyncjobd("--config", bare, "action", "show", "ByStruct", "--json").stdout)
    assert [field["name"] for field in told["fields"]] == ["to", "copies", "tags"]
    assert (told["handler"], told["example"]) == ("kinds:ByStruct", command)
    for name in ("ByItself", "anything"):
        assert "no fields are known" in asyncjobd("--config", bare, "action", "show", name).stdout
    unknown = asyncjobd("--config", bare, "action", "show", "Nobody")
    assert (unknown.returncode, "no daemon has ever served an action 'Nobody'" in unknown.stderr) == (1, True)

    wrong = '{"to": "a", "copies": 10}'
    before = await db.fetchval("select count(*) from asyncjob.job")
    for config, said in (
        (bare, "params do not fit ByStruct: copies must be <= 9"),
        (str(daemon.config), "params do not fit ByStruct: copies: expected `int` <= 9"),
    ):
        refused = asyncjobd("--config", config, "enqueue", "ByStruct", wrong)
        assert refused.returncode == 2
        assert refused.stderr == f"Error: nothing was inserted: {said}; --no-check inserts it all the same\n"
    assert await db.fetchval("select count(*) from asyncjob.job") == before
    for flag in ("--no-check", "--force"):
        forced = asyncjobd("--config", bare, "enqueue", "ByStruct", wrong, flag, "--wait")
        assert (forced.returncode, "copies: expected `int` <= 9" in forced.stdout) == (1, True)
    for config in (bare, str(daemon.config)):
        assert asyncjobd("--config", config, "enqueue", "ByItself", '"a@b.c"', "--wait").returncode == 0
    assert asyncjobd("--config", bare, "enqueue", "Unheard", "[1]").returncode == 0


@pytest.mark.anyio
async def test_handler_that_cannot_be_imported_here_is_judged_by_its_schema(
    db: Connection, dsn: str, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    start_daemon(actions=ACTIONS).ready()
    assert (await settled(db, await insert(db, "by_attrs", '{"to": "a"}')))["status"] == "Completed"
    (tmp_path / "elsewhere").mkdir()
    config = write_config(tmp_path / "elsewhere", dsn, actions={"by_attrs": {"handler": "not_here:by_attrs"}})
    refused = asyncjobd("--config", str(config), "enqueue", "by_attrs", "{}")
    assert (refused.returncode, "params do not fit by_attrs: to is missing" in refused.stderr) == (2, True)
