# orders.py
"""An order of many parts, which is summed up once all of them have their price."""

from collections import Counter

import msgspec

from asyncjobd import Context, JobHandler, JobResult


class PartParams(msgspec.Struct):
    tenant: str
    article: int


class Order(JobHandler[dict[str, object]]):
    async def execute(self) -> JobResult:
        totals: Counter[str] = Counter()
        async for part in self.children():
            totals[part.params["tenant"]] += part.result
        return JobResult.success(f"{totals.total()} in all", totals)


async def find_price(params: PartParams, context: Context) -> JobResult:
    async with context.transaction() as connection:
        price = await connection.fetchval("select price from price where article = $1", params.article)
    if price is None:
        return JobResult.fatal_error(f"article {params.article} has no price")
    return JobResult.success(result=price)
