"""The pictures of the web page that the documentation shows: `python -m tests.web.screenshots`, from two daemons at work."""

import tempfile
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from tests.screenshot import database_at_work
from tests.web.browser.serving import WHO, launched, served

FOLDER = Path(__file__).parent
PATHS = {"overview": "/", "job": "/jobs/1"}
SIZE = {"width": 1180, "height": 760}


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(database_at_work(Path(folder))) as database,
        served(portal, database.dsn, label="prod") as url,
        launched() as browser,
    ):
        for name, path in PATHS.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    viewport=SIZE, color_scheme=scheme, extra_http_headers={WHO: "operator"}
                )
                page = context.new_page()
                page.goto(url + path)
                page.locator("#live[data-state='live']").wait_for()
                picture = FOLDER / f"{name}-{scheme}.png"
                page.screenshot(path=picture)
                print(f"wrote {picture.name}")
                context.close()


if __name__ == "__main__":
    main()
