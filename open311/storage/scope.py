"""The scope of every query: one jurisdiction in one environment."""

from __future__ import annotations

from dataclasses import dataclass

#: Bits of a request_key below the jurisdiction: more than any service_request_id takes.
ID_BITS = 40
MAX_SERVICE_REQUEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Scope:
    """What a query may see. Nothing reads or writes requests without one.

    Attributes:
        jurisdiction_key: the stored number of one jurisdiction's production or test side.
        environment: `production` or `test`.
    """

    jurisdiction_key: int
    environment: str

    def request_key(self, service_request_id: int) -> int:
        """The storage key of an id: it can only ever name a row of this scope."""
        return self.jurisdiction_key << ID_BITS | service_request_id

    @property
    def is_test(self) -> bool:
        """Whether data here are shadow data: never delivered, never counted."""
        return self.environment == "test"


def jurisdiction_key_of(request_key: int) -> int:
    """The jurisdiction (in its environment) inside a storage key."""
    return request_key >> ID_BITS


def service_request_id_of(request_key: int) -> int:
    """The public id inside a storage key."""
    return request_key & ((1 << ID_BITS) - 1)
