"""Service requests, as they arrive and as they are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from open311.domain.status import Stage, Visibility

MAX_DESCRIPTION = 4000
MAX_PHOTOS = 4


class Kind(StrEnum):
    """The three kinds of a French report: signaler, suggérer, féliciter."""

    REPORT = "report"
    SUGGESTION = "suggestion"
    PRAISE = "praise"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reported. Kept apart, never in a public answer (C-127)."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    device_id: str | None = None
    account_id: str | None = None

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return any(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Answer:
    """One value given to one attribute; a multivaluelist gives one Answer per value.

    Attributes:
        label: the question (attribute description); `name`: the words for `value`.
    """

    code: str
    label: str
    name: str
    value: str
    public: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the public history (extension X-09)."""

    datetime: datetime
    type: str
    description: str | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class Photo:
    """One stored photo: names in the media store, size in pixels."""

    name: str
    thumbnail: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class RequestDraft:
    """What a client posted, read and cleaned, not yet judged.

    `lat`/`long` are WGS 84 degrees (EPSG:4326), both or neither. `attributes`
    holds the raw values by attribute code. `photos` are image bytes as received.
    """

    service_code: str
    lat: float | None = None
    long: float | None = None
    address: str | None = None
    address_id: str | None = None
    zipcode: str | None = None
    description: str | None = None
    title: str | None = None
    kind: Kind = Kind.REPORT
    attributes: dict[str, list[str]] = field(default_factory=dict)
    reporter: Reporter = Reporter()
    media_urls: tuple[str, ...] = ()
    photos: tuple[bytes, ...] = ()
    service_object_id: str | None = None
    service_object_type: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One request as the public may see it: the fields of GeoReport v2, then ours.

    Everything here is on the allow-list of public answers: no field may hold
    reporter data (C-127). Datetimes are aware UTC.
    """

    service_request_id: int
    stage: Stage
    visibility: Visibility
    status_notes: str | None
    service_name: str
    service_code: str
    description: str | None
    agency_responsible: str | None
    service_notice: str | None
    requested_datetime: datetime
    updated_datetime: datetime
    expected_datetime: datetime | None
    address: str | None
    address_id: str | None
    zipcode: str | None
    lat: float | None
    long: float | None
    media_urls: tuple[str, ...] = ()
    title: str | None = None
    detailed_status_datetime: datetime | None = None
    kind: Kind = Kind.REPORT
    is_staff: bool = False
    service_object_id: str | None = None
    service_object_type: str | None = None
    parent_service_request_id: int | None = None
    channel: str | None = None
    attributes: tuple[Answer, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request as we keep it: its public view, and what the view is made from.

    Attributes:
        photos: photos in our media store; `client_media_urls`: URLs the client gave.
        answers: every attribute value, public or not.
        api_key_id: the public part of the key that sent it.
    """

    request: ServiceRequest
    photos: tuple[Photo, ...] = ()
    client_media_urls: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    api_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class PublicDocument:
    """The rendered bytes of one request in each format, each without its end."""

    xml: bytes
    json: bytes
    xml_extension: bytes
    json_extension: bytes


@dataclass(frozen=True, slots=True)
class RequestUpdate:
    """One entry of a request's append-only history.

    Attributes:
        type: submitted, opened, closed or activity (X-09).
        description: what the public reads; `internal_note`: for agents only.
        author: resident, staff or tool.
        update_id: the client's own id (X-13), unique for its key.
    """

    service_request_id: int
    type: str
    stage: Stage
    updated_datetime: datetime
    description: str | None = None
    internal_note: str | None = None
    media_urls: tuple[str, ...] = ()
    public: bool = True
    author: str = "staff"
    update_id: str | None = None
    api_key_id: str | None = None
    update_key: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a POST: an id, or a token, or neither (C-101 to C-104)."""

    service_request_id: int | None = None
    token: str | None = None
    service_notice: str | None = None
    account_id: str | None = None
