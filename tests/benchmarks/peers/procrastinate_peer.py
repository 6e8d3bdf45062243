"""procrastinate on psycopg, with its defaults; done jobs stay."""

from datetime import datetime

from procrastinate import App, PsycopgConnector

from tests.benchmarks.peers.protocol import Params, Record, main


def app_with(connections: int, record: Record | None = None) -> App:
    app = App(connector=PsycopgConnector(min_size=connections, max_size=connections))

    @app.task(name="noop", queue="default")
    async def noop(t: int | None = None, i: int | None = None) -> None:
        record.hit(t)

    return app


class Producer:
    def __init__(self, app: App) -> None:
        self._task = app.tasks["noop"]

    async def one(self, params: Params) -> None:
        await self._task.defer_async(**params)

    async def many(self, all_params: list[Params]) -> None:
        await self._task.batch_defer_async(*all_params)

    async def at(self, params: Params, when: datetime) -> None:
        await self._task.configure(schedule_at=when).defer_async(**params)


class Peer:
    async def setup(self) -> None:
        async with app_with(1).open_async() as app:
            await app.schema_manager.apply_schema_async()

    async def producer(self, connections: int) -> Producer:
        app = app_with(connections)
        await app.open_async()
        return Producer(app)

    async def work(self, record: Record, concurrency: int) -> None:
        async with app_with(10, record).open_async() as app:
            await app.run_worker_async(concurrency=concurrency, install_signal_handlers=False)


main(Peer())
