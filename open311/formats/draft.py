"""From the parameters of a report, posted or imported, to its draft."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from open311.domain.request import Kind, Reporter, RequestDraft
from open311.formats.fields import Fields

_REPORTER = tuple(Reporter.__slots__)


def request_draft(values: Mapping[str, Any], fields: Fields, service_code: str) -> RequestDraft:
    """What `PostRequestSchema` read of a form or of a record, as a draft.

    Args:
        service_code: the service, by our own code.
    """
    return RequestDraft(
        service_code=service_code,
        lat=values.get("lat"),
        long=values.get("long"),
        address=values.get("address_string"),
        address_id=values.get("address_id"),
        zipcode=values.get("zipcode"),
        description=values.get("description"),
        title=values.get("title"),
        kind=Kind(values.get("kind", "report")),
        attributes=fields.attributes(),
        reporter=Reporter(**{name: values.get(name) for name in _REPORTER}),
        media_urls=values.get("media_url", ()),
        photos=fields.files,
        service_object_id=values.get("service_object_id"),
        service_object_type=values.get("service_object_type"),
        channel=values.get("channel"),
    )
