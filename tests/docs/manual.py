"""The pages of the manual: of the program, of each of its commands, of its configuration, and of a job's life."""

from collections.abc import Iterator

from tests.docs import commands
from tests.docs.commands import Command
from tests.docs.man import ManPage
from tests.docs.snippets import text_of

CONFIGURATION = "asyncjobd.toml(5)"
LIFE_CYCLE = "asyncjobd(7)"
HELP = "All pages: `asyncjobd help`.\n"


def pages() -> Iterator[ManPage]:
    """Yield all pages of the manual."""
    yield _program()
    for _, entries in commands.sections():
        yield from map(_of_command, entries)
    yield _of_page("reference/configuration", "asyncjobd.toml", 5, "the configuration of asyncjobd")
    yield _of_page("reference/statuses", "asyncjobd", 7, "the life of a job: its statuses and transitions")


def _program() -> ManPage:
    parts = [
        "## Synopsis", f"`{commands.ROOT.usage}`",
        "## Description", commands.ROOT.description.partition("\n\n--config")[0], HELP,
        "## Options", commands.options_table(commands.shared_options()),
    ]  # fmt: skip
    for title, entries in commands.sections():
        rows = "".join(f"| `{each.path}` | {each.summary} |\n" for each in entries)
        parts += [f"## {title}", f"| command | meaning |\n|---|---|\n{rows}"]
    reference = text_of("reference/commands")
    parts += ["## Exit status", reference.partition("\n## Exit codes\n")[2].partition("\n## ")[0]]
    parts += ["## Environment", text_of("reference/configuration").partition("\n## Environment\n")[2]]
    names = tuple(f"asyncjobd-{each.path}(1)" for _, entries in commands.sections() for each in entries)
    summary = "background jobs as rows in PostgreSQL, run by an asyncio daemon"
    return ManPage("asyncjobd", 1, summary, "\n\n".join(parts), (*names, CONFIGURATION, LIFE_CYCLE))


def _of_command(command: Command) -> ManPage:
    family = [command, *command.children]
    parts = ["## Synopsis", *(f"`{each.usage}`" for each in family), "## Description", command.description]
    if command.options:
        parts += ["## Options", commands.options_table(command.options)]
    if command.children:
        parts.append("## Commands")
    for child in command.children:
        parts += [f"### {child.path}", child.description]
        parts += [commands.options_table(child.options)] if child.options else []
    summary = command.summary[0].lower() + command.summary[1:].removesuffix(".")
    see_also = ("asyncjobd(1)", CONFIGURATION, LIFE_CYCLE)
    return ManPage(f"asyncjobd-{command.path}", 1, summary, "\n\n".join(parts), see_also)


def _of_page(topic: str, name: str, section: int, summary: str) -> ManPage:
    """Return a page of the documentation as one of the manual. What stands before its first heading is a description."""
    _, _, text = text_of(topic).partition("\n\n")
    return ManPage(name, section, summary, f"## Description\n\n{text}", ("asyncjobd(1)",))
