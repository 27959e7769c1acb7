"""The headers that answers carry, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any

Described = dict[str, dict[str, Any]]


def _header(description: str, type_: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": type_}}


_ETAG = _header("The version of this answer, for `If-None-Match`.")
_CACHE = _header("`no-cache`: ask again with `If-None-Match`; `no-store` on the stream of changes.")
_RETRY = _header("Seconds to wait before the next try.", "integer")

#: On answers that know their version.
VERSIONED: Described = {"ETag": _ETAG, "Cache-Control": _CACHE}
#: On the request list: pages, and the stream of changes (`cursor`).
LISTED: Described = {
    **VERSIONED,
    "X-Page-Size": _header("Requests on a full page; not with `cursor`.", "integer"),
    "X-Result-Count": _header("Requests of the whole list, with `count=true`.", "integer"),
    "X-Page-Count": _header("Pages of the whole list, with `count=true`.", "integer"),
    "X-Next-Page-URL": _header("The next page, if there is one; with `cursor`, always."),
    "X-Previous-Page-URL": _header("The page before, from the second on."),
    "Link": _header('The same two, as `rel="next"` and `rel="prev"` (RFC 8288).'),
    "X-Next-Cursor": _header("With `cursor`: where to go on."),
    "X-Withdrawn-Ids": _header(
        "With `cursor`: ids, separated by commas, that have left the public lists."
    ),
}
#: On the updates feed.
SERVER: Described = {"Open311-Server": _header("The id of this server among all others.")}


def of_error(status: str) -> Described:
    """On errors: none is kept, and some say when to come back."""
    told = {"Cache-Control": _header("`no-store`.")}
    return told | {"Retry-After": _RETRY} if status in ("409", "503") else told
