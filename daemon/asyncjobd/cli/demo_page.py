"""The web page of the demo's jobs."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console

from asyncjobd.cli.failures import EXIT_CONFIG, Failure
from asyncjobd.config.web import WebConfig
from asyncjobd.postgres.database import Database


@asynccontextmanager
async def served(database: Database, console: Console) -> AsyncIterator[None]:
    """Serve the page on a free port, print a link to it and, after the block, go on until somebody presses Ctrl-C.

    Raise Failure where the extra is not installed.
    """
    try:
        from asyncjobd.web.server import WebServer
        from asyncjobd.web.sessions import session_key
        from asyncjobd.web.site import Site, address_of
        from asyncjobd.web.transactions import Transactions
    except ModuleNotFoundError as error:
        raise Failure(f"{error}: pip install 'asyncjobd[web]'", EXIT_CONFIG) from error
    sockets = [socket.create_server(("127.0.0.1", 0))]
    transactions = Transactions(database)
    site = Site(transactions, WebConfig(label="demo"), session_key(), address_of(sockets, ()))
    serving = asyncio.create_task(WebServer(site.app).serve(sockets))
    link = site.link(os.geteuid())
    console.print(f"open the page within a minute, once:  {link}", highlight=False, soft_wrap=True)
    try:
        yield
        console.print("the page stays until you press Ctrl-C")
        await serving
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await transactions.close()
