"""The reference and the manual say what the code says; `python -m tests.docs` writes them anew."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs import commands
from tests.docs.generated import MAN, TABLES, files
from tests.docs.man import ManPage
from tests.docs.snippets import ROOT, text_of
from tests.docs.tables import Table
from tests.support.jobs import Connection


def test_generated_files_are_as_the_code_makes_them() -> None:
    stale = [path for path, text in files() if not path.exists() or path.read_text() != text]
    assert not stale, "run: python -m tests.docs"
    assert {*MAN.rglob("*.[0-9]")} <= dict(files()).keys()


def test_every_row_of_the_reference_says_what_it_means() -> None:
    for table in TABLES:
        assert table.untold(text_of(table.page)) == [], table.page


def test_option_without_help_is_none() -> None:
    untold = [
        f"{command.path} {written}"
        for command in commands.all_commands()
        for written, told in command.options
        if not told
    ]
    assert untold == []


def test_table_keeps_what_was_written_by_hand() -> None:
    text = "# A\n\n| key | default | meaning |\n|---|---|---|\n| `a` | 1 | **By** hand. |\n| `b` | mine | |\n"
    renewed = Table("a", [], {"a": {"default": "2"}, "b": {}}).renew(text)
    assert renewed == text.replace("| 1 |", "| 2 |")
    with pytest.raises(LookupError, match="expected rows of c below its title"):
        Table("a", [], {"a": {}, "b": {}, "c": {}}).renew(text)
    with pytest.raises(LookupError, match="has a row of b, which the code has not"):
        Table("a", [], {"a": {}}).renew(text)


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="it needs Debian's mandoc")
def test_manual_has_no_fault_that_mandoc_finds() -> None:
    pages = sorted(MAN.rglob("*.[0-9]"))
    assert len(pages) > 20
    ran = subprocess.run(["mandoc", "-Tlint", "-Wall", *pages], capture_output=True, text=True)
    assert ran.stdout + ran.stderr == ""


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="it needs Debian's mandoc")
def test_manual_shows_text_as_it_was_written(tmp_path: Path) -> None:
    markdown = (
        "## Some text\n\n`--where 'a'` is \\ and ~/x, **bold** [link](x.md)\n\n- one\n- .two\n\n```sh\n.three 'x'\n```\n\n"
        "| a | b | c |\n|---|---|---|\n| `key` | 1 | it is |\n\n| a | b | c | d |\n|---|---|---|---|\n| k | 1 | 2 | 3 |\n"
    )
    page = tmp_path / "page.1"
    page.write_text(ManPage("a-b", 1, "it's a page", markdown, ("c-d(5)",)).render())
    ran = subprocess.run(["mandoc", "-Tutf8", str(page)], capture_output=True, text=True, check=True)
    shown = re.sub(r".\x08", "", ran.stdout)
    for line in (
        "a-b - it's a page", "SOME TEXT", "--where 'a' is \\ and ~/x, bold link", "• one", "• .two", ".three 'x'",
        "key    it is B: 1.", "k      B: 1.", "D: 3.", "c-d(5)",
    ):  # fmt: skip
        assert line in shown


@pytest.mark.anyio
async def test_rights_are_those_that_the_roles_have(db: Connection) -> None:
    granted = await db.fetch(
        "select grantee, lower(privilege_type), table_name from information_schema.role_table_grants"
        " where table_schema = 'asyncjob' and grantee like 'asyncjob\\_%'"
        " union all"
        " select grantee, column_name, table_name from information_schema.role_column_grants"
        "  where table_schema = 'asyncjob' and privilege_type = 'UPDATE' and table_name in ('action', 'daemon')"
        "    and grantee like 'asyncjob\\_%'"
    )
    tables = await db.fetch(
        "select relname from pg_class where relnamespace = 'asyncjob'::regnamespace and relkind in ('r', 'v')"
    )
    roles = ("asyncjob_reader", "asyncjob_producer", "asyncjob_operator")
    documented = {(role, "select", table) for role in roles for (table,) in tables}
    for role, told, table in re.findall(
        r"^\| `(asyncjob_\w+)` \| (.+) \| `asyncjob\.(\w+)` \|$", text_of("howto/rights"), re.MULTILINE
    ):
        rights = re.findall(r"`(\w+)`", told) or told.split(", ")
        documented |= {(role, right, table) for right in rights}
    assert documented == {tuple(row) for row in granted}


def test_exit_codes_of_help_are_those_of_the_reference() -> None:
    told = commands.ROOT.description.rpartition("Exit codes: ")[2]
    rows = re.findall(r"^\| `(\d+)` \|", text_of("reference/commands"), re.MULTILINE)
    assert re.findall(r"(\d+) ", told) == rows


def test_wheel_installs_the_manual() -> None:
    assert f'"{MAN.relative_to(ROOT)}" = "share/man"' in (ROOT / "pyproject.toml").read_text()
