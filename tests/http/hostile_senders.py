"""How hostile inputs are sent: a right request but for one thing."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from tests.http.conftest import Endpoint, multipart

Send = Callable[[Endpoint, str], Any]


def form(**values: Any) -> Send:
    """A right request but for these fields."""
    return lambda endpoint, suffix: endpoint.post(suffix, **values)


def body(tail: str | bytes, **options: Any) -> Send:
    """A right urlencoded body, and this after it."""
    raw = tail if isinstance(tail, bytes) else tail.encode()
    return lambda endpoint, suffix: endpoint.post_raw(
        endpoint.right.encode() + raw, suffix, **options
    )


def whole(raw: bytes, content_type: str | None) -> Send:
    """A body of which nothing is right."""
    return lambda endpoint, suffix: endpoint.post_raw(raw, suffix, content_type=content_type)


def parts(*files: bytes, name: str = "photo.jpg", **values: Any) -> Send:
    """A right multipart request with these files."""

    def send(endpoint: Endpoint, suffix: str) -> Any:
        fields = {key: value for key, value in (endpoint.right_form | values).items() if value}
        url = f"{endpoint.base}/requests.{suffix}"
        return endpoint.world.client.post(url, **multipart(fields, *files, name=name))

    return send


def raw_multipart(raw: bytes, content_type: str = "multipart/form-data; boundary=b") -> Send:
    return whole(raw, content_type)


def listed(raw_query: str, path: str = "/requests") -> Send:
    """A GET with a query string as it is."""

    def send(endpoint: Endpoint, suffix: str) -> Any:
        where = "".join(f"&{name}={value}" for name, value in endpoint.query.items())
        return endpoint.world.client.get(f"{endpoint.base}{path}.{suffix}?{raw_query}{where}")

    return send


def path(raw: str) -> Send:
    """A GET of a path, percent-encoded as it is; `.SUFFIX` is put behind it."""

    def send(endpoint: Endpoint, suffix: str) -> Any:
        where = "&".join(f"{name}={value}" for name, value in endpoint.query.items())
        return endpoint.world.client.get(f"{endpoint.base}{raw}.{suffix}?{where}")

    return send


def header(**environ: Any) -> Send:
    """A right POST with more in its WSGI environment."""
    return lambda endpoint, suffix: endpoint.post_raw(
        endpoint.right.encode(), suffix, environ_overrides=environ
    )


def chunked(endpoint: Endpoint, suffix: str) -> Any:
    """A body without a length, as a server hands over a chunked one."""
    return endpoint.world.client.open(
        f"{endpoint.base}/requests.{suffix}",
        method="POST",
        input_stream=io.BytesIO(endpoint.right.encode()),
        content_type="application/x-www-form-urlencoded",
        environ_overrides={"wsgi.input_terminated": True},
    )


def too_large(endpoint: Endpoint, suffix: str) -> Any:
    size = endpoint.world.app.config["MAX_CONTENT_LENGTH"] + 1
    return endpoint.post_raw(b"a" * size, suffix)


def other_key(value: str) -> Send:
    return lambda endpoint, suffix: endpoint.post(suffix, api_key=[endpoint.key, value])


def bytes_in_path(raw: bytes) -> Send:
    """A path as WSGI gives it: one character for a byte (PEP 3333)."""

    def send(endpoint: Endpoint, suffix: str) -> Any:
        text = raw.decode("latin-1")
        return endpoint.world.client.get(
            "/", environ_overrides={"PATH_INFO": f"{text}/services.{suffix}"}
        )

    return send


def nested_multipart() -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="a"\r\n'
    return head + b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n"


def many_parts(count: int) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nx\r\n'
    return b"".join(part % number for number in range(count)) + b"--b--\r\n"
