"""The runbook has one shape, and each thing that somebody is told of leads to a page."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from asyncjobd.cli import main
from asyncjobd.monitoring.documentation import pages
from tests.docs.snippets import DOCS, text_of

SHAPE = ["What you see", "How bad", "Look", "Do", "Prevent"]
INDEX = "symptoms"
PACKAGE = DOCS.parent
NAMES = Counter(page.name for page in pages())
RUNBOOK = sorted(path.stem for path in (DOCS / "runbook").glob("*.md"))
GRAVE = {"warning", "error", "critical"}
ACT = "\n## What to do about one\n"  # of reference/log_events


def texts(expression: ast.expr | None) -> set[str]:
    """Return the texts that an expression may be."""
    match expression:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=one, orelse=other):
            return texts(one) | texts(other)
        case ast.Dict(values=parts) | ast.Call(args=parts):
            return set().union(*map(texts, parts))
    return set()


def topics_of(tree: ast.Module) -> Iterator[set[str]]:
    """Yield what a module gives as a topic, or names so; that of a Reason is its third part, of a Trouble too."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="topic", value=value):
                yield texts(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if re.search(r"(?i)topics?$", name):
                yield texts(value)
            case ast.Call(func=ast.Name(id="Reason" | "Trouble"), args=[_, _, value]):
                yield texts(value)
            case ast.FunctionDef(name=name) if name.endswith("_topic"):
                yield set().union(
                    *(texts(each.value) for each in ast.walk(node) if isinstance(each, ast.Return))
                )


def told() -> set[str]:
    """Return the topics of findings, troubles and reasons."""
    files = [*(PACKAGE / "monitoring").rglob("*.py"), PACKAGE / "cli" / "doctor.py"]
    return set().union(*(found for file in files for found in topics_of(ast.parse(file.read_text()))))


def logged() -> dict[str, str]:
    """Return the topics of log events, by event."""
    rows = re.findall(
        r"^\| \[(\w+)\]\(\S+\) \| (.*) \|$", text_of("reference/log_events").split(ACT)[1], re.MULTILINE
    )
    events = [(event, topic) for topic, named in rows for event in re.findall(r"`([^`]+)`", named)]
    assert len(events) == len(dict(events)), "an event has two topics"
    return dict(events)


def test_each_topic_is_one_page() -> None:
    assert [topic for topic in told() | set(logged().values()) if topic and NAMES[topic] != 1] == []


def test_each_page_is_named_by_something() -> None:
    assert set(RUNBOOK) - told() - set(logged().values()) - {INDEX} == set()


def test_index_has_every_page() -> None:
    assert set(re.findall(r"\((\w+)\.md[#)]", text_of(f"runbook/{INDEX}"))) == set(RUNBOOK) - {INDEX}


@pytest.mark.parametrize("page", [page for page in RUNBOOK if page != INDEX])
def test_page_says_what_is_seen_how_bad_it_is_and_what_to_do(page: str) -> None:
    assert re.findall(r"^## (.*)$", text_of(f"runbook/{page}"), re.MULTILINE) == SHAPE


def test_each_warning_and_error_of_the_log_has_a_topic() -> None:
    table = text_of("reference/log_events").split(ACT)[0]
    events = {
        event
        for names, level in re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE)
        if GRAVE & set(re.findall(r"\w+", level))
        for event in re.findall(r"`([^`]+)`", names)
    }
    assert events == set(logged())


def commands() -> set[str]:
    """Return the commands that the runbook, findings and reasons name inline."""
    files: list[Path] = [
        *(DOCS / "runbook").glob("*.md"),
        *(PACKAGE / "monitoring").rglob("*.py"),
    ]
    named = (
        r"\basyncjobd ((?:schedule |action |config |web )?[a-z][\w-]*)((?: --[a-z-]+| [^\s`\"'-][^\s`\"']*)*)"
    )
    return {"".join(found) for file in files for found in re.findall(named, file.read_text())}


def test_commands_that_are_advised_exist_with_their_options() -> None:
    advised = [
        each.split() for each in commands() if each.split()[0] in main.list_commands(click.Context(main))
    ]
    assert len(advised) > 30
    for words in advised:
        command: click.Command | None = main
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, words
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, (command.name, words)
