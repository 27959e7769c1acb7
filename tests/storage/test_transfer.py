"""The sequence of ids goes on behind ids that came from elsewhere, and never back."""

from __future__ import annotations

from open311.storage import transfer
from open311.storage.database import Database
from open311.storage.requests import next_service_request_id


def test_the_sequence_never_goes_back(database: Database) -> None:
    """Somebody may have taken ids since the highest one was looked at."""

    def next_after(id_: int) -> int:
        database.write(lambda connection: transfer.move_ids_past(connection, id_))
        return database.write(next_service_request_id)

    assert next_after(1) == 2
    assert next_after(500) == 501
    assert next_after(20) == 502
    assert next_after(502) == 503
    with database.connect() as connection:
        assert transfer.last_id(connection) == 503


def test_a_new_sequence_has_given_nothing(database: Database) -> None:
    with database.connect() as connection:
        assert transfer.last_id(connection) == 0
    assert database.write(next_service_request_id) == 1
