"""The frame of the command line: commands that are imported when they are called, and options that all of them take."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

from asyncjobd.cli.streams import UNWRITABLE, discard_output
from asyncjobd.postgres.text import not_utf8

C = TypeVar("C")


@dataclass
class Options:
    """The options that may stand before and after the command."""

    config_path: Path | None = None
    dsn: str | None = None
    as_json: bool = False


class Entry(NamedTuple):
    """A command by its name, the place of its code ("module:attribute"), and a line for the list of commands."""

    name: str
    home: str
    summary: str


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        setattr(context.ensure_object(Options), str(parameter.name), value)


def _shared_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--config", "config_path"], type=click.Path(path_type=Path, readable=False), metavar="FILE",
            expose_value=False, callback=_store, help="The configuration file; also before the command.",
        ),
        click.Option(
            ["--dsn"], expose_value=False, callback=_store,
            help="The database, in place of the configuration's; also before the command.",
        ),
    ]  # fmt: skip


def _refuse_bytes(context: click.Context, parameter: click.Parameter) -> None:
    """Raise BadParameter for text that is not UTF-8, which PostgreSQL takes in no place. A path may be such text."""
    given = context.params.get(parameter.name or "")
    for text in given if isinstance(given, tuple) else (given,):
        if isinstance(text, str) and (problem := not_utf8(text)):
            raise click.BadParameter(problem, ctx=context, param=parameter)


class SharedOptions(click.Command):
    """A command that takes --config and --dsn after its name, too."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params += _shared_options()


class Command(SharedOptions):
    """A command with the shared options, which refuses a --json that it cannot heed."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command.

        Raise UsageError where --json was given before it in vain, or an argument is not UTF-8.
        """
        if context.ensure_object(Options).as_json and "as_json" not in context.params:
            raise click.UsageError(f"{self.name} prints no JSON")
        for parameter in self.params:
            _refuse_bytes(context, parameter)
        return super().invoke(context)


class Group(SharedOptions, click.Group):
    """A group of such commands."""

    command_class = Command


@contextmanager
def _unwritable_is_said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        discard_output()
        raise click.ClickException(f"cannot write: {error.strerror}") from error


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called: importing all would take longer than most of them."""

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[Entry]], **settings: Any) -> None:
        """`sections`: the commands in the order of the help, by the headings above them."""
        super().__init__(*arguments, **settings)
        self._sections = sections
        self._entries = {entry.name: entry for entries in sections.values() for entry in entries}

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self._entries)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command and return it; None where there is none of this name."""
        if name not in self._entries:
            return None
        module, _, attribute = self._entries[name].home.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments begin with. Raise UsageError, with the closest name, for an unknown."""
        name = arguments[0]
        if name not in self._entries and not name.startswith("-"):
            close = difflib.get_close_matches(name, self._entries, 1)
            hint = f"did you mean {close[0]!r}?" if close else "`asyncjobd --help` lists the commands"
            raise click.UsageError(f"there is no command {name!r}; {hint}", context)
        return super().resolve_command(context, arguments)

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Read the options, of which --help and --version print. Raise ClickException where that cannot be written."""
        with _unwritable_is_said():
            return super().make_context(*arguments, **settings)

    def invoke(self, context: click.Context) -> Any:
        """Run the command. Raise ClickException where what it prints cannot be written, as the disk is full."""
        with _unwritable_is_said():
            return super().invoke(context)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with `incomplete`, without importing any command."""
        begun = [entry for entry in self._entries.values() if entry.name.startswith(incomplete)]
        commands = [CompletionItem(entry.name, help=entry.summary) for entry in begun]
        return [*commands, *click.Command.shell_complete(self, context, incomplete)]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lists of commands without importing any."""
        width = max(map(len, self._entries))
        for title, entries in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name.ljust(width), entry.summary) for entry in entries])


def json_option(command: C) -> C:
    """Decorate a command with --json, which may stand before its name too."""

    def merge(context: click.Context, _: click.Parameter, value: bool) -> bool:
        return value or context.ensure_object(Options).as_json

    option = click.option("--json", "as_json", is_flag=True, callback=merge, help="Print JSON.")
    return option(command)  # type: ignore[type-var]
