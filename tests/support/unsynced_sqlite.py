"""Where this is imported, SQLite does not wait for the disk: half of the time of a small store.

What a killed process has written is there nevertheless; only a power cut could lose it.
"""

import sqlite3

from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "connect")
def _without_waiting(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
