"""What the current HTTP request is about: jurisdiction, parameters, key, language."""

from __future__ import annotations

from functools import lru_cache
from typing import cast
from zoneinfo import ZoneInfo

from flask import current_app, request

from open311.config.settings import Settings
from open311.domain.errors import InvalidFields, NotFound
from open311.formats.fields import Fields
from open311.formats.forms import parse_body, parse_query
from open311.formats.schemas import GeoReportSchema, Reading, read
from open311.http import door
from open311.http.fast_lane import LONGEST_REMEMBERED
from open311.http.language import accepted_language, primary_subtag
from open311.operations.installation import Installation, Side
from open311.operations.keys import authenticate
from open311.storage.catalogue import StoredKey


def installation() -> Installation:
    """The installation that this application serves."""
    return cast("Installation", current_app.extensions["open311"])


def settings() -> Settings:
    """The settings of this process."""
    return cast("Settings", current_app.config["OPEN311_SETTINGS"])


def answer_format() -> str:
    """`xml`, `json` or `geojson`: what the suffix asked for."""
    return str(request.environ[door.FORMAT])


def query_fields() -> Fields:
    """The parameters of the query string."""
    return _fields_of(request.environ.get("QUERY_STRING", ""))


def posted_fields() -> Fields:
    """The parameters of a POST: body over query (C-131), decoded from the raw bytes."""
    body = parse_body(request.headers.get("Content-Type"), request.get_data(cache=False))
    fields = body.merged_over(query_fields())
    request.environ[door.POSTED_LOCALE] = next(iter(fields.many("locale")), None)
    return fields


def side_of(fields: Fields) -> Side:
    """The jurisdiction that the path or `jurisdiction_id` names (C-050 to C-053).

    Raises:
        InvalidRequest: none is named where several are served. NotFound: unknown, or
            another than the path's.
    """
    named = fields.one("jurisdiction_id")
    in_path = request.environ[door.JURISDICTION_ID]
    side = installation().side(in_path or named, request.environ[door.ENVIRONMENT])
    if in_path and named and named != in_path:
        raise NotFound(
            f"jurisdiction_id : « {named[:80]} » n'est pas servie à cette adresse.",
            field="jurisdiction_id",
        )
    request.environ[door.LOGGED_JURISDICTION_ID] = side.jurisdiction.jurisdiction_id
    return side


def key_for(side: Side, fields: Fields, right: str) -> StoredKey:
    """The key of this request, checked for one right here.

    Raises:
        Forbidden: missing, wrong, or without the right.
    """
    bearer = request.headers.get("Authorization", "")
    header = bearer[7:].strip() if bearer[:7].lower() == "bearer " else None
    given = fields.many("api_key")
    presented = given[0] if len(given) == 1 else None if given else header
    key = authenticate(
        installation().keys,
        presented,
        right=right,
        jurisdiction_id=side.jurisdiction.jurisdiction_id,
        environment=side.scope.environment,
        now=installation().now(),
    )
    request.environ[door.LOGGED_API_KEY_ID] = key.api_key_id
    return key


def read_query(kind: type[GeoReportSchema], side: Side) -> dict[str, object]:
    """The query's parameters by a schema; every fault at once.

    Raises:
        InvalidFields: one error for each parameter that cannot be read.
    """
    query_string = request.environ.get("QUERY_STRING", "")
    # By the zone, not by the side: an outdated side would live as long as its queries.
    reading = _reading_of(kind, query_string, side.jurisdiction.timezone)
    if reading.faults:
        raise InvalidFields(reading.faults)
    return reading.values


def _fields_of(query_string: str) -> Fields:
    if len(query_string) > LONGEST_REMEMBERED:
        return parse_query(query_string)
    return _remembered_fields(query_string)


def _reading_of(kind: type[GeoReportSchema], query_string: str, timezone: ZoneInfo) -> Reading:
    if len(query_string) > LONGEST_REMEMBERED:
        return read(kind, parse_query(query_string), timezone)
    return _remembered_reading(kind, query_string, timezone)


_remembered_fields = lru_cache(maxsize=2048)(parse_query)


@lru_cache(maxsize=2048)
def _remembered_reading(
    kind: type[GeoReportSchema], query_string: str, timezone: ZoneInfo
) -> Reading:
    return read(kind, _remembered_fields(query_string), timezone)


def locale_of(side: Side, fields: Fields) -> str:
    """The language of names: `locale`, else Accept-Language, else the jurisdiction's (X-17)."""
    asked = fields.many("locale")
    languages = side.jurisdiction.languages
    if asked:
        wanted = primary_subtag(asked[0])
        return wanted if wanted in languages else side.jurisdiction.language
    return accepted_language(languages) or side.jurisdiction.language
