# place_order.py
"""`place` inserts an order and prints its id; `repair ID` runs its failed parts again, and goes on with it."""

import asyncio
import os
import sys
from itertools import cycle

from asyncjobd import Client, JobBuilder, Status

TENANTS = ("ann", "bob", "cid")


async def place(client: Client) -> None:
    parts = (
        JobBuilder("Part").set_params({"tenant": tenant, "article": n}).set_limit_key(tenant).build()
        for n, tenant in zip(range(1_000), cycle(TENANTS))
    )
    order_id, *_ = await client.insert_tree(JobBuilder("Order").set_when_failed(Status.HOLD).build(), parts)
    print(order_id)


async def repair(client: Client, order_id: int) -> None:
    for part in await client.list(parent_id=order_id, status=Status.FAILED):
        print(part.id, part.message)
        await client.set_status(part.id, Status.QUEUED)
    await client.set_status(order_id, Status.QUEUED)
    print((await client.wait(order_id)).message)


async def main() -> None:
    async with Client.connect(os.environ["DATABASE_URL"]) as client:
        if sys.argv[1] == "place":
            await place(client)
        else:
            await repair(client, int(sys.argv[2]))


asyncio.run(main())
