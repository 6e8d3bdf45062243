"""Write daemon/asyncjobd/postgres/schema/objects.txt again after a new migration: python -m tests.support.objects"""

import asyncio
import tempfile
from pathlib import Path

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema import drift as catalogue
from asyncjobd.postgres.schema.migrate import migrate


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(DatabaseConfig(data_directory=f"{folder}/data"))
        try:
            await migrate(database)
            connection = await database.connect("catalogue")
            made = await catalogue.catalogue(connection, database)
            connection.terminate()
        finally:
            await database.close()
    Path(catalogue.__file__).with_name(catalogue.FILE).write_text(catalogue.as_text(made))


if __name__ == "__main__":
    asyncio.run(main())
