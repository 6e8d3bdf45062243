"""The command line as Markdown, from click: the page reference/options, and what the man pages of commands say."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import click

from asyncjobd.cli import SECTIONS, main

SHARED = {"--config", "--dsn", "--help", "--version"}  # options that are described once

OPTIONS_PAGE = """\
# Options of every command

What each command takes, as its `--help` prints it; [commands](commands.md) says what they are for.

These go before the command, or after it:

"""


@dataclass(frozen=True)
class Command:
    """A command, or one of a group, such as "schedule add"."""

    path: str  # without the program's name
    context: click.Context
    summary: str = ""  # as the list of commands has it

    @property
    def usage(self) -> str:
        pieces = self.context.command.collect_usage_pieces(self.context)
        return " ".join(["asyncjobd", *self.path.split(), *pieces])

    @property
    def description(self) -> str:
        """What it does, in paragraphs; what stands for a value is code."""
        text = inspect.cleandoc(self.context.command.help or "")
        names = "|".join(re.escape(name) for name in self._arguments)
        return re.sub(rf"(`[^`]*`)|\b({names})\b", _as_code, text) if names else text

    @property
    def options(self) -> list[tuple[str, str]]:
        """Its own options, each as it is written and what it does."""
        return [(written, told) for written, told in _records(self.context) if not SHARED & _names(written)]

    @property
    def _arguments(self) -> list[str]:
        parameters = self.context.command.params
        return [each.human_readable_name for each in parameters if isinstance(each, click.Argument)]

    @property
    def children(self) -> "list[Command]":
        """The commands of a group."""
        command = self.context.command
        if not isinstance(command, click.Group):
            return []
        return [_command(self.context, self.path, name) for name in command.list_commands(self.context)]

    def markdown(self) -> str:
        """Return usage, description and a table of the options."""
        table = f"\n{options_table(self.options)}" if self.options else ""
        return f"`{self.usage}`\n\n{self.description}\n{table}"


ROOT = Command("", click.Context(main, info_name="asyncjobd", **main.context_settings))


def sections() -> Iterator[tuple[str, list[Command]]]:
    """Yield the headings of `asyncjobd --help`, with their commands."""
    for title, entries in SECTIONS.items():
        yield title, [_command(ROOT.context, "", entry.name, entry.summary) for entry in entries]


def all_commands() -> Iterator[Command]:
    """Yield the commands, each before those that it groups."""
    for _, commands in sections():
        for command in commands:
            yield command
            yield from command.children


def options_page() -> str:
    """Return the page reference/options."""
    parts = [f"## asyncjobd {command.path}\n\n{command.markdown()}" for command in all_commands()]
    return OPTIONS_PAGE + options_table(shared_options()) + "\n" + "\n".join(parts)


def shared_options() -> list[tuple[str, str]]:
    """Return the options of the program itself."""
    return list(_records(ROOT.context))


def options_table(options: list[tuple[str, str]]) -> str:
    """Return a table of options."""
    rows = [f"| `{_cell(written)}` | {_cell(told)} |\n" for written, told in options]
    return "".join(["| option | meaning |\n", "|---|---|\n", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _command(parent: click.Context, path: str, name: str, summary: str = "") -> Command:
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    return Command(f"{path} {name}".strip(), context, summary)


def _names(written: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", written))


def _records(context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield record


def _as_code(match: re.Match[str]) -> str:
    return match[1] or f"`{match[2]}`"
