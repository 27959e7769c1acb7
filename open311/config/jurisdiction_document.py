"""From the stored document of a jurisdiction to the domain's objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import shapely

from open311.domain.delivery import Destination
from open311.domain.jurisdiction import Jurisdiction
from open311.domain.service import (
    Attribute,
    AttributeValue,
    Datatype,
    Localized,
    Service,
    ServiceType,
)
from open311.domain.territory import Territory

Document = Mapping[str, Any]


def jurisdiction_from_document(document: Document, *, changeset: datetime | None) -> Jurisdiction:
    """Build a jurisdiction from its document, as read from a file or from the database.

    Args:
        document: what `read_jurisdiction_file` gave, possibly carried through JSON.
        changeset: last change of its catalogue, aware UTC (C-041).
    """
    language = document["language"]
    services = [_service(service, language) for service in document["services"]]
    territories = [_territory(territory) for territory in document["territories"]]
    return Jurisdiction(
        jurisdiction_id=document["jurisdiction_id"],
        name=document["name"],
        language=language,
        languages=tuple(document["languages"]),
        timezone=ZoneInfo(document["timezone"]),
        contact=document["contact"],
        key_service=document["key_service"],
        boundary=_territory(document["boundary"]),
        services={service.service_code: service for service in services},
        territories={territory.id: territory for territory in territories},
        agency_responsible=document["agency_responsible"],
        insee=document["insee"],
        siren=document["siren"],
        outside=document["outside"],
        moderated=document["moderated"],
        token_delay_s=document["token_delay_s"],
        retention_days=document["retention_days"],
        changeset=changeset,
        illustrative=document["illustrative"],
        destinations=tuple(_destination(each) for each in document.get("destinations", ())),
    )


def keep_withdrawn(old: Document | None, new: Document) -> dict[str, Any]:
    """The new document, with the services that left the file marked as withdrawn.

    Old requests keep the names of their service; no new request can use it.
    """
    present = {service["service_code"] for service in new["services"]}
    before = old["services"] if old else []
    gone = [
        {**service, "withdrawn": True}
        for service in before
        if service["service_code"] not in present
    ]
    return {**new, "services": [*new["services"], *gone]}


def _territory(document: Document) -> Territory:
    return Territory(
        id=document["id"],
        name=document["name"],
        level=document["level"],
        boundary=shapely.from_geojson(json.dumps(document["geometry"])),
    )


def _destination(document: Document) -> Destination:
    lists = {name: tuple(document[name]) for name in ("services", "allowed_networks")}
    return Destination(**{**document, **lists})


def _service(document: Document, language: str) -> Service:
    attributes = enumerate(document["attributes"], start=1)
    return Service(
        service_code=document["service_code"],
        service_name=_localized(document["service_name"], language),
        description=_localized(document["description"], language),
        type=ServiceType(document["type"]),
        keywords=tuple(document["keywords"]),
        group=_localized(document["group"], language),
        attributes=tuple(_attribute(each, order, language) for order, each in attributes),
        category=document["category"],
        agency_responsible=document["agency_responsible"],
        service_notice=_localized(document["service_notice"], language),
        expected_hours=document["expected_hours"],
        moderated=document["moderated"],
        territories=tuple(document["territories"]),
        withdrawn=document.get("withdrawn", False),
    )


def _attribute(document: Document, order: int, language: str) -> Attribute:
    return Attribute(
        code=document["code"],
        datatype=Datatype(document["datatype"]),
        order=order,
        description=_localized(document["description"], language),
        datatype_description=_localized(document["datatype_description"], language),
        required=document["required"],
        variable=document["variable"],
        values=tuple(
            AttributeValue(value["key"], _localized(value["name"], language))
            for value in document["values"]
        ),
        automated=document["automated"],
        public=document["public"],
    )


def _localized(texts: Mapping[str, str], language: str) -> Localized:
    others = {code: text for code, text in texts.items() if code != language}
    return Localized(texts.get(language, ""), others)
