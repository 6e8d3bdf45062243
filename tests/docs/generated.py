"""The files that are made of the code, or have parts that are: `python -m tests.docs` writes them."""

from collections.abc import Iterator
from pathlib import Path

from tests.docs import commands, facts, manual
from tests.docs.snippets import DOCS, text_of
from tests.docs.tables import Table

MAN = DOCS.with_name("share") / "man"

TABLES = [
    *(
        Table("reference/configuration", [heading], facts.keys_of(kind))
        for heading, kind in facts.CONFIGURATION.items()
    ),
    Table(
        "reference/columns",
        ["Columns that you write", "Columns that the daemon writes"],
        facts.columns_of("job"),
    ),
    Table("reference/columns", ["Columns of asyncjob.schedule"], facts.columns_of("schedule")),
    Table("reference/columns", ["Columns of asyncjob.rollup"], facts.columns_of("rollup")),
    Table(
        "reference/metrics", ["Of this daemon", "Of the queue, the same from every daemon"], facts.metrics()
    ),
    Table(
        "reference/log_events",
        ["Jobs", "Schedules", "The daemon", "The web page", "The database"],
        facts.log_events(),
    ),
    Table("reference/commands", [], facts.commands()),
    Table("reference/commands", ["Exit codes"], facts.exit_codes()),
    Table("reference/findings", [], facts.findings()),
]


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file with the text that it should have."""
    texts: dict[str, str] = {"reference/options": commands.options_page()}
    for table in TABLES:
        texts[table.page] = table.renew(texts.get(table.page) or text_of(table.page))
    for page, text in texts.items():
        yield DOCS / f"{page}.md", text
    for man_page in manual.pages():
        yield MAN / man_page.file, man_page.render()
