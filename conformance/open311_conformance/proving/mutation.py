"""A mutation: one fault put into the reference server, for one clause to catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.reference import ReferenceServer
from open311_conformance.proving.serving import Respond

Row = dict[str, Any]
Before = Callable[[Ask], Answer | None]
Content = Callable[[Ask, str, Any], Any]
After = Callable[[Ask, Answer], None]


@dataclass(frozen=True)
class Mutation:
    """A fault: in what is asked (before), what is said (content) or how it is sent (after)."""

    clause: str
    title: str
    before: Before | None = None
    content: Content | None = None
    after: After | None = None
    multi: bool = False

    def into(self, server: ReferenceServer) -> Respond:
        """Put the fault into a server."""
        if self.content:
            server.edit = self.content

        def respond(ask: Ask) -> Answer:
            early = self.before(ask) if self.before else None
            answer = early or server.answer(ask)
            if self.after:
                self.after(ask, answer)
            return answer

        return respond


# -- where a fault lies ---------------------------------------------------------------------


def is_list(ask: Ask) -> bool:
    """The request list."""
    return ask.method == "GET" and ask.resource == "requests"


def is_read(ask: Ask) -> bool:
    """The request list or one request."""
    return ask.method == "GET" and ask.resource.startswith("requests")


def is_one(ask: Ask) -> bool:
    """One request."""
    return ask.method == "GET" and ask.resource.startswith("requests/")


def is_post(ask: Ask) -> bool:
    """A new request."""
    return ask.method == "POST" and ask.resource == "requests"


def on(root: str, change: Callable[[Any], Any]) -> Content:
    """Change the content of documents with a root; the change returns the new content."""

    def edit(_: Ask, name: str, content: Any) -> Any:
        return change(content) if name == root else content

    return edit


def each(
    root: str, change: Callable[[Row], None], when: Callable[[Ask], bool] = is_read
) -> Content:
    """Change each row of a list in place."""

    def edit(ask: Ask, name: str, content: Any) -> Any:
        if name == root and isinstance(content, list) and (root != "service_requests" or when(ask)):
            for row in content:
                change(row)
        return content

    return edit


def attributes(change: Callable[[list[Row]], None]) -> Content:
    """Change the attributes of definitions that have some."""

    def edit(_: Ask, name: str, content: Any) -> Any:
        if name == "service_definition" and content["attributes"]:
            change(content["attributes"])
        return content

    return edit


def put(name: str, value: Any) -> Callable[[Row], None]:
    """Give a field another value."""

    def change(row: Row) -> None:
        row[name] = value

    return change


def drop(name: str) -> Callable[[Row], None]:
    """Leave a field out."""

    def change(row: Row) -> None:
        row.pop(name, None)

    return change


def field_text(ask: Ask, name: str) -> str:
    """A field of the posted form, empty if absent."""
    return dict(ask.form).get(name, "")


def set_field(ask: Ask, name: str, value: str | None) -> None:
    """Change, add or (None) drop a field of the posted form."""
    ask.form = [pair for pair in ask.form if pair[0] != name]
    if value is not None:
        ask.form.append((name, value))


def without(ask: Ask, *names: str) -> None:
    """Drop query parameters."""
    ask.query = [pair for pair in ask.query if pair[0] not in names]


def substitute(old: bytes, new: bytes, fmt: str = "xml") -> After:
    """Replace bytes in the answers of a format."""

    def change(ask: Ask, answer: Answer) -> None:
        if ask.fmt == fmt:
            answer.body = answer.body.replace(old, new)

    return change


def statuses(old: int, new: int, when: Callable[[Ask], bool] = lambda _: True) -> After:
    """Answer one status for another."""

    def change(ask: Ask, answer: Answer) -> None:
        if answer.status == old and when(ask):
            answer.status = new

    return change
