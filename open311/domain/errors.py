"""What can go wrong, as one tree; the HTTP layer maps it to answers once.

Statuses follow GeoReport v2 (clause C-232): 404 for what does not exist, 403
for a missing or wrong key, 400 for everything else, with the finer statuses of
HTTP where every client understands them.
"""

from __future__ import annotations


class Open311Error(Exception):
    """Something the caller can understand and mend.

    Attributes:
        message: one French sentence for the end user (clause C-233).
        field: the GeoReport parameter at fault, if one is.
        status: the HTTP status of the answer.
    """

    status = 400

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidRequest(Open311Error):
    """A parameter is missing or cannot be read."""


class InvalidFields(Open311Error):
    """Several parameters are at fault; all are told at once (clause C-134)."""

    def __init__(self, errors: list[Open311Error]) -> None:
        super().__init__(" ".join(error.message for error in errors))
        self.errors = errors


class Forbidden(Open311Error):
    """The key is missing, wrong, or has not this right."""

    status = 403


class NotFound(Open311Error):
    """No such jurisdiction, service, request, token or path."""

    status = 404


class Conflict(Open311Error):
    """The same idempotency key is being served right now.

    Attributes:
        retry_after_s: seconds to wait before the next try.
    """

    status = 409

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooLarge(Open311Error):
    """The body, or a part of it, is over its limit."""

    status = 413


class UnsupportedMedia(Open311Error):
    """The body is of a type that GeoReport does not know."""

    status = 415


class KeyReused(Open311Error):
    """An idempotency key came back with another body."""

    status = 422


class Unavailable(Open311Error):
    """The server cannot write durably right now (disk full, database away)."""

    status = 503


class TooCostly(Unavailable):
    """A read was ended because it took longer than one may take."""


class NotAllowed(Open311Error):
    """A staff action that the state of the request does not permit."""
