"""Reading answers: JSON with JMESPath, XML with XPath, headers, dates of all sorts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import JMESPathError
from lxml import etree

from open311.adapters.mapping import filled
from open311.adapters.rest_blocks import Pick, Picks, Watermark
from open311.adapters.transforms import Means, as_text, is_empty, transformed
from open311.adapters.vocabulary import Values
from open311.adapters.wire import Reply
from open311.adapters.xml_in import parse_xml
from open311.domain.told_text import storable, told_id

#: What takes the place of an id must be one: `true` is an answer of another shape.
_IDS = frozenset({"ticket_id", "event_id"})


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)


def find_in_json(expression: str, node: Any) -> Any:
    """What a JMESPath expression finds.

    Raises:
        ValueError: the answer has not the shape that the expression needs.
    """
    try:
        return _compiled(expression).search(node)
    except JMESPathError as error:
        raise ValueError(f"{expression} : {error}") from error


@dataclass(frozen=True, slots=True)
class _XPath:
    namespaces: Mapping[str, str]

    def __call__(self, expression: str, node: Any) -> Any:
        try:
            found = node.xpath(expression, namespaces=dict(self.namespaces) or None)
        except etree.XPathError as error:
            raise ValueError(f"{expression} : {error}") from error
        if not isinstance(found, list):
            return found
        texts = [_xml_value(each) for each in found]
        return texts[0] if len(texts) == 1 else texts or None


def _xml_value(found: Any) -> Any:
    """An element with children stays one; any other is its text."""
    if isinstance(found, etree._Element):  # noqa: SLF001 - lxml's public name for it
        return found if len(found) else (found.text or "").strip()
    return str(found)


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads the answers of one tool."""

    xml: bool = False
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def parsed(self, reply: Reply) -> Any:
        """The document of an answer; None when it has no body.

        Raises:
            ValueError: the body is cut short, or is not of the language of the profile.
        """
        if not reply.content.strip():
            return None
        if self.xml:
            return parse_xml(reply.content)
        try:
            return json.loads(reply.content)
        except (ValueError, RecursionError) as error:
            kind = reply.headers.get("Content-Type", "type inconnu")
            raise ValueError(f"ce n'est pas du JSON ({kind}) : {error}") from error

    def find(self, expression: str, node: Any) -> Any:
        """What an expression finds in a document, or below one of its items.

        Raises:
            ValueError: the document has not the shape that the expression needs.
        """
        if node is None:
            return None
        return (
            _XPath(self.namespaces)(expression, node)
            if self.xml
            else find_in_json(expression, node)
        )

    def items(self, expression: str | None, node: Any) -> list[Any]:
        """The list that an expression finds; the whole document when there is none."""
        found = node if expression is None else self.find(expression, node)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def listed(self, expression: str | None, node: Any) -> list[Any]:
        """As `items`, where an answer without any list is no answer.

        An empty body, or a document of another shape, must not pass for "there is none".

        Raises:
            ValueError: there is no list.
        """
        found = self.items(expression, node)
        if node is None or (expression and not self.xml and self.find(expression, node) != found):
            raise ValueError("la liste attendue n'y est pas")
        return found

    def value(self, pick: Pick, node: Any, reply: Reply, values: Values, means: Means) -> Any:
        """The value of a pick, None when it is not there.

        Raises:
            ValueError: as `find`.
            UnmappedValue: a transform has nothing for it.
        """
        if pick.template is not None:
            found: Any = filled(pick.template, values)
        elif pick.header is not None:
            found = reply.headers.get(pick.header)
        else:
            found = self.find(pick.path or "", node)
        if pick.pattern is not None and not is_empty(found):
            match = re.search(pick.pattern, as_text(found))
            found = None if match is None else match[1]
        return transformed(found, pick.transforms, means)

    def texts(
        self, picks: Picks, node: Any, reply: Reply, values: Values, means: Means
    ) -> dict[str, str]:
        """Every pick that is there, as text; templates may name the values found before.

        Raises:
            ValueError: as `find`; or an id is neither a text nor a whole number.
            UnmappedValue: a transform has nothing for a value.
        """
        read: dict[str, str] = {}
        templates_last = sorted(picks, key=lambda name: picks[name].template is not None)
        for name in templates_last:
            found = self.value(picks[name], node, reply, {**values, **read}, means)
            if not is_empty(found):
                read[name] = told_id(found) if name in _IDS else storable(as_text(found))
        return read


def absolute_urls(base_url: str, links: Sequence[str]) -> tuple[str, ...]:
    """Links as a tool gives them, relative ones included, as whole addresses."""
    return tuple(urljoin(base_url, each) for each in links if each)


def read_moment(text: str, watermark: Watermark) -> datetime:
    """A tool's date as an aware UTC moment.

    Raises:
        ValueError: it is in no form that the profile announces.
    """
    if watermark.date_format is not None:
        moment = datetime.strptime(text, watermark.date_format)  # noqa: DTZ007 - zone below
    elif re.fullmatch(r"\d{12,13}", text):
        moment = datetime.fromtimestamp(int(text) / 1000, UTC)
    else:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(watermark.timezone))
    return moment.astimezone(UTC)
