"""What goes in and out of the reference server, so that mutations can change both."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

Pairs = list[tuple[str, str]]


@dataclass
class Ask:
    """A request as it arrived; ``form`` holds the decoded fields of a url-encoded body."""

    method: str
    path: str
    query: Pairs
    headers: dict[str, str]
    body: bytes = b""
    form: Pairs = field(default_factory=list)

    @property
    def resource(self) -> str:
        """The path below the endpoint, without suffix."""
        tail = self.path.rsplit("/v2/", 1)[-1].strip("/")
        return tail.rsplit(".", 1)[0] if "." in tail.rsplit("/", 1)[-1] else tail

    @property
    def fmt(self) -> str:
        """The suffix, empty if none."""
        last = self.path.rsplit("/", 1)[-1]
        return last.rsplit(".", 1)[1] if "." in last else ""

    def value(self, name: str) -> str:
        """A query parameter, empty if absent."""
        return dict(self.query).get(name, "")

    @property
    def target(self) -> str:
        """Path and query as they would stand in a request line."""
        return self.path + (f"?{urlencode(self.query)}" if self.query else "")


@dataclass
class Answer:
    """A response; ``body`` is what GET would carry."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def fields_of(body: bytes) -> Pairs:
    """The fields of a url-encoded body."""
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
