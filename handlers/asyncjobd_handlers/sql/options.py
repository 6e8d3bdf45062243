"""The options of a SQL job: the table [actions.NAME.options]."""

from typing import Annotated

import msgspec

from asyncjobd_handlers.sql.statement import bind

DSN = "postgresql://user:password@host:port/database"


class SqlOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without a `dsn` the statement is part of the job's own transaction, so it happens exactly once. With
    one it runs on that database, once or more often; ${NAME} in it is a secret (secret.py). `rows` is how
    many of the returned rows the result keeps; with 0 it is only their number."""

    statement: str
    dsn: str = ""
    rows: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        bind(self.statement)
        if self.dsn and not self.dsn.startswith(("postgresql://", "postgres://", "${")):
            raise ValueError(f"dsn: expected {DSN}, or ${{NAME}}, a credential that has it")
