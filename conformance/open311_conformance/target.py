"""The server under test: where it is, and what was learnt about it, read once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from open311_conformance.model import CannotRun, NotTested
from open311_conformance.wire import reading
from open311_conformance.wire.datetimes import instant, now, w3c
from open311_conformance.wire.exchange import Exchange, Query
from open311_conformance.wire.reading import Row, Unreadable, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from open311_conformance.wire.client import PoliteClient

SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"
WRONG_KEY = "not-a-key-of-this-server-311"
UNKNOWN = "no-such-thing-311"
DEFINITIONS_READ = 40
LONG_AGO_DAYS = (100, 180, 270, 360, 720)

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Aim:
    """What the user asked for.

    ``lat`` and ``long`` (WGS 84 degrees) say where test requests are made; without them the
    place of an existing request is used. ``private_id`` is a request known not to be public.
    ``patience_s`` bounds the wait for the id behind a token. ``previous`` holds the
    ``catalogue`` digest and the ``changeset`` of an earlier report.
    """

    url: str
    jurisdiction_id: str = ""
    api_key: str = ""
    write: bool = False
    yes: bool = False
    discovery_url: str = ""
    private_id: str = ""
    lat: str = ""
    long: str = ""
    patience_s: float = 10.0
    previous: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)


class Target:
    """A GeoReport endpoint and the facts about it that several checks lean on."""

    def __init__(self, aim: Aim, client: PoliteClient) -> None:
        self.aim = aim
        self.client = client
        self.base = aim.url.rstrip("/")

    # -- asking ---------------------------------------------------------------------------

    def url(self, resource: str, fmt: str, params: Iterable[tuple[str, str]]) -> str:
        """The absolute URL of a resource below the base."""
        suffix = f".{fmt}" if fmt else ""
        query = urlencode(list(params))
        return f"{self.base}/{resource}{suffix}" + (f"?{query}" if query else "")

    def get(
        self,
        resource: str,
        fmt: str = "xml",
        params: Params = (),
        *,
        jurisdiction_id: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        expects: tuple[int, ...] = (),
        fresh: bool = False,
        odd: bool = False,
    ) -> Exchange:
        """GET a resource; ``jurisdiction_id`` None sends the user's own, empty sends none."""
        own = self.aim.jurisdiction_id if jurisdiction_id is None else jurisdiction_id
        scoped = (("jurisdiction_id", own), *params) if own else params
        url = self.url(resource, fmt, scoped)
        query = Query("GET", url, resource, fmt, headers, odd=odd, expects=expects)
        return self.client.send(query, fresh=fresh)

    def fetch(self, url: str, fmt: str, *, resource: str) -> Exchange:
        """GET an absolute URL (a discovery document, a page)."""
        return self.client.send(Query("GET", url, resource, fmt, odd=True))

    # -- arriving -------------------------------------------------------------------------

    def arrive(self) -> None:
        """Find the endpoint and make sure that something answers there.

        Raises:
            CannotRun: nothing answers, nothing looks like GeoReport, a jurisdiction_id is
                needed, or writing is not allowed here.
        """
        if urlsplit(self.base).scheme not in ("http", "https"):
            raise CannotRun(f"{self.aim.url} is not an http or https address")
        self._leave_resource()
        listing = self.get("services", "xml")
        if not listing.status:
            raise CannotRun(f"{self.base} cannot be reached: {listing.failure}")
        self._follow_move(listing)
        self._look_for_georeport(self.get("services", "xml"))
        if self.aim.write and not (self.aim.yes or self.kind == "test"):
            kind = self.kind or "unknown"
            raise CannotRun(
                f"--write makes requests, and this endpoint is of type {kind} in discovery: "
                "give the URL of a test endpoint, or add --yes if you own this server"
            )

    def _leave_resource(self) -> None:
        """Accept the URL of a discovery document or of a service list as starting point."""
        head, _, last = self.base.rpartition("/")
        if last in ("services.xml", "services.json"):
            self.base = head
        if last in ("discovery.xml", "discovery.json"):
            self.base = self._endpoint_of(self.base, last.rsplit(".", 1)[1])

    def _endpoint_of(self, url: str, fmt: str) -> str:
        answer = self.fetch(url, fmt, resource="discovery")
        if not answer.ok:
            raise CannotRun(f"{url} cannot be read: {answer.told}")
        try:
            found = reading.objects(reading.single(answer).get("endpoints"))
        except Unreadable as error:
            raise CannotRun(f"{url} is not a discovery document: {error}") from error
        v2 = [row for row in found if SPECIFICATION in text(row, "specification")]
        wanted = "test" if self.aim.write else "production"
        v2.sort(key=lambda row: text(row, "type") != wanted)
        if not v2 or not text(v2[0], "url"):
            raise CannotRun(f"{url} announces no GeoReport v2 endpoint")
        return text(v2[0], "url").rstrip("/")

    def _follow_move(self, listing: Exchange) -> None:
        """Adopt the base that the server redirects to: a redirected POST would be lost."""
        moved, _, _ = listing.final_url.partition("/services.xml")
        if listing.ok and "/services.xml" in listing.final_url and moved != self.base:
            self.base = moved

    def _look_for_georeport(self, listing: Exchange) -> None:
        if listing.status == 400 and not self.aim.jurisdiction_id:
            raise CannotRun(
                "the service list is refused with 400: this endpoint seems to serve several "
                f"jurisdictions, give --jurisdiction-id ({reading.error_text(listing)[:200]})"
            )
        if listing.ok and not listing.is_html:
            return
        if listing.status == self.get("services", "json").status == 404:
            raise CannotRun(
                f"there is no service list at {self.base}, in XML nor in JSON: check the address, "
                "and --jurisdiction-id if you gave one "
                f"({listing.told}: {reading.error_text(listing)[:200]})"
            )
        if self.get("services", "json").is_json or self.discovery_base:
            return
        raise CannotRun(f"nothing at {self.base} looks like GeoReport v2 ({listing.told})")

    # -- discovery ------------------------------------------------------------------------

    @property
    def discovery_places(self) -> list[str]:
        """Where discovery may lie: as told, at the base, or one or two levels above."""
        if self.aim.discovery_url:
            return [self.aim.discovery_url.rsplit("/discovery.", 1)[0]]
        above = self.base.rsplit("/", 1)[0]
        return [self.base, above, above.rsplit("/", 1)[0]]

    @cached_property
    def discovery_base(self) -> str:
        """The folder of the discovery documents, empty if none was found."""
        for place in self.discovery_places:
            if len(urlsplit(place).netloc) == 0:
                continue
            for fmt in ("xml", "json"):
                found = self.fetch(f"{place}/discovery.{fmt}", fmt, resource="discovery")
                if found.ok and not found.is_html:
                    return place
        return ""

    def discovery(self, fmt: str) -> Exchange:
        """The discovery document in a format.

        Raises:
            NotTested: no discovery document was found.
        """
        if not self.discovery_base:
            raise NotTested("no discovery document was found (C-030)")
        return self.fetch(f"{self.discovery_base}/discovery.{fmt}", fmt, resource="discovery")

    @cached_property
    def endpoints(self) -> list[Row]:
        """The endpoints that discovery announces, from XML else JSON; none if unreadable."""
        for fmt in ("xml", "json"):
            try:
                document = reading.single(self.discovery(fmt))
            except (Unreadable, NotTested):
                continue
            return reading.objects(document.get("endpoints"))
        return []

    @cached_property
    def endpoint(self) -> Row:
        """What discovery says of this endpoint, empty if nothing."""
        for same in (str, lambda url: urlsplit(url).path):
            for row in self.endpoints:
                if same(text(row, "url").rstrip("/")) == same(self.base):
                    return row
        return {}

    @property
    def kind(self) -> str:
        """``test`` or ``production`` as discovery says, empty if it says nothing."""
        return text(self.endpoint, "type")

    @cached_property
    def announces_json(self) -> bool:
        """Whether discovery lists JSON for this endpoint."""
        announced = self.endpoint.get("formats")
        return "application/json" in str(announced)

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """The formats worth asking for."""
        if self.announces_json or self.get("services", "json").is_json:
            return ("xml", "json")
        return ("xml",)

    # -- catalogue ------------------------------------------------------------------------

    @cached_property
    def services(self) -> list[Row]:
        """The service list, from XML else JSON.

        Raises:
            NotTested: it cannot be read in any format.
        """
        for fmt in ("xml", "json"):
            answer = self.get("services", fmt)
            try:
                if answer.ok and (found := reading.rows(answer)):
                    return found
            except Unreadable:
                continue
        raise NotTested("the service list cannot be read (C-001)")

    def services_where(self, name: str, value: str) -> list[Row]:
        """Services whose field has a value."""
        return [row for row in self.services if text(row, name) == value]

    def definition(self, service_code: str, fmt: str = "xml") -> Exchange:
        """The definition of a service."""
        return self.get(f"services/{quote(service_code, safe='')}", fmt)

    @cached_property
    def definitions(self) -> dict[str, Row]:
        """Readable definitions of the services that announce one (the first 40)."""
        found: dict[str, Row] = {}
        for service in self.services_where("metadata", "true")[:DEFINITIONS_READ]:
            code = text(service, "service_code")
            for fmt in self.formats:
                answer = self.definition(code, fmt)
                try:
                    if answer.ok:
                        found[code] = reading.single(answer)
                        break
                except Unreadable:
                    continue
        return found

    @cached_property
    def catalogue_digest(self) -> str:
        """A fingerprint of services and definitions, to see in a later run whether they moved."""
        catalogue = json.dumps([self.services, self.definitions], sort_keys=True)
        return hashlib.sha256(catalogue.encode()).hexdigest()

    @cached_property
    def multi(self) -> bool:
        """Whether the endpoint serves several jurisdictions: it refuses a call that names none."""
        return self.get("services", "xml", jurisdiction_id="", odd=True).refused

    # -- requests -------------------------------------------------------------------------

    def listed(self, params: Params = (), fmt: str = "xml", *, fresh: bool = False) -> list[Row]:
        """The requests of a list.

        Raises:
            NotTested: the list is refused or cannot be read.
        """
        answer = self.get("requests", fmt, params, fresh=fresh)
        if not answer.ok:
            raise NotTested(f"the request list is refused ({answer.told})")
        try:
            return reading.rows(answer)
        except Unreadable as error:
            raise NotTested(str(error)) from error

    @cached_property
    def sample(self) -> list[Row]:
        """The requests of the unfiltered list that have an id, as first seen.

        Raises:
            NotTested: there are none.
        """
        for fmt in self.formats:
            try:
                found = self.listed((), fmt)
            except NotTested:
                continue
            if known := [row for row in found if text(row, "service_request_id")]:
                return known
        raise NotTested("no request in the list to look at")

    @cached_property
    def old_sample(self) -> list[Row]:
        """Requests older than the default window of 90 days, none if none was found."""
        for days in LONG_AGO_DAYS:
            window = (
                ("start_date", w3c(days_ago(days + 80))),
                ("end_date", w3c(days_ago(days - 9))),
            )
            try:
                found = self.listed(window)
            except NotTested:
                return []
            old = [row for row in found if _older(row, days_ago(91))]
            if old:
                return old
        return []


def days_ago(days: float) -> datetime:
    """That many days before the last midnight UTC, so that two calls give the same URL."""
    return now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def _older(row: Row, limit: datetime) -> bool:
    requested = instant(text(row, "requested_datetime"))
    return requested is not None and requested < limit and bool(text(row, "service_request_id"))
