"""SQL statements as jobs. The statement is the configuration's; the job's params are bound to it as values.

    [actions.CloseAccount]
    handler = "asyncjobd_handlers.sql:Sql"
    options = { statement = "select close_account({account}::int, {reason})" }

`{account}` stands for `params ->> 'account'`, which is text in PostgreSQL and needs a cast to be anything
else. Lists and objects are the text of their JSON (`{items}::jsonb`), null is null.
"""

from asyncjobd_handlers.sql.handler import Sql
from asyncjobd_handlers.sql.options import SqlOptions

__all__ = ["Sql", "SqlOptions"]
