"""Jobs in SQLAlchemy 2: insert them in the transaction of a session, read them as models, leave them out of Alembic.

The schema is written `asyncjob`. Where another one is configured, an engine says so by SQLAlchemy's own means:
`create_engine(url, execution_options={"schema_translate_map": {"asyncjob": "jobs"}})`.
"""

from asyncjobd.contrib.sqlalchemy.alembic import include_name
from asyncjobd.contrib.sqlalchemy.insertion import enqueue, enqueue_many
from asyncjobd.contrib.sqlalchemy.models import Daemon, Execution, Job

__all__ = ["Daemon", "Execution", "Job", "enqueue", "enqueue_many", "include_name"]
