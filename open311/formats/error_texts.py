"""Errors in English, for clients that ask for it (C-235); French is the original."""

from __future__ import annotations

import re

from open311.domain.errors import NotFound, Open311Error, TooCostly

_BY_STATUS = {
    400: "this value is missing or not acceptable",
    403: "a valid key is needed for this",
    404: "not found here",
    405: "this HTTP method is not offered here; see Allow",
    408: "the request came too slowly",
    409: "the same request is being served right now; try again shortly",
    413: "too large",
    414: "the address is too long",
    415: "this content type is not accepted; send a form",
    422: "this Idempotency-Key was used for another request",
    429: "too many requests; try again later",
    431: "the headers are too large",
    500: "an internal error happened; it was recorded",
    501: "this method is not known",
    503: "the service is unavailable; try again shortly",
}
_REQUIRED = re.compile(r" \((\S+ required)\)$")


def in_english(error: Open311Error, status: int) -> str:
    """One English sentence: the field, what is wrong with it, the French detail after it."""
    code = error.status if error.field or isinstance(error, NotFound) else status
    general = _BY_STATUS.get(code, "refused")
    required = _REQUIRED.search(error.message)
    if required is not None:
        return f"{error.field}: a value is required ({required[1]})"
    if isinstance(error, TooCostly):
        return "This asks too much work of the server; narrow it (dates, service, area) or wait."
    if error.field is None:
        return general[0].upper() + general[1:] + "."
    return f"{error.field}: {general} ({error.message})"
