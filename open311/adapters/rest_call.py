"""From a call of the profile and values to one HTTP request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from requests import Request

from open311.adapters.mapping import document, filled, mapped
from open311.adapters.profile import Field, Template, UnmappedValue
from open311.adapters.rest_blocks import Body, Call
from open311.adapters.transforms import Means, as_text
from open311.adapters.vocabulary import Values

Pairs = Sequence[tuple[str, Any]]


def request_of(
    call: Call,
    values: Values,
    means: Means,
    *,
    base_url: str,
    transport: Sequence[Field] = (),
    extra: Pairs = (),
) -> Request:
    """The request of a call, before it is signed.

    Args:
        transport: headers of every call; those of the call itself replace them.
        extra: more pairs for the body (photos inside a create).

    Raises:
        UnmappedValue: the mapping has nothing for a value.
    """
    request = Request(call.method, _url(call, values, base_url))
    request.params = [(to, as_text(value)) for to, value in _flat(call.query, values, means)]
    headers = (*transport, *call.headers)
    request.headers = {to: _one_line(as_text(v)) for to, v in mapped(headers, values, means)}
    pairs = [*mapped(call.fields, values, means), *extra]
    _BODIES[call.body](request, pairs, values)
    return request


def _one_line(text: str) -> str:
    """A resident's words as a header may carry them: no line break, UTF-8 as Latin-1."""
    return " ".join(text.split()).encode().decode("latin-1")


def _url(call: Call, values: Values, base_url: str) -> str:
    if call.url is not None:
        return _whole_url(call.url, values, base_url)
    path = _quoted(call.path or Template(("",)), values)
    if not path.startswith("/"):
        # Or `@host` and `.host`, put behind base_url, would lead to another server.
        raise UnmappedValue(f"L'adresse « {path[:60]} » doit commencer par « / ».")
    return base_url.rstrip("/") + path


def _quoted(template: Template, values: Values) -> str:
    pieces = []
    for at, piece in enumerate(template.pieces):
        if at % 2 == 0:
            pieces.append(piece)
            continue
        text = as_text(values.get(piece))
        if not text:
            raise UnmappedValue(f"L'adresse à appeler demande « {piece} », qui est vide.")
        # Settings are the operator's own: their slashes are meant.
        pieces.append(quote(text, safe="/" if piece.startswith("settings.") else ""))
    return "".join(pieces)


def _whole_url(template: Template, values: Values, base_url: str) -> str:
    """An absolute address; one that a tool's answer gave must lead to the same server."""
    url = filled(template, values)
    if url.startswith("/"):
        parts = urlsplit(base_url)
        url = f"{parts.scheme}://{parts.netloc}{url}"
    told_by_tool = any(name.startswith("kept.") for name in template.names)
    if told_by_tool and urlsplit(url)[:2] != urlsplit(base_url)[:2]:
        raise UnmappedValue(f"L'outil envoie vers un autre serveur ({url[:200]}) : refusé.")
    return url


def _flat(fields: Sequence[Field], values: Values, means: Means) -> Pairs:
    """Pairs where a list is the same name several times."""
    return [
        (to, item)
        for to, value in mapped(fields, values, means)
        for item in (value if isinstance(value, list) else [value])
    ]


def _json(request: Request, pairs: Pairs, _: Values) -> None:
    whole = document([(to, _plain(value)) for to, value in pairs])
    request.data = json.dumps(whole, ensure_ascii=False, allow_nan=False).encode()
    request.headers.setdefault("Content-Type", "application/json")


def _plain(value: Any) -> Any:
    """A value as JSON has it: dates and contents of files become text."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else as_text(value)


def _form(request: Request, pairs: Pairs, _: Values) -> None:
    request.data = [(to, as_text(item)) for to, value in pairs for item in _listed(value)]
    request.headers.setdefault("Content-Type", "application/x-www-form-urlencoded")


def _multipart(request: Request, pairs: Pairs, values: Values) -> None:
    request.headers.pop("Content-Type", None)  # it carries the boundary, known later
    request.files = [(to, _part(item, values)) for to, value in pairs for item in _listed(value)]


def _part(value: Any, values: Values) -> tuple[str | None, Any, str] | tuple[None, bytes]:
    if isinstance(value, bytes):
        return as_text(values.get("file.name")), value, as_text(values.get("file.media_type"))
    return None, as_text(value).encode()


def _bytes(request: Request, pairs: Pairs, values: Values) -> None:
    content = pairs[0][1] if pairs else b""
    request.data = content if isinstance(content, bytes) else as_text(content).encode()
    request.headers.setdefault(
        "Content-Type", as_text(values.get("file.media_type")) or "text/plain"
    )


def _none(_: Request, __: Pairs, ___: Values) -> None:
    """No body."""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_BODIES: Mapping[Body, Any] = {
    Body.NONE: _none,
    Body.JSON: _json,
    Body.FORM: _form,
    Body.MULTIPART: _multipart,
    Body.BYTES: _bytes,
}
