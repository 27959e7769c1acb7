"""Whether this process can do its work right now."""

from __future__ import annotations

from open311.domain.errors import Unavailable
from open311.storage import migrate
from open311.storage.database import Database, unsafe_durability


def check_readiness(database: Database, *, accepts_loss: bool = False) -> list[str]:
    """What keeps the server from working, one short text for each fault.

    Args:
        accepts_loss: durability was given up on purpose, for an experiment.
    """
    try:
        unsafe = None if accepts_loss else unsafe_durability(database)
        faults = [_schema_fault(database), unsafe, _write_fault(database)]
    except Unavailable:
        return ["database: out of reach"]
    return [fault for fault in faults if fault]


def _schema_fault(database: Database) -> str | None:
    current, head = migrate.current_revision(database), migrate.head_revision()
    if current == head:
        return None
    return f"schema: at {current}, this program needs {head} (open311 db upgrade)"


def _write_fault(database: Database) -> str | None:
    """Try a durable write that changes nothing."""
    try:
        database.write(
            lambda connection: connection.exec_driver_sql("UPDATE installation SET id = id")
        )
    except Unavailable:
        return "database: cannot be written"
    return None
