"""The documents of GeoReport's small answers, as JSON would hold them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from open311.domain.errors import InvalidFields, Open311Error
from open311.domain.request import Receipt, RequestUpdate
from open311.domain.service import Attribute, Service
from open311.domain.status import PUBLIC_STATUS
from open311.domain.told_text import carried_by_xml
from open311.formats.datetimes import format_datetime

SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"
_FORMATS = ["text/xml", "application/json"]


def discovery(
    *,
    changeset: datetime,
    contact: str,
    key_service: str,
    endpoints: Iterable[tuple[str, str, datetime]],
) -> dict[str, Any]:
    """Service discovery (C-030 to C-039).

    Args:
        changeset: last change of any service or definition.
        endpoints: (url, type, its own last change) of each, production first.
    """
    return {
        "changeset": format_datetime(changeset),
        "contact": contact,
        "key_service": key_service,
        "endpoints": [
            {
                "specification": SPECIFICATION,
                "url": url,
                "changeset": format_datetime(changed),
                "type": type_,
                "formats": _FORMATS,
            }
            for url, type_, changed in endpoints
        ],
    }


def services(offered: Iterable[Service], locale: str) -> list[dict[str, Any]]:
    """The service list (C-060 to C-069)."""
    return [
        {
            "service_code": service.service_code,
            "service_name": service.service_name.into(locale),
            "description": service.description.into(locale),
            "metadata": service.metadata,
            "type": str(service.type),
            "keywords": ",".join(service.keywords) or None,
            "group": service.group.into(locale) or None,
        }
        for service in offered
    ]


def service_definition(
    service: Service, locale: str, *, extensions: bool = False
) -> dict[str, Any]:
    """A service definition; empty attributes when there is nothing to ask (C-085).

    Args:
        extensions: say which attributes are `automated` (X-15), which the standard does
            not know (C-010).
    """
    return {
        "service_code": service.service_code,
        "attributes": [
            _attribute(each, locale, extensions=extensions) for each in service.attributes
        ],
    }


def receipt(given: Receipt) -> list[dict[str, Any]]:
    """The answer to a POST: an id, a token, or neither (C-101 to C-104)."""
    answer: dict[str, Any] = {}
    if given.service_request_id is not None:
        answer["service_request_id"] = str(given.service_request_id)
    if given.token is not None:
        answer["token"] = given.token
    answer |= {"service_notice": given.service_notice, "account_id": given.account_id}
    return [answer]


def token(service_request_id: str | None, text: str) -> list[dict[str, Any]]:
    """A token and, once it is known, its id (C-150, C-152)."""
    known = {} if service_request_id is None else {"service_request_id": service_request_id}
    return [known | {"token": text}]


def updates(found: Iterable[RequestUpdate], *, every_photo: bool) -> list[dict[str, Any]]:
    """FixMyStreet's list of updates (X-12).

    Args:
        every_photo: `media_url` is all addresses (XML repeats the element), else the first.
    """
    return [
        {
            "update_id": str(update.update_key),
            "service_request_id": str(update.service_request_id),
            "status": PUBLIC_STATUS[update.stage].update_status.lower(),
            "updated_datetime": format_datetime(update.updated_datetime),
            "description": update.description,
            "media_url": (
                list(update.media_urls) if every_photo else next(iter(update.media_urls), None)
            ),
        }
        for update in found
    ]


def update_receipt(update_key: int) -> list[dict[str, Any]]:
    """The answer to a posted update (X-13)."""
    return [{"update_id": str(update_key)}]


def errors(error: Open311Error, code: int) -> list[dict[str, Any]]:
    """The error document: every fault found, each with its own code (C-230, C-234)."""
    if isinstance(error, InvalidFields):
        return [_error(each.status, each.message) for each in error.errors]
    return [_error(code, error.message)]


def _error(code: int, message: str) -> dict[str, Any]:
    # A message may quote a path, which nobody has cleaned.
    return {"code": code, "description": carried_by_xml(message)}


def _attribute(attribute: Attribute, locale: str, *, extensions: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "variable": attribute.variable,
        "code": attribute.code,
        "datatype": str(attribute.datatype),
        "required": attribute.required,
        "datatype_description": attribute.datatype_description.into(locale) or None,
        "order": attribute.order,
        "description": attribute.description.into(locale),
    }
    if extensions and attribute.automated:
        shown["automated"] = attribute.automated
    if attribute.datatype.is_list:
        shown["values"] = [
            {"key": value.key, "name": value.name.into(locale)} for value in attribute.values
        ]
    return shown
