"""Reading the blocks of a REST profile: transport, auth, operations, resolve, watermark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import JMESPathError
from lxml import etree

from open311.adapters.profile import Field
from open311.adapters.profile_fields import (
    Known,
    Shape,
    read_fields,
    read_path,
    read_template,
    read_transforms,
)
from open311.adapters.profile_file import optional_table, subtables
from open311.adapters.rest_auth_profile import read_auth
from open311.adapters.rest_blocks import (
    Body,
    Call,
    Operation,
    Pick,
    Picks,
    Resolve,
    RestBlocks,
    Watermark,
)
from open311.adapters.vocabulary import FILE_NAMES, NOTE_NAMES, RECEIPT_NAMES, STATUS_NAMES
from open311.adapters.wire import Limits
from open311.domain.checked_table import Table
from open311.domain.delivery import Throughput

#: In a form, as in a query, a name may come back.
_SHAPES = {Body.JSON: Shape.NESTED, Body.FORM: Shape.PAIRS, Body.MULTIPART: Shape.PAIRS}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_CURSOR_NAMES = frozenset({"cursor", "page.size", "page.number", "page.offset", "page.last"})

#: What each operation may name beside settings, and whether that includes the ticket.
_NAMES: Mapping[str, tuple[bool, frozenset[str]]] = {
    "probe": (False, frozenset()),
    "lookup": (False, frozenset({"key"})),
    "create": (True, frozenset()),
    "attach": (True, RECEIPT_NAMES | FILE_NAMES),
    "comment": (True, RECEIPT_NAMES | NOTE_NAMES),
    "set_status": (True, RECEIPT_NAMES | STATUS_NAMES),
    "read": (False, RECEIPT_NAMES),
    "files": (False, RECEIPT_NAMES),
    "notes": (False, RECEIPT_NAMES | NOTE_NAMES),
    "changes": (False, _CURSOR_NAMES),
    "history": (False, frozenset({"ticket_id"})),
}
#: What each operation must find in its answer.
_MUST_FIND: Mapping[str, tuple[str, ...]] = {
    "lookup": ("ticket_id",),
    "create": ("ticket_id",),
    "read": ("status",),
    "files": ("name",),
    "changes": ("ticket_id", "changed"),
    "history": ("changed",),
}
_MAY_FIND: Mapping[str, frozenset[str]] = {
    "probe": frozenset({"told"}),
    "lookup": frozenset({"ticket_id", "number", "url", "status", "etag", "key"}),
    "create": frozenset({"ticket_id", "number", "url", "status", "etag"}),
    "read": frozenset({"number", "url", "status", "etag", "note"}),
    "files": frozenset({"name"}),
    "notes": frozenset({"text", "key"}),
    "changes": frozenset(
        {"ticket_id", "changed", "event_id", "status", "note", "author", "media_urls", "number"}
    ),
    "history": frozenset({"changed", "event_id", "status", "note", "author", "media_urls"}),
}


def read_rest(table: Table, known: Known) -> RestBlocks:
    """Read every block of the engine; faults go to the table's list."""
    transport = optional_table(table, "transport") or Table({}, "transport", [])
    xml = transport.choice("answers", ("json", "xml")) == "xml"
    bare = Known(known.settings, known.tables, (), frozenset(), ())
    reader = _Reader(known, bare, xml=xml)
    blocks = RestBlocks(
        operations=_operations(table, reader),
        auth=read_auth(table, reader.call, bare),
        resolves={
            name: _resolve(each, reader) for name, each in subtables(table, "resolve").items()
        },
        headers=read_fields(transport, "headers", bare),
        xml_answers=xml,
        namespaces=_namespaces(transport),
        limits=_limits(transport),
        throughput=Throughput(
            transport.whole("max_at_once", 1, 1000), transport.whole("max_per_minute", 1, 100_000)
        ),
        watermark=_watermark(table, reader),
    )
    transport.close()
    return blocks


def _limits(table: Table) -> Limits:
    usual = Limits()
    return Limits(
        connect_timeout_s=table.whole("connect_timeout_s", 1, 60) or usual.connect_timeout_s,
        read_timeout_s=table.whole("read_timeout_s", 1, 600) or usual.read_timeout_s,
        total_timeout_s=table.whole("total_timeout_s", 1, 900) or usual.total_timeout_s,
        max_answer_bytes=table.whole("max_answer_bytes", 1000, 100_000_000)
        or usual.max_answer_bytes,
    )


def _namespaces(table: Table) -> dict[str, str]:
    inner = optional_table(table, "namespaces")
    names = table.raw("namespaces") if inner is not None else {}
    return {} if inner is None else {name: inner.text(name) or "" for name in names}


def _watermark(table: Table, reader: _Reader) -> Watermark:
    inner = optional_table(table, "watermark")
    if inner is None:
        return Watermark()
    zone = inner.text("timezone") or "UTC"
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        inner.fault("timezone", f"« {zone[:60]} » n'est pas un fuseau (exemple : Europe/Paris).")
    overlap_s = inner.whole("overlap_s", 0, 86_400)
    made = Watermark(
        by=inner.choice("by", ("time", "page")) or "time",
        total=reader.expression(inner, "total"),
        overlap_s=Watermark().overlap_s if overlap_s is None else overlap_s,
        page_size=inner.whole("page_size", 1, 10_000) or Watermark().page_size,
        date_format=inner.text("date_format"),
        timezone=zone,
    )
    if made.by == "page" and made.total is None:
        inner.fault("total", "obligatoire quand by = « page ».")
    inner.close()
    return made


def _operations(table: Table, reader: _Reader) -> dict[str, Operation]:
    read = {}
    for name, each in subtables(table, "operations").items():
        if name not in _NAMES:
            admitted = ", ".join(_NAMES)
            each.fault("", f"cette opération n'existe pas ; admises : {admitted}.")
            continue
        read[name] = reader.operation(each, name)
    for name in ("probe", "create"):
        if name not in read:
            table.fault(f"operations.{name}", "opération obligatoire, absente.")
    if table.raw("idempotency") == "lookup" and "lookup" not in read:
        table.fault("operations.lookup", "obligatoire quand idempotency = « lookup ».")
    if "history" in read and "changes" not in read:
        table.fault("operations.history", "sans objet sans operations.changes.")
    return read


def _resolve(table: Table, reader: _Reader) -> Resolve:
    known = reader.bare.plus(frozenset({"code"}))
    call = reader.call(table, known)
    cache_s = table.whole("cache_s", 0, 7 * 86_400)
    value = reader.pick(table, "value", known)
    if value is None:
        table.fault("value", "clé obligatoire, absente.")
    made = Resolve(
        call,
        value or Pick(),
        items=reader.expression(table, "items"),
        match=reader.pick(table, "match", known),
        cache_s=3600 if cache_s is None else cache_s,
    )
    table.close()
    return made


class _Reader:
    """Reads calls and operations; knows the answers' language and what may be named."""

    def __init__(self, known: Known, bare: Known, *, xml: bool) -> None:
        self.known = known
        self.bare = bare
        self.xml = xml

    def operation(self, table: Table, name: str) -> Operation:
        """One operation, its preliminary calls first: they keep values for the last one."""
        with_ticket, names = _NAMES[name]
        known = (self.known if with_ticket else self.bare_with_tables()).plus(names)
        first = []
        for each in table.tables("first"):
            first.append(self.call(each, known))
            known = known.plus({f"kept.{kept}" for kept in first[-1].keep})
            each.close()
        made = Operation(
            call=self.call(table, known),
            first=tuple(first),
            answer=self.picks(table, "answer", known.plus(RECEIPT_NAMES)),
            items=self.expression(table, "items"),
            incomplete_if=self.expression(table, "incomplete_if"),
            photo_fields=read_fields(table, "photo_fields", known.plus(FILE_NAMES)),
            exists=_statuses(table, "exists"),
            exists_if=self.expression(table, "exists_if"),
            refused_file=_statuses(table, "refused_file"),
            fallback=self.fallback(table, known),
            fallback_if=self.expression(table, "fallback_if"),
        )
        _check_answer(table, name, made)
        table.close()
        return made

    def fallback(self, table: Table, known: Known) -> Call | None:
        """The call to make instead where the tool does not know the first one."""
        inner = optional_table(table, "fallback")
        if (inner is None) != (table.raw("fallback_if") is None):
            table.fault("fallback", "« fallback » et « fallback_if » vont ensemble.")
        if inner is None:
            return None
        made = self.call(inner, known)
        inner.close()
        return made

    def bare_with_tables(self) -> Known:
        """Settings only, but every table and look-up."""
        return Known(self.known.settings, self.known.tables, self.known.resolves, frozenset(), ())

    def call(self, table: Table, known: Known) -> Call:
        """One call; who reads the table's other keys closes it."""
        if (table.raw("path") is None) == (table.raw("url") is None):
            table.fault("path", "il faut exactement un de « path » et « url ».")
        body = Body(table.choice("body", list(Body)) or Body.NONE)
        fields = read_fields(table, "fields", known, _SHAPES.get(body, Shape.FLAT))
        _check_body(table, body, fields)
        return Call(
            method=table.choice("method", _METHODS, required=True) or "GET",
            path=read_path(table, "path", known),
            url=read_template(table, "url", known),
            query=read_fields(table, "query", known, Shape.PAIRS),
            headers=read_fields(table, "headers", known),
            body=body,
            fields=fields,
            success=_statuses(table, "success"),
            success_if=self.expression(table, "success_if"),
            unauthorized_if=self.expression(table, "unauthorized_if"),
            absent=_statuses(table, "absent"),
            error=self.expression(table, "error"),
            keep=self.picks(table, "keep", known),
        )

    def picks(self, table: Table, key: str, known: Known) -> Picks:
        """The table of values to find in an answer."""
        inner = optional_table(table, key)
        names = table.raw(key) if inner is not None else {}
        if inner is None:
            return {}
        read = {name: self.pick(inner, name, known) for name in names}
        return {name: pick for name, pick in read.items() if pick is not None}

    def pick(self, table: Table, key: str, known: Known) -> Pick | None:
        """One value: an expression, or a table that says more."""
        value = table.raw(key)
        if value is None or isinstance(value, str):
            path = self.expression(table, key)
            return None if path is None else Pick(path)
        inner = table.table(key)
        if inner is None:
            return None
        made = Pick(
            path=self.expression(inner, "path"),
            header=inner.text("header"),
            template=read_template(inner, "template", known),
            pattern=_pattern(inner),
            transforms=read_transforms(inner, "transforms", known),
        )
        if sum(each is not None for each in (made.path, made.header, made.template)) != 1:
            inner.fault("path", "il faut exactement un de « path », « header » et « template ».")
        inner.close()
        return made

    def expression(self, table: Table, key: str) -> str | None:
        """A JMESPath (or XPath) expression that compiles."""
        text = table.text(key)
        if text is None:
            return None
        try:
            if self.xml:
                etree.XPath(text, namespaces=None, smart_strings=False)
            else:
                jmespath.compile(text)
        except (etree.XPathSyntaxError, JMESPathError) as error:
            language = "XPath" if self.xml else "JMESPath"
            reason = " ".join(str(error).split())
            table.fault(key, f"« {text[:60]} » n'est pas du {language} : {reason[:200]}.")
            return None
        return text


def _pattern(table: Table) -> str | None:
    text = table.text("pattern")
    if text is None:
        return None
    try:
        groups = re.compile(text).groups
    except re.error as error:
        table.fault("pattern", f"expression régulière illisible : {error}.")
        return None
    if groups != 1:
        table.fault("pattern", "l'expression régulière doit avoir un groupe ( … ), un seul.")
    return text


def _statuses(table: Table, key: str) -> tuple[int, ...]:
    values: Any = table.raw(key)
    if values is None:
        return ()
    wrong = not isinstance(values, list) or any(
        type(each) is not int or not 100 <= each <= 599 for each in values
    )
    if wrong:
        table.fault(key, "une liste de statuts HTTP, comme [200, 201], est attendue.")
        return ()
    return tuple(values)


def _check_body(table: Table, body: Body, fields: tuple[Field, ...]) -> None:
    if fields and body is Body.NONE:
        table.fault("body", "des « fields » demandent un corps : json, form, multipart ou bytes.")
    if body is Body.BYTES and len(fields) != 1:
        table.fault("fields", "un corps « bytes » a un champ, un seul.")


def _check_answer(table: Table, name: str, operation: Operation) -> None:
    may = _MAY_FIND.get(name, frozenset())
    for found in operation.answer:
        if found not in may:
            table.fault(f"answer.{found}", f"inutile ici ; admis : {', '.join(sorted(may))}.")
    for must in _MUST_FIND.get(name, ()):
        if must not in operation.answer:
            table.fault(f"answer.{must}", "clé obligatoire, absente.")
