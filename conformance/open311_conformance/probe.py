"""What a check holds in its hand: the target, and the trail of what it asked itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from open311_conformance.model import Failed, NotTested
from open311_conformance.wire import reading
from open311_conformance.wire.reading import Row, Unreadable, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from open311_conformance.model import Clause
    from open311_conformance.posting import Posting
    from open311_conformance.target import Params, Target
    from open311_conformance.wire.exchange import Exchange, Query


@dataclass
class Probe:
    """One check at work on one clause."""

    clause: Clause
    target: Target
    posting: Posting
    trail: list[Exchange] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    told: str = ""

    # -- verdicts -------------------------------------------------------------------------

    def fail(self, message: str, exchange: Exchange | None = None) -> NoReturn:
        """The server breaks the clause."""
        raise Failed(message, exchange)

    def require(self, holds: object, message: str, exchange: Exchange | None = None) -> None:
        """Fail with the message unless something holds."""
        if not holds:
            self.fail(message, exchange)

    def skip(self, reason: str) -> NoReturn:
        """The clause cannot be tested here."""
        raise NotTested(reason)

    def warn(self, message: str) -> None:
        """Tell something that is allowed but unwise."""
        if message not in self.warnings:
            self.warnings.append(message)

    def report(self, message: str) -> None:
        """Tell what was found, for clauses that only report."""
        self.told = message

    # -- asking ---------------------------------------------------------------------------

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
        """GET a resource below the base and keep the answer as evidence."""
        exchange = self.target.get(
            resource, fmt, params,
            jurisdiction_id=jurisdiction_id, headers=headers, expects=expects, fresh=fresh, odd=odd,
        )  # fmt: skip
        self.trail.append(exchange)
        return exchange

    def send(self, query: Query) -> Exchange:
        """Send any query and keep the answer as evidence."""
        exchange = self.target.client.send(query, fresh=True)
        self.trail.append(exchange)
        return exchange

    def fetch(self, url: str, fmt: str, *, resource: str) -> Exchange:
        """GET an absolute URL and keep the answer as evidence."""
        exchange = self.target.fetch(url, fmt, resource=resource)
        self.trail.append(exchange)
        return exchange

    def rows(self, exchange: Exchange) -> list[Row]:
        """The objects of a list answer; not tested when it cannot be read."""
        if not exchange.ok:
            self.skip(f"{exchange.query.resource} is refused ({exchange.told})")
        try:
            return reading.rows(exchange)
        except Unreadable as error:
            self.skip(str(error))

    def single(self, exchange: Exchange) -> Row:
        """The object of an answer; not tested when it cannot be read."""
        if not exchange.ok:
            self.skip(f"{exchange.query.resource} is refused ({exchange.told})")
        try:
            return reading.single(exchange)
        except Unreadable as error:
            self.skip(str(error))

    def listed(self, *params: tuple[str, str], fmt: str = "xml", fresh: bool = False) -> list[Row]:
        """The requests that a filter selects."""
        return self.rows(self.get("requests", fmt, params, fresh=fresh))

    def one(self, service_request_id: str, fmt: str = "xml", *, fresh: bool = False) -> Exchange:
        """One request by its id."""
        return self.get(f"requests/{quote(service_request_id, safe='')}", fmt, fresh=fresh)

    def must_refuse(self, exchange: Exchange, *statuses: int) -> None:
        """Fail unless the answer is a refusal with one of the statuses."""
        wanted = " or ".join(str(status) for status in statuses)
        self.require(
            exchange.status in statuses, f"answered {exchange.told}, expected {wanted}", exchange
        )

    # -- walks ----------------------------------------------------------------------------

    def lists(self, resource: str) -> Iterator[tuple[Exchange, list[Row]]]:
        """A list resource in each format that can be read; not tested when none can."""
        seen = 0
        for fmt in self.target.formats:
            exchange = self.get(resource, fmt)
            if exchange.ok:
                try:
                    rows = reading.rows(exchange)
                except Unreadable:
                    continue
                seen += 1
                yield exchange, rows
        if not seen:
            self.skip(f"{resource} cannot be read in any format")

    def definitions(self) -> Iterator[tuple[Exchange, Row]]:
        """Each definition of a service with metadata, in each format that can be read."""
        if not self.target.definitions:
            self.skip("no service definition to look at")
        for code in self.target.definitions:
            for fmt in self.target.formats:
                exchange = self.target.definition(code, fmt)
                try:
                    definition = reading.single(exchange)
                except Unreadable:
                    continue
                if exchange.ok:
                    yield exchange, definition

    def attributes(self) -> Iterator[tuple[Exchange, Row]]:
        """Each attribute of each definition, in each format."""
        seen = 0
        for exchange, definition in self.definitions():
            for attribute in reading.attributes(definition):
                seen += 1
                yield exchange, attribute
        if not seen:
            self.skip("no service has attributes")

    def basic_answers(self) -> list[Exchange]:
        """One answer of every GET resource in every format, and one refusal of each."""
        answers = [
            self.get(resource, fmt)
            for fmt in self.target.formats
            for resource in ("services", "requests", *self.some_resources())
        ]
        refusals = [
            self.get("requests/no-such-thing-311", fmt, expects=(404,))
            for fmt in self.target.formats
        ]
        return answers + refusals

    def some_resources(self) -> list[str]:
        """One definition and one request, as far as there are any."""
        found = []
        try:
            coded = self.target.services_where("metadata", "true") or self.target.services
            found.append(f"services/{quote(text(coded[0], 'service_code'), safe='')}")
        except NotTested:
            self.warn("no service to look at")
        try:
            found.append(
                f"requests/{quote(text(self.target.sample[0], 'service_request_id'), safe='')}"
            )
        except NotTested:
            self.warn("no request to look at")
        return found
