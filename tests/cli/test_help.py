"""`asyncjobd help`, of the pages that are installed with the package; it needs no configuration and no database."""

import os
import pty
import subprocess
import sys
from importlib.resources import files

import pytest
from click.testing import CliRunner, Result

from asyncjobd.cli import main
from asyncjobd.monitoring.documentation import pages


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--config", "/nowhere", "help", *arguments])


def on_terminal(*arguments: str, **environment: str) -> str:
    """Return what is written to a terminal, by whatever pager."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "asyncjobd", "help", *arguments]
    given = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LESS", "PAGER")}
    ran = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**given, "TERM": "xterm", **environment}
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert ran.wait(timeout=30) == 0, shown
    return shown.decode()


def test_contents_have_a_line_for_each_page() -> None:
    shown = run().stdout
    for page in pages():
        assert f"{page.topic} " in shown
        assert page.summary in shown
    assert "When something is wrong" in shown


def test_list_has_the_topics_alone() -> None:
    assert run("--list").stdout.splitlines() == [page.topic for page in pages()]


def test_all_pages_are_printed_in_one_text() -> None:
    shown = run("--llms").stdout
    assert [line for line in shown.splitlines() if line.startswith("<!--")] == [
        f"<!-- {page.topic}.md -->" for page in pages()
    ]
    assert all(page.text in shown for page in pages())


def test_topics_are_completed_by_path_and_by_name() -> None:
    complete = {
        "_ASYNCJOBD_COMPLETE": "bash_complete",
        "COMP_WORDS": "asyncjobd help gloss",
        "COMP_CWORD": "2",
    }
    assert (
        CliRunner().invoke(main, prog_name="asyncjobd", env=complete).stdout == "plain,reference/glossary\n"
    )


@pytest.mark.parametrize("topic", ["howto/http", "howto/http.md", "http", "HTTP", "reference/metrics"])
def test_page_is_found_by_path_or_name(topic: str) -> None:
    page = files("asyncjobd") / "docs" / f"{topic.lower().removesuffix('.md')}.md"
    text = page.read_text() if "/" in topic else (files("asyncjobd") / "docs/howto/http.md").read_text()
    assert run(topic).stdout.splitlines()[0] == text.splitlines()[0]


@pytest.mark.parametrize("words", [("glossar",), ("first", "job"), ("first-job",), ("does", "not", "end")])
def test_page_is_found_by_a_part_of_its_name(words: tuple[str, ...]) -> None:
    shown = run(*words)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("# ")


def test_part_of_several_names_lists_them() -> None:
    refused = run("job")
    assert refused.exit_code == 2
    assert "start/first_job" in refused.stderr
    assert "runbook/job_ran_twice" in refused.stderr


def test_mistyped_topic_is_guessed() -> None:
    refused = run("glosary")
    assert refused.exit_code == 2
    assert "there is no topic 'glosary'; did you mean reference/glossary?" in refused.stderr


def test_nonsense_says_where_to_look() -> None:
    refused = run("qqqqqq")
    assert refused.exit_code == 2
    said = "`asyncjobd help` lists them; `asyncjobd help --search` looks into the pages"
    assert said in " ".join(refused.stderr.split())


def test_command_is_a_topic_too() -> None:
    assert "--wait" in run("enqueue").stdout
    assert "--memory-limit" in run("action", "add").stdout


def test_printed_page_is_markdown_without_notes() -> None:
    shown = run("howto/systemd").stdout
    assert shown.startswith("# Run the daemon under systemd\n")
    assert "<!--" not in shown


def test_search_shows_the_lines_that_match() -> None:
    shown = run("--search", "schema_producer").stdout
    assert shown.startswith("reference/configuration: ")
    assert "SCHEMA_producer" in shown
    assert run("--search", "claim", "token").stdout.count("\n") > 2


def test_search_without_a_match_fails() -> None:
    missed = run("--search", "xylophone")
    assert missed.exit_code == 1
    assert "no page has" in missed.stderr
    assert run("--search").exit_code == 2


def test_terminal_shows_a_page_rendered_by_the_pager() -> None:
    shown = on_terminal("glossary", PAGER="cat")
    assert "\x1b[" in shown
    assert "Glossary" in shown
    assert "# Glossary" not in shown


def test_terminal_without_colours_has_none() -> None:
    shown = on_terminal("glossary", PAGER="cat", NO_COLOR="1")
    assert "\x1b[3" not in shown


def test_every_page_has_a_title_and_a_summary() -> None:
    for page in pages():
        assert page.title and not page.title.startswith("#"), page.topic
        assert page.summary and "\n" not in page.summary, page.topic
    names = [page.name for page in pages()]
    assert len(set(names)) == len(names)  # so that each is found by its name alone
