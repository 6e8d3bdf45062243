"""`asyncjobd help`: the documentation that was installed with the package, in the terminal."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence

import click
from click.shell_completion import CompletionItem

from asyncjobd.monitoring.documentation import SECTIONS, Page, find, guesses, pages, plain

WIDEST_TEXT = 110  # columns


def _complete(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(page.topic, help=page.title)
        for page in pages()
        if page.topic.startswith(incomplete) or page.name.startswith(incomplete)
    ]


@click.command("help")
@click.argument("topic", nargs=-1, shell_complete=_complete)
@click.option("--list", "is_list", is_flag=True, help="Print the topics, one a line.")
@click.option("--search", "is_search", is_flag=True, help="Print the lines that have the words TOPIC.")
@click.option("--llms", "is_whole", is_flag=True, help="Print all pages as one text, for language models.")
@click.pass_context
def show_help(
    context: click.Context, /, topic: tuple[str, ...], is_list: bool, is_search: bool, is_whole: bool
) -> None:
    """Show the documentation: a page, or without a TOPIC the list of all.

    TOPIC is a path (howto/http), a name (http), a part of one, or a command. The page is shown by $PAGER on a
    terminal, and printed as plain Markdown otherwise.
    """
    wanted = " ".join(topic)
    if is_list:
        click.echo("".join(f"{page.topic}\n" for page in pages()), nl=False)
    elif is_whole:
        click.echo("\n".join(f"<!-- {page.topic}.md -->\n\n{page.text}" for page in pages()), nl=False)
    elif is_search:
        if not wanted:
            raise click.UsageError("--search: expected the words to look for")
        _search(wanted.lower().split())
    elif not wanted:
        _print_contents()
    else:
        _show(context, wanted)


def _show(context: click.Context, wanted: str) -> None:
    all_pages = pages()
    found = find(wanted, all_pages)
    is_exact = len(found) == 1 and plain(wanted.removesuffix(".md")) in {
        plain(found[0].topic),
        plain(found[0].name),
    }
    if not is_exact and (usage := _usage(context, wanted)) is not None:
        click.echo(usage)
    elif len(found) == 1:
        _print_page(found[0])
    elif found:
        topics = ", ".join(page.topic for page in found)
        raise click.UsageError(f"{wanted!r} may be one of: {topics}")
    else:
        close = guesses(wanted, all_pages)
        hint = f"did you mean {' or '.join(close)}?" if close else "`asyncjobd help` lists them"
        raise click.UsageError(
            f"there is no topic {wanted!r}; {hint}; `asyncjobd help --search` looks into the pages"
        )


def _usage(context: click.Context, wanted: str) -> str | None:
    """Return what `asyncjobd COMMAND --help` prints; None where there is no such command."""
    parent = context.parent
    assert parent is not None
    for name in wanted.split():
        command = (
            parent.command.get_command(parent, name) if isinstance(parent.command, click.Group) else None
        )
        if command is None:
            return None
        parent = click.Context(command, info_name=name, parent=parent)
    return parent.get_help()


def _print_contents() -> None:
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else WIDEST_TEXT
    all_pages = pages()
    longest = max(len(page.topic) for page in all_pages)
    lines = []
    for section, title in SECTIONS.items():
        lines += ["", click.style(title, bold=True)]
        for page in all_pages:
            if page.topic.startswith(f"{section}/"):
                line = f"{page.topic:<{longest}}  {page.summary}"
                lines.append(line if len(line) <= width or not is_terminal else f"{line[: width - 3]}...")
    _page("\n".join([*lines[1:], "", "asyncjobd help TOPIC shows one; --search WORDS looks into all."]))


def _search(words: Sequence[str]) -> None:
    """Print the lines with any of the words, of the pages that have them all."""
    hits = [hit for page in pages() for hit in _matches(page, words)]
    if not hits:
        raise click.ClickException(f"no page has {' and '.join(map(repr, words))}")
    click.echo("\n".join(hits))


def _matches(page: Page, words: Sequence[str]) -> Iterator[str]:
    lower = page.text.lower()
    if not all(word in lower for word in words):
        return
    topic = click.style(page.topic, bold=True)
    lines = [(sum(word in line.lower() for word in words), line.strip()) for line in page.text.splitlines()]
    most = max(count for count, _ in lines)
    for count, line in lines:
        if count == most:
            yield f"{topic}: {line}"


def _print_page(page: Page) -> None:
    if sys.stdout.isatty():
        _page(_rendered(page.text))
    else:
        click.echo(page.text, nl=False)


def _rendered(text: str) -> str:
    """Return Markdown as a terminal shows it. rich takes 50 ms to import, which the list does not need."""
    from rich.console import Console
    from rich.markdown import Markdown

    width = min(shutil.get_terminal_size().columns, WIDEST_TEXT)
    console = Console(width=width, force_terminal=True)  # without colours where NO_COLOR is set
    with console.capture() as capture:
        console.print(Markdown(text, hyperlinks=False))
    return capture.get()


def _page(text: str) -> None:
    """Show a text that is longer than the terminal in a pager, which is $PAGER or less."""
    if not sys.stdout.isatty() or text.count("\n") < shutil.get_terminal_size().lines:
        click.echo(text)
        return
    os.environ.setdefault("LESS", "-R")  # it shows colours
    click.echo_via_pager(text, color=True)
