"""The renderers write the golden documents of fixtures/georeport byte for byte."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from open311.domain.errors import InvalidFields, NotFound, Open311Error
from open311.domain.request import Answer, Kind, Note, Receipt, RequestUpdate, ServiceRequest
from open311.domain.service import (
    Attribute,
    AttributeValue,
    Datatype,
    Localized,
    Service,
    ServiceType,
)
from open311.domain.status import STAGE_OF_UPDATE, Stage, Visibility
from open311.formats import answers
from open311.formats.documents import write_document
from open311.formats.public_documents import (
    feature_collection,
    list_of_documents,
    render_public_document,
)

GOLDEN = Path(__file__).parents[2] / "fixtures" / "georeport"
SOURCE: dict[str, Any] = json.loads((GOLDEN / "source.json").read_text(encoding="utf-8"))
REQUESTS = {request["service_request_id"]: request for request in SOURCE["requests"]}


def stems(*sections: str) -> list[tuple[str, str]]:
    return [(section, stem) for section in sections for stem in SOURCE[section]]


def moment(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text)


def request_of(source: dict[str, Any]) -> ServiceRequest:
    parent = source["parent_service_request_id"]
    values = {name: source[name] for name in ServiceRequest.__slots__ if name in source}
    values |= {name: moment(text) for name, text in values.items() if name.endswith("_datetime")}
    return ServiceRequest(
        **values
        | {
            "service_request_id": int(source["service_request_id"]),
            "stage": Stage(source["stage"]),
            "visibility": Visibility(source["visibility"]),
            "kind": Kind(source["kind"]),
            "parent_service_request_id": None if parent is None else int(parent),
            "media_urls": tuple(source["media_urls"]),
            "attributes": tuple(Answer(**each) for each in source["attributes"]),
            "notes": tuple(
                Note(**each | {"datetime": moment(each["datetime"])}) for each in source["notes"]
            ),
        }
    )


def service_of(source: dict[str, Any]) -> Service:
    texts = {name: Localized(source[name] or "") for name in ("service_name", "description")}
    return Service(
        service_code=source["service_code"],
        **texts,
        group=Localized(source["group"] or ""),
        type=ServiceType(source["type"]),
        keywords=tuple(source["keywords"]),
        attributes=(attribute_of(HIDDEN),) if source["metadata"] else (),
    )


HIDDEN = {"variable": True, "code": "A", "datatype": "string", "required": False, "order": 1} | {
    "description": "?",
    "datatype_description": None,
}


def attribute_of(source: dict[str, Any]) -> Attribute:
    return Attribute(
        code=source["code"],
        datatype=Datatype(source["datatype"]),
        order=source["order"],
        description=Localized(source["description"]),
        datatype_description=Localized(source["datatype_description"] or ""),
        required=source["required"],
        variable=source["variable"],
        automated=source.get("automated"),
        values=tuple(
            AttributeValue(value["key"], Localized(value["name"]))
            for value in source.get("values", ())
        ),
    )


def update_of(source: dict[str, Any]) -> RequestUpdate:
    stage = STAGE_OF_UPDATE[source["status"].upper()]
    assert stage is not None
    return RequestUpdate(
        service_request_id=int(source["service_request_id"]),
        type="activity",
        stage=stage,
        updated_datetime=moment(source["updated_datetime"]),
        description=source["description"],
        media_urls=tuple(source["media_urls"]),
        update_key=int(source["update_id"]),
    )


def error_of(source: dict[str, Any]) -> Open311Error:
    error = NotFound(source["description"])
    error.status = source["code"]
    return error


def small_document(section: str, value: Any, suffix: str) -> Any:  # noqa: PLR0911 - one a section
    """What the views hand to the writer for one section."""
    match section:
        case "discovery":
            endpoints = [
                (each["url"], each["type"], moment(each["changeset"]))
                for each in value["endpoints"]
            ]
            rest = {name: value[name] for name in ("contact", "key_service")}
            changeset = moment(value["changeset"])
            return answers.discovery(changeset=changeset, endpoints=endpoints, **rest)
        case "services":
            return answers.services(map(service_of, value), "fr")
        case "service_definition":
            attributes = tuple(attribute_of(each) for each in value["attributes"])
            texts = {"service_name": Localized("s"), "description": Localized("d")}
            service = Service(value["service_code"], attributes=attributes, **texts)
            return answers.service_definition(service, "fr", extensions=True)
        case "receipt":
            id_ = value.get("service_request_id")
            return answers.receipt(
                Receipt(**value | {"service_request_id": None if id_ is None else int(id_)})
            )
        case "token":
            return answers.token(value.get("service_request_id"), value["token"])
        case "errors":
            return answers.errors(InvalidFields([error_of(each) for each in value]), 400)
        case "service_request_updates":
            return answers.updates(map(update_of, value), every_photo=suffix == "xml")
    return answers.update_receipt(int(value["update_id"]))


ROOTS = {
    "receipt": "service_requests",
    "token": "service_requests",
    "update_receipt": "service_request_updates",
}


@pytest.mark.parametrize("suffix", ["xml", "json"])
@pytest.mark.parametrize(
    ("section", "stem"),
    stems("discovery", "services", "service_definition", "receipt", "token", "errors")
    + stems("service_request_updates", "update_receipt"),
)
def test_small_documents_are_the_golden_ones(section: str, stem: str, suffix: str) -> None:
    value = small_document(section, SOURCE[section][stem], suffix)
    body = write_document(suffix, ROOTS.get(section, section), value)
    assert body == (GOLDEN / f"{stem}.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["xml", "json", "geojson"])
@pytest.mark.parametrize(
    ("section", "stem"), stems("service_requests", "service_requests_extended")
)
def test_request_lists_are_the_golden_ones(section: str, stem: str, suffix: str) -> None:
    extended = section == "service_requests_extended"
    found = [request_of(REQUESTS[id_]) for id_ in SOURCE[section][stem]]
    rendered = [(request, render_public_document(request)) for request in found]
    if suffix == "xml":
        parts = [doc.xml + (doc.xml_extension if extended else b"") for _, doc in rendered]
        body = list_of_documents("xml", parts)
    else:
        parts = [doc.json + (doc.json_extension if extended else b"") for _, doc in rendered]
        body = list_of_documents("json", parts)
    if suffix == "geojson":
        body = feature_collection(
            (request.service_request_id, request.lat, request.long, part)
            for request, part in zip(found, parts, strict=True)
        )
    assert body == (GOLDEN / f"{stem}.{suffix}").read_bytes()
