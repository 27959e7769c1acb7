"""What clients may ask, as marshmallow schemas: read from `Fields`, told to OpenAPI.

One field of a schema is one parameter. Reading never stops at the first fault:
all are collected, one French sentence each, naming the parameter (C-134).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from open311.domain.errors import InvalidRequest, Open311Error
from open311.domain.request import Kind
from open311.domain.request_filter import MAX_OFFSET, MAX_PAGE_SIZE, Box
from open311.domain.status import Visibility
from open311.formats.datetimes import parse_datetime
from open311.formats.fields import Fields
from open311.formats.numbers import parse_coordinate, parse_decimal, parse_integer


class Parameter(fields.Field[Any]):
    """One parameter, read by one of our own readers from its text.

    Args:
        read: gives the value of a text, raising InvalidRequest.
        many: the parameter may be repeated, or hold a list separated by commas.
    """

    def __init__(
        self,
        read: Callable[[str, str, ZoneInfo], Any],
        description: str,
        *,
        many: bool = False,
        comma_list: bool = False,
        **documented: Any,
    ) -> None:
        metadata = {"type": "string", "description": description, **documented}
        super().__init__(metadata=metadata)
        self.read = read
        self.many = many or comma_list
        self.comma_list = comma_list

    def raw_of(self, given: Fields, name: str) -> Any:
        """The text, or the texts, that a client gave."""
        return given.many(name, comma_list=self.comma_list) if self.many else given.one(name)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        del data, kwargs
        timezone = getattr(self.root, "timezone", ZoneInfo("UTC"))
        assert attr is not None
        try:
            if self.many:
                return tuple(self.read(each, attr, timezone) for each in value)
            return self.read(value, attr, timezone)
        except InvalidRequest as error:
            raise ValidationError(error.message) from error


class GeoReportSchema(Schema):
    """A schema that ignores what it does not know (C-015) and knows the local time."""

    class Meta:
        """Unknown parameters are ignored."""

        unknown = EXCLUDE

    def __init__(self, timezone: ZoneInfo) -> None:
        super().__init__()
        self.timezone = timezone


@dataclass(frozen=True)
class Reading:
    """What could be read, and what is wrong with the rest."""

    values: dict[str, Any]
    faults: list[Open311Error] = field(default_factory=list)


@lru_cache(maxsize=256)
def _schema(kind: type[GeoReportSchema], timezone: ZoneInfo) -> GeoReportSchema:
    return kind(timezone)


def read(kind: type[GeoReportSchema], given: Fields, timezone: ZoneInfo) -> Reading:
    """Read all parameters of a schema; those at fault are missing from the values."""
    schema = _schema(kind, timezone)
    values: dict[str, Any] = {}
    faults: list[Open311Error] = []
    for name in given.texts:
        parameter = schema.fields.get(name)
        if not isinstance(parameter, Parameter):
            continue  # unknown parameters are ignored (C-015)
        try:
            raw = parameter.raw_of(given, name)
            if raw:  # a list of nothing but commas is no list
                values[name] = parameter.deserialize(raw, name, given.texts)
        except InvalidRequest as error:
            faults.append(error)
        except ValidationError as error:
            faults.append(InvalidRequest(str(error.messages[0]), field=name))
    return Reading(values, faults)


def _text(limit: int) -> Callable[[str, str, ZoneInfo], str]:
    def read_text(value: str, name: str, _timezone: ZoneInfo) -> str:
        if len(value) > limit:
            raise InvalidRequest(
                f"{name} : {len(value)} caractères reçus, {limit} au plus.", field=name
            )
        return value

    return read_text


def _datetime(value: str, name: str, timezone: ZoneInfo) -> Any:
    end_of_day = name in ("end_date", "updated_before")
    return parse_datetime(value, timezone=timezone, field=name, end_of_day=end_of_day)


def _coordinate(bound: float) -> Callable[[str, str, ZoneInfo], float]:
    return lambda value, name, _timezone: parse_coordinate(value, field=name, bound=bound)


def _integer(minimum: int, maximum: int) -> Callable[[str, str, ZoneInfo], int]:
    def read_integer(value: str, name: str, _timezone: ZoneInfo) -> int:
        return parse_integer(value, field=name, minimum=minimum, maximum=maximum)

    return read_integer


def _flag(value: str, name: str, _timezone: ZoneInfo) -> bool:
    folded = value.lower()
    if folded not in ("true", "false", "1", "0"):
        raise InvalidRequest(f"{name} : true ou false est attendu.", field=name)
    return folded in ("true", "1")


def _choice(*choices: str) -> Callable[[str, str, ZoneInfo], str]:
    def read_choice(value: str, name: str, _timezone: ZoneInfo) -> str:
        folded = value.lower()
        if folded not in choices:
            accepted = ", ".join(choices)
            raise InvalidRequest(
                f"{name} : « {value[:40]} » n'est pas accepté ; valeurs possibles : {accepted}.",
                field=name,
            )
        return folded

    return read_choice


def _metres(value: str, name: str, _timezone: ZoneInfo) -> float:
    return parse_decimal(value, field=name, minimum=0, maximum=50_000)


def _box(value: str, name: str, _timezone: ZoneInfo) -> Box:
    parts = value.split(",")
    if len(parts) != 4:
        raise InvalidRequest(
            f"{name} : quatre nombres sont attendus, minlong,minlat,maxlong,maxlat.", field=name
        )
    west, east = (parse_coordinate(parts[at], field=name, bound=180) for at in (0, 2))
    south, north = (parse_coordinate(parts[at], field=name, bound=90) for at in (1, 3))
    if west > east or south > north:
        raise InvalidRequest(f"{name} : le premier coin est au sud-ouest du second.", field=name)
    return Box(south, west, north, east)


KINDS = tuple(str(kind) for kind in Kind)
_VISIBILITIES = tuple(str(each) for each in Visibility if each is not Visibility.ERASED)
_anything = _text(2000)


def _jurisdiction_id() -> Parameter:
    return Parameter(
        _anything,
        "The jurisdiction, where an endpoint serves several (C-051).",
        examples=["gentilly.fr"],
    )


class JurisdictionSchema(GeoReportSchema):
    """Parameters that every method takes."""

    jurisdiction_id = _jurisdiction_id()
    locale = Parameter(_text(35), "Language of names and error messages (`fr`, `en`).")


class ListServicesSchema(JurisdictionSchema):
    """GET Service List."""

    lat = Parameter(_coordinate(90), "With `long`: only services that can be reported there.")
    long = Parameter(_coordinate(180), "With `lat`: only services that can be reported there.")


class OneRequestSchema(JurisdictionSchema):
    """GET Service Request."""

    extensions = Parameter(
        _flag, "`true` adds what the standard does not know (`extended_attributes`, `automated`)."
    )


class ListRequestsSchema(OneRequestSchema):
    """GET Service Requests: the filters of the standard, then ours."""

    service_request_id = Parameter(
        _anything, "Ids, separated by commas; overrides all other arguments.", comma_list=True
    )
    service_code = Parameter(_anything, "Service codes, separated by commas.", comma_list=True)
    status = Parameter(_choice("open", "closed"), "`open`, `closed` or both.", comma_list=True)
    start_date = Parameter(_datetime, "Earliest `requested_datetime` (W3C).")
    end_date = Parameter(_datetime, "Latest `requested_datetime` (W3C); at most 90 days later.")
    updated_after = Parameter(_datetime, "Earliest `updated_datetime`; no 90-day limit.")
    updated_before = Parameter(_datetime, "Latest `updated_datetime`.")
    lat = Parameter(_coordinate(90), "With `long` and `radius`: only requests near.")
    long = Parameter(_coordinate(180), "With `lat` and `radius`: only requests near.")
    radius = Parameter(_metres, "Metres round `lat`, `long`; 100 when absent.")
    bbox = Parameter(_box, "`minlong,minlat,maxlong,maxlat` in WGS 84 degrees.")
    agency_responsible = Parameter(_anything, "Name of the responsible body.", many=True)
    kind = Parameter(_choice(*KINDS), "`report`, `suggestion`, `praise`.", comma_list=True)
    is_staff = Parameter(_flag, "`true`: made by staff; `false`: by residents.")
    q = Parameter(_text(200), "Words that title, description or address must all hold.")
    cursor = Parameter(_text(60), "`0`, or the last `X-Next-Cursor`: changes since then.")
    page = Parameter(_integer(0, 10**6), f"From 1; up to {MAX_OFFSET} requests deep.")
    page_size = Parameter(_integer(1, 10**6), f"1 to {MAX_PAGE_SIZE}.")
    per_page = Parameter(_integer(1, 10**6), "The same as `page_size`.")
    limit = Parameter(_integer(1, 10**6), "The same as `page_size`.")
    max_requests = Parameter(_integer(1, 10**6), "The same as `page_size`.")
    count = Parameter(_flag, "`true` adds `X-Result-Count` and `X-Page-Count`.")


class PostRequestSchema(JurisdictionSchema):
    """POST Service Request; `attribute[CODE]` and photos are read beside it."""

    api_key = Parameter(_text(200), "The key; `Authorization: Bearer` is accepted too.")
    service_code = Parameter(_text(200), "What is reported.", examples=["proprete"])
    lat = Parameter(_coordinate(90), "WGS 84 degrees, with `long`.", examples=["48.8130"])
    long = Parameter(_coordinate(180), "WGS 84 degrees, with `lat`.", examples=["2.3444"])
    address_string = Parameter(
        _text(500), "The place in words.", examples=["12 avenue Lénine, 94250 Gentilly"]
    )
    address_id = Parameter(_text(100), "The place in the jurisdiction's own address table.")
    zipcode = Parameter(_text(10), "Postal code.")
    email = Parameter(_text(254), "Of the reporter; never public.")
    device_id = Parameter(_text(255), "Of the reporter; never public.")
    account_id = Parameter(_text(255), "Of the reporter; never public.")
    first_name = Parameter(_text(100), "Of the reporter; never public.")
    last_name = Parameter(_text(100), "Of the reporter; never public.")
    phone = Parameter(_text(40), "Of the reporter; never public.")
    description = Parameter(
        _text(2_000_000),
        "At most 4,000 characters of plain text.",
        examples=["Sacs et cartons au pied de l'arbre."],
    )
    media_url = Parameter(_text(2_000), "Address of a photo; may be repeated.", many=True)
    title = Parameter(_text(200), "A short title.")
    kind = Parameter(_choice(*KINDS), "`report` (default), `suggestion` or `praise`.")
    service_object_id = Parameter(_text(100), "Id of an asset, with `service_object_type`.")
    service_object_type = Parameter(_text(200), "What the asset id refers to.")
    channel = Parameter(_text(40), "How it came (`web`, `android`…).")


class ImportSchema(PostRequestSchema):
    """One record of an imported file: what a client posts, and the request's past."""

    service_request_id = Parameter(_text(300), "Its id where it comes from.")
    service_name = Parameter(_text(300), "Names the service where there is no code.")
    status = Parameter(_text(60), "`open`, `closed`, or a word of the server it comes from.")
    detailed_status = Parameter(_text(60), "CitySDK's status; stands over `status`.")
    stage = Parameter(_text(60), "Our own stage; stands over both.")
    duplicate = Parameter(_flag, "Closed because it was already known.")
    status_notes = Parameter(_text(4_000), "Why it has this status.")
    requested_datetime = Parameter(_datetime, "When it was made.")
    updated_datetime = Parameter(_datetime, "When it changed last.")
    closed_datetime = Parameter(_datetime, "When it was closed.")
    expected_datetime = Parameter(_datetime, "When it should be done.")
    agency_responsible = Parameter(_text(300), "The responsible body.")
    service_notice = Parameter(_text(2_000), "What the reporter was told.")
    is_staff = Parameter(_flag, "Made by staff.")
    visibility = Parameter(_choice(*_VISIBILITIES), "Who may read it.")


class ListUpdatesSchema(JurisdictionSchema):
    """GET Service Request Updates (FixMyStreet)."""

    start_date = Parameter(_datetime, "Earliest `updated_datetime`; two hours ago when absent.")
    end_date = Parameter(_datetime, "Latest `updated_datetime`; now when absent.")


class PostUpdateSchema(JurisdictionSchema):
    """POST Service Request Update (FixMyStreet)."""

    api_key = Parameter(_text(200), "The key, with the right `update`.")
    service_request_id = Parameter(_text(40), "The request.")
    update_id = Parameter(_text(200), "The client's own id of this update: sent twice, kept once.")
    status = Parameter(_text(60), "`OPEN`, `FIXED`, `IN_PROGRESS`…; `UNCHANGED` for a comment.")
    updated_datetime = Parameter(_datetime, "When it was written.")
    description = Parameter(_text(2_000_000), "At most 4,000 characters of plain text.")
    title = Parameter(_text(200), "Ignored.")
    media_url = Parameter(_text(2_000), "Address of a photo; may be repeated.", many=True)
    email = Parameter(_text(254), "Of the writer; not kept.")
    first_name = Parameter(_text(100), "Of the writer; not kept.")
    last_name = Parameter(_text(100), "Of the writer; not kept.")
