"""What XML and JSON owe each other: the "Spark" convention of GeoReport (§1.2).

An array is a container whose repeated child has a fixed name; what is unknown is
`null` in one and an empty element in the other.
"""

from __future__ import annotations

#: The name of the repeated child of every container.
CHILD_OF = {
    "services": "service",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "errors": "error",
    "attributes": "attribute",
    "values": "value",
    "endpoints": "endpoint",
    "formats": "format",
    "media_urls": "media_url",
    "notes": "note",
}
#: Dates that XML leaves out while unknown: an empty one breaks old readers (C-025).
ABSENT_WHEN_UNKNOWN = frozenset({"expected_datetime", "detailed_status_datetime"})


def decimal(value: float) -> str:
    """A coordinate in plain decimal digits, at most seven after the point (C-193)."""
    text = repr(value)
    return f"{value:.7f}".rstrip("0") if "e" in text else text
