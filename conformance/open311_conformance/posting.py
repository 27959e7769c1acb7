"""Making test requests: valid forms for a service, marked as what they are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from open311_conformance.model import CannotRun, NotTested
from open311_conformance.target import WRONG_KEY, Target
from open311_conformance.wire import reading
from open311_conformance.wire.datetimes import now, w3c
from open311_conformance.wire.exchange import Exchange, Query
from open311_conformance.wire.forms import URLENCODED, Fields, merged, urlencode
from open311_conformance.wire.reading import Row, Unreadable, number, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from open311_conformance.target import Params

NOTICE = "Test de conformité Open311, ne pas traiter. Open311 conformance test, please ignore."
SOWN_SERVICES, SOWN_EACH = 2, 2
#: How servers refuse a key: the standard's status, and HTTP's.
KEY_REFUSED = (401, 403)
LISTS = ("singlevaluelist", "multivaluelist")


class Posting:
    """Writes POSTs that the target should accept, from its own catalogue."""

    def __init__(self, target: Target) -> None:
        self.target = target

    # -- forms ----------------------------------------------------------------------------

    @cached_property
    def place(self) -> tuple[str, str]:
        """Latitude and longitude (WGS 84 degrees) where test requests may be made.

        Raises:
            NotTested: none was given and no request tells one.
        """
        aim = self.target.aim
        if aim.lat and aim.long:
            return aim.lat, aim.long
        try:
            sample = self.target.sample
        except NotTested:
            sample = []
        for row in sample:
            if number(row, "lat") is not None and number(row, "long") is not None:
                return text(row, "lat"), text(row, "long")
        raise NotTested("no place for a test request is known: give --lat and --long")

    def service(self, kind: str) -> Row:
        """A service of a type, one without attributes if there is one.

        Raises:
            NotTested: the catalogue has none.
        """
        found = self.target.services_where("type", kind)
        found.sort(key=lambda row: text(row, "metadata") == "true")
        if not found:
            raise NotTested(f"the catalogue has no {kind} service")
        return found[0]

    def plain_service(self) -> Row:
        """A realtime service, or a batch one where there is none."""
        try:
            return self.service("realtime")
        except NotTested:
            return self.service("batch")

    def form(self, service: Row | None = None, **changes: str | None) -> Fields:
        """A valid form for a service, with some fields changed or (None) left out."""
        service = service or self.plain_service()
        lat, long = self.place
        fields: Fields = (
            ("service_code", text(service, "service_code")),
            ("lat", lat),
            ("long", long),
            ("description", NOTICE),
        )
        return merged(fields + self.answers(text(service, "service_code")), changes.items())

    def answers(self, service_code: str, but: str = "") -> Fields:
        """Valid answers to the required attributes of a service, except one of them."""
        definition = self.target.definitions.get(service_code, {})
        required = [
            attribute
            for attribute in reading.attributes(definition)
            if text(attribute, "required") == "true" and text(attribute, "code") != but
        ]
        return tuple(answer(attribute) for attribute in required)

    def find_attribute(self, suits: Callable[[Row], bool], wanted: str) -> tuple[Row, Row]:
        """A service (not a blackbox) and one of its attributes, a required one if possible.

        Raises:
            NotTested: no attribute suits.
        """
        found = [
            (service, attribute)
            for service in self.target.services
            if text(service, "type") != "blackbox"
            for attribute in reading.attributes(
                self.target.definitions.get(text(service, "service_code"), {})
            )
            if suits(attribute) and text(attribute, "code")
        ]
        found.sort(key=lambda pair: text(pair[1], "required") != "true")
        if not found:
            raise NotTested(f"no service has {wanted}")
        return found[0]

    def form_without(self, service: Row, attribute: Row) -> Fields:
        """A valid form for the service but for one attribute."""
        code = text(service, "service_code")
        return self.bare_form(service) + self.answers(code, but=text(attribute, "code"))

    def bare_form(self, service: Row) -> Fields:
        """A form without any attribute."""
        return tuple(field for field in self.form(service) if not field[0].startswith("attribute"))

    def check_key(self) -> None:
        """Make sure, before anything is judged, that the server knows the user's key.

        A key mistyped is not the server's failure: a POST that is refused word for word
        as one with a key of our own invention cannot tell anything of the server. It
        names no service, so that nothing is created before the list has been read; a
        server that looks at the form first is judged with the key as it is.

        Raises:
            CannotRun: the key is refused.
        """
        if not (self.target.aim.write and self.target.aim.api_key):
            return
        try:
            fields = tuple(field for field in self.form() if field[0] != "service_code")
            own = self.target.client.send(self.query(fields), fresh=True)
            if own.status not in KEY_REFUSED:
                return
            invented = self.target.client.send(self.query(fields, key=WRONG_KEY), fresh=True)
        except NotTested:
            return  # nothing to post, or nowhere: the checks will say so
        if (own.status, own.body) == (invented.status, invented.body):
            raise CannotRun(
                f"the server refuses the key given with --api-key as it refuses any unknown one "
                f"({own.told}: {reading.error_text(own)[:150]}): give a key that may create "
                "requests at this endpoint, or leave --write out"
            )

    def sow(self) -> None:
        """Where the list is empty and writing is allowed, make a few requests to look at."""
        aim = self.target.aim
        if not (aim.write and aim.api_key) or self.target.listed(fresh=True):
            return
        services = self.target.services_where("type", "realtime")[:SOWN_SERVICES]
        for step in range(SOWN_EACH):
            for service in services:
                lat, long = (f"{float(value) + step * 1e-4:.6f}" for value in self.place)
                fields = self.form(service, lat=lat, long=long)
                self.target.client.send(self.query(fields), fresh=True)
        self.target.listed(fresh=True)

    # -- sending --------------------------------------------------------------------------

    def allowed(self) -> None:
        """Stop a check that writes when the user did not ask for it.

        Raises:
            NotTested: no ``--write``.
        """
        if not self.target.aim.write:
            raise NotTested("needs --write (only GET, HEAD and OPTIONS are sent without it)")

    def query(
        self,
        fields: Fields,
        *,
        fmt: str = "xml",
        resource: str = "requests",
        key: str | None = None,
        in_query: Params = (),
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        content_type: str = URLENCODED,
        expects: tuple[int, ...] = (),
        odd: bool = False,
    ) -> Query:
        """A POST with the user's key (or another, or with "" none) and jurisdiction."""
        self.allowed()
        api_key = self.target.aim.api_key if key is None else key
        if key is None and not api_key and 403 not in expects:
            raise NotTested("needs --api-key")
        own = self.target.aim.jurisdiction_id
        known: Fields = (("api_key", api_key),) if api_key else ()
        known += (("jurisdiction_id", own),) if own else ()
        given = {name for name, _ in fields} | {name for name, _ in in_query}
        known = tuple(field for field in known if field[0] not in given)
        sent = (*headers, ("Content-Type", content_type))
        return Query(
            "POST",
            self.target.url(resource, fmt, in_query),
            resource,
            fmt,
            sent,
            urlencode(known + fields) if body is None else body,
            odd,
            expects,
        )

    @cached_property
    def plain(self) -> Exchange:
        """A plain POST, sent once: where it is refused, finer checks make no sense."""
        return self.target.client.send(self.query(self.form()), fresh=True)

    def works(self) -> None:
        """Make sure that a plain POST is accepted.

        Raises:
            NotTested: it is refused, or may not be sent.
        """
        if not self.plain.ok:
            raise NotTested(
                f"a plain POST is refused ({self.plain.told}: "
                f"{reading.error_text(self.plain)[:150]}), see C-100"
            )


def created(exchange: Exchange) -> Row:
    """The request element of a POST answer, empty if it has none."""
    try:
        found = reading.rows(exchange)
    except Unreadable:
        return {}
    return found[0] if found else {}


def answer(attribute: Row) -> tuple[str, str]:
    """A valid form field for an attribute."""
    code, datatype = text(attribute, "code"), text(attribute, "datatype")
    keys = [text(value, "key") for value in reading.objects(attribute.get("values"))]
    if datatype == "multivaluelist":
        return f"attribute[{code}][]", keys[0] if keys else ""
    by_datatype = {"number": "3", "datetime": w3c(now())}
    if datatype in LISTS:
        return f"attribute[{code}]", keys[0] if keys else ""
    return f"attribute[{code}]", by_datatype.get(datatype, "test")


__all__ = ["LISTS", "NOTICE", "WRONG_KEY", "Posting", "answer", "created"]
