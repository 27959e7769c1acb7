"""From the words of a file, ours or another server's, to a request with its past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from open311.domain.errors import InvalidFields, InvalidRequest
from open311.domain.search import fold
from open311.domain.status import PUBLIC_STATUS, STAGE_OF_UPDATE, Stage, Visibility
from open311.domain.transfer import TransferRecord
from open311.formats.draft import request_draft
from open311.formats.fields import Fields
from open311.formats.schemas import ImportSchema, read
from open311.formats.text import quoted

#: GeoReport Bulk's names and usual spellings, and GeoReport's word for each.
_ALIASES = {
    "status_description": "status",
    "closed_date": "closed_datetime",
    "source": "channel",
    "interface_used": "channel",
    "servicename": "service_name",
    "lon": "long",
    "lng": "long",
    "longitude": "long",
    "latitude": "lat",
}
#: Statuses of other servers, folded, and our stage for each.
_STAGES: dict[str, Stage] = {
    **{shown.detailed_status: stage for stage, shown in reversed(PUBLIC_STATUS.items())},
    **{status: stage for status, stage in STAGE_OF_UPDATE.items() if stage},
    **{str(stage): stage for stage in Stage},
    "in process": Stage.IN_PROGRESS,
    "rejected": Stage.NO_FOLLOW_UP,
    "open": Stage.RECEIVED,
    "new": Stage.RECEIVED,
    "confirmed": Stage.RECEIVED,
    "wait": Stage.RECEIVED,
    "fixed council": Stage.DONE,
    "fixed user": Stage.DONE,
    "unable to fix": Stage.NO_FOLLOW_UP,
    "ouvert": Stage.RECEIVED,
    "ouverte": Stage.RECEIVED,
    "nouveau": Stage.RECEIVED,
    "nouvelle": Stage.RECEIVED,
    "en cours": Stage.IN_PROGRESS,
    "planifie": Stage.PLANNED,
    "planifiee": Stage.PLANNED,
    "transmis": Stage.FORWARDED,
    "transmise": Stage.FORWARDED,
    "traite": Stage.DONE,
    "traitee": Stage.DONE,
    "resolu": Stage.DONE,
    "resolue": Stage.DONE,
    "termine": Stage.DONE,
    "terminee": Stage.DONE,
    "clos": Stage.DONE,
    "close": Stage.DONE,
    "ferme": Stage.DONE,
    "fermee": Stage.DONE,
    "rejete": Stage.NO_FOLLOW_UP,
    "rejetee": Stage.NO_FOLLOW_UP,
    "sans suite": Stage.NO_FOLLOW_UP,
    "doublon": Stage.DUPLICATE,
    "archive": Stage.ARCHIVED,
    "archivee": Stage.ARCHIVED,
}


@dataclass(frozen=True)
class RecordReading:
    """How a file is to be read.

    Attributes:
        timezone: zone of datetimes that state none.
        columns: the file's name of a column, and GeoReport's; an empty one ignores it.
        services: the file's code or name of a service, and our service_code.
        statuses: the file's status, and our stage, before what we know ourselves.
    """

    timezone: ZoneInfo
    columns: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, Stage] = field(default_factory=dict)


def read_record(raw: Mapping[str, Any], reading: RecordReading) -> TransferRecord:
    """Read one record of a file.

    Raises:
        InvalidFields: everything that cannot be read, together.
    """
    fields = Fields.of(_pairs(raw, reading.columns))
    found = read(ImportSchema, fields, reading.timezone)
    values, faults = found.values, list(found.faults)
    if "requested_datetime" not in values and not _names(faults, "requested_datetime"):
        faults.append(_missing("requested_datetime"))
    stage = _stage(values, reading.statuses)
    if stage is None:
        faults.append(_unknown_status(values))
    if faults or stage is None:
        raise InvalidFields(faults)
    return _record(values, fields, stage, reading.services)


def known_status(text: str) -> str:
    """A status as it is compared: no case, no accent, words parted by one space."""
    return " ".join(fold(text).replace("_", " ").replace("-", " ").split())


def _pairs(raw: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The record's values as a form would send them."""
    flat = _flat(raw)
    lowered = {name.lower() for name in flat}
    for name, value in flat.items():
        own = columns.get(name)
        if own is None:
            own = name.lower() if not name.startswith("attribute[") else name
            alias = _ALIASES.get(own, own)
            own = own if alias in lowered else alias
        if own == "attributes":
            yield from _answers(value)
        elif own == "media_urls":
            urls = value if isinstance(value, list) else [value]
            yield from (("media_url", text) for each in urls if (text := _text(each)) is not None)
        elif own and (text := _text(value)) is not None:
            yield own, text


def _flat(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its extended attributes beside the others."""
    extended = raw.get("extended_attributes")
    others = {name: value for name, value in raw.items() if name != "extended_attributes"}
    return (dict(extended) if isinstance(extended, dict) else {}) | others


def _answers(value: Any) -> Iterator[tuple[str, str]]:
    for given in value if isinstance(value, list) else ():
        if isinstance(given, dict) and given.get("code") and given.get("value"):
            yield f"attribute[{given['code']}]", str(given["value"])


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _stage(values: Mapping[str, Any], statuses: Mapping[str, Stage]) -> Stage | None:
    """The stage that the most precise of the status columns says; None when unknown."""
    if values.get("duplicate"):
        return Stage.DUPLICATE
    given = [values[name] for name in ("stage", "detailed_status", "status") if name in values]
    if not given:
        return Stage.DONE if "closed_datetime" in values else Stage.RECEIVED
    status = known_status(given[0])
    return statuses.get(status) or _KNOWN.get(status)


_KNOWN = {known_status(status): stage for status, stage in _STAGES.items()}


def _record(
    values: Mapping[str, Any], fields: Fields, stage: Stage, services: Mapping[str, str]
) -> TransferRecord:
    requested, closed = values["requested_datetime"], values.get("closed_datetime")
    code, name = values.get("service_code", ""), values.get("service_name")
    visibility = values.get("visibility")
    return TransferRecord(
        draft=request_draft(values, fields, services.get(code) or services.get(name or "") or code),
        stage=stage,
        requested_datetime=requested,
        updated_datetime=max(requested, values.get("updated_datetime") or closed or requested),
        closed_datetime=closed,
        expected_datetime=values.get("expected_datetime"),
        reference=values.get("service_request_id"),
        service_name=name,
        status_notes=values.get("status_notes"),
        agency_responsible=values.get("agency_responsible"),
        service_notice=values.get("service_notice"),
        is_staff=values.get("is_staff", False),
        visibility=None if visibility is None else Visibility(visibility),
    )


def _names(faults: list[Any], field_name: str) -> bool:
    return any(fault.field == field_name for fault in faults)


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name} : cette valeur est obligatoire.", field=name)


def _unknown_status(values: Mapping[str, Any]) -> InvalidRequest:
    given = next(values[name] for name in ("stage", "detailed_status", "status") if name in values)
    return InvalidRequest(
        f"status : {quoted(given)} n'est pas connu ; précisez --status "
        f"« {given[:40]}=done » (ou received, in_progress…).",
        field="status",
    )
