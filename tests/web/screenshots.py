"""The pictures of the web page that the documentation shows: `python -m tests.web.screenshots`, from two daemons at work."""

import tempfile
from pathlib import Path

import asyncpg
from anyio.from_thread import start_blocking_portal

from tests.screenshot import database_at_work
from tests.support.jobs import insert
from tests.web.browser.serving import WHO, launched, served

FOLDER = Path(__file__).parent
PATHS = {"overview": "/", "job": "/jobs/1", "tree": "/tree/{root}", "graph": "/graph/{root}"}
SIZE = {"width": 1180, "height": 760}


async def insert_family(dsn: str) -> int:
    """Insert a report that waits for its images and its receipts, which wait for a payment, and return its id."""
    db = await asyncpg.connect(dsn)
    root = await insert(db, "MonthlyReport", waits_for_children="true", parent_id="null")
    of_root = {"parent_id": str(root), "priority": "-3"}
    for _ in range(3):
        await insert(db, "ResizeImage", **of_root)
    paid = await insert(db, "MonthlyReport", '{"progress": 0.4}', **of_root)
    receipts = [
        await insert(db, "SendReceipt", waits_for=f"array[{paid}::bigint]", **of_root) for _ in range(2)
    ]
    await insert(db, "SyncStock", waits_for=f"array{receipts}::bigint[]", **of_root)
    await db.close()
    return root


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(database_at_work(Path(folder))) as database,
        served(portal, database.dsn, label="prod") as url,
        launched() as browser,
    ):
        root = portal.call(insert_family, database.dsn)
        for name, path in PATHS.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    viewport=SIZE, color_scheme=scheme, extra_http_headers={WHO: "operator"}
                )
                page = context.new_page()
                page.goto(url + path.format(root=root))
                page.locator("#live[data-state='live']").wait_for()
                picture = FOLDER / f"{name}-{scheme}.png"
                page.screenshot(path=picture)
                print(f"wrote {picture.name}")
                context.close()


if __name__ == "__main__":
    main()
