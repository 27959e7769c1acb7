"""What travels between a service request and a ticket in a business tool.

A *ticket* is the object in the tool; a *delivery* is one step towards it (create,
photo, comment, status), tried until it is done, refused, or somebody must look. What a
tool tells becomes fit to be stored here, whatever adapter brings it: no lone surrogate, no
NUL, no more characters than are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from open311.domain.request import Answer, Reporter
from open311.domain.told_text import storable

#: Characters that are kept of what a tool tells; the ids as their columns have them.
MAX_TOLD_ID = 255
_WORDS, _ADDRESS, _MESSAGE, _NOTE = 255, 2000, 4000, 20_000


def _keep_storable(told: object, **limits: int | None) -> None:
    """Clean texts of a frozen object at its birth, each cut to its limit."""
    for name, limit in limits.items():
        text = getattr(told, name)
        if text is not None:
            object.__setattr__(told, name, storable(text, limit))


class Idempotency(StrEnum):
    """What a tool gives against doubles; decides what follows an unknown outcome.

    NATIVE: it takes our key and creates once. LOOKUP: tickets can be found by our key,
    so we look before we send again. NONE: neither; a person decides.
    """

    NATIVE = "native"
    LOOKUP = "lookup"
    NONE = "none"


#: Grades from the weakest to the strongest.
_GRADES = (Idempotency.NONE, Idempotency.LOOKUP, Idempotency.NATIVE)


class DeliveryKind(StrEnum):
    """The steps, each a delivery of its own."""

    CREATE = "create"
    PHOTO = "photo"
    COMMENT = "comment"
    STATUS = "status"


class DeliveryState(StrEnum):
    """Where a delivery stands. UNKNOWN: it was sent, and nobody knows what became of it."""

    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One photo for a ticket.

    Attributes:
        name: file name, stable and unique in the ticket (`12-1.jpg`).
        url: where the public reads it; sent instead when the tool refuses the file.
    """

    name: str
    media_type: str
    content: bytes
    sha256: str
    url: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """The canonical push object: all that an adapter may know of a request.

    Attributes:
        key: ours, stable for ever and unique among all servers: the idempotency key.
        lat, long: WGS 84 degrees (EPSG:4326), or None.
        x, y, epsg: the same position in the destination's CRS, x east and y north in
            metres, or None when it takes WGS 84.
        reporter: all that is known; an adapter sends only what its privacy rules allow.
        photos: the photos themselves, only for adapters whose capabilities say
            `inline_photos`; the others are given them one by one (`attach`).
        stage: our stage (domain.status.Stage) when this snapshot was taken.
        origin: the places that it passed (domain.hops), oldest first.
    """

    key: str
    service_request_id: str
    jurisdiction_id: str
    service_code: str
    service_name: str
    requested_datetime: datetime
    public_url: str
    stage: str = "received"
    group: str = ""
    title: str | None = None
    description: str | None = None
    status_notes: str | None = None
    lat: float | None = None
    long: float | None = None
    x: float | None = None
    y: float | None = None
    epsg: int | None = None
    address: str | None = None
    address_id: str | None = None
    zipcode: str | None = None
    service_object_id: str | None = None
    service_object_type: str | None = None
    kind: str = "report"
    priority: str | None = None
    is_staff: bool = False
    reporter: Reporter = Reporter()  # noqa: RUF009 - frozen
    attributes: tuple[Answer, ...] = ()
    media_urls: tuple[str, ...] = ()
    photos: tuple[Attachment, ...] = ()
    origin: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer as agents may see them: secrets and persons masked."""

    request: str = ""
    response: str = ""
    status_code: int | None = None

    def __post_init__(self) -> None:
        _keep_storable(self, request=None, response=None)


@dataclass(frozen=True, slots=True)
class TicketReceipt:
    """What a tool says of a ticket: its own id, and what else it tells.

    Attributes:
        ticket_id: the id that the tool's API takes.
        number: what its people call it; `status`: in the tool's own words.
        note: the last words of its people on the ticket, when it was read.
        exchange: what was sent and answered, masked, for the record of attempts.
    """

    ticket_id: str
    number: str | None = None
    url: str | None = None
    status: str | None = None
    etag: str | None = None
    note: str | None = None
    exchange: Exchange = field(default=Exchange(), compare=False)

    def __post_init__(self) -> None:
        _keep_storable(
            self, ticket_id=None, number=_WORDS, url=_ADDRESS, status=_WORDS, etag=_ADDRESS
        )


@dataclass(frozen=True, slots=True)
class TicketChange:
    """One thing that happened to a ticket in the tool.

    Attributes:
        event_id: the tool's own id of the event, else a hash of its content.
        status: in the tool's own words; None for a mere note.
        number: what its people call the ticket, when only now it is known (return files).
        author: the tool's name for who did it; a change whose author is the
            destination's setting `own_account` is an echo of ours.
        returned: why what we sent last did not arrive after all (a mail that came back);
            nothing public changes then.
        returned_step: which step that was: the end of its Message-ID, when it is told.
    """

    ticket_id: str
    event_id: str
    changed_datetime: datetime
    status: str | None = None
    note: str | None = None
    author: str | None = None
    media_urls: tuple[str, ...] = ()
    number: str | None = None
    returned: str | None = None
    returned_step: str | None = None

    def __post_init__(self) -> None:
        _keep_storable(
            self, ticket_id=None, event_id=None, status=_WORDS, note=_NOTE, author=_WORDS,
            number=_WORDS, returned=_MESSAGE,
        )  # fmt: skip
        if len(self.event_id) > MAX_TOLD_ID:
            digest = hashlib.sha256(self.event_id.encode()).hexdigest()
            object.__setattr__(self, "event_id", f"long:{digest}")
        object.__setattr__(self, "media_urls", tuple(map(storable, self.media_urls)))


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes after a cursor, oldest first, and the cursor to go on from."""

    changes: tuple[TicketChange, ...]
    cursor: str
    more: bool = False

    def __post_init__(self) -> None:
        _keep_storable(self, cursor=None)


@dataclass(frozen=True, slots=True)
class Throughput:
    """How much a tool bears, of all workers together; None: no limit.

    Attributes:
        at_once: steps that are being sent at one moment.
        per_minute: steps sent, or tried, within any minute.
    """

    at_once: int | None = None
    per_minute: int | None = None

    def under(self, own: Throughput) -> Throughput:
        """These, unless the destination has its own."""
        return Throughput(own.at_once or self.at_once, own.per_minute or self.per_minute)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do; the worker asks nothing else of it.

    Attributes:
        idempotency: what the tool gives against a second ticket; `photo_idempotency`
            and `comment_idempotency`, against a second photo or note;
            `status_idempotency`, against a second telling of a status without words.
        inline_photos: `create` takes the photos with the ticket (an e-mail, a file), so
            there are no photo steps for it.
        status_note: `set_status` says its note too; else the worker says it by `comment`.
        throughput: how much the tool bears, as far as its profile knows.
    """

    idempotency: Idempotency
    attach: bool = True
    comment: bool = True
    set_status: bool = False
    read: bool = False
    changes: bool = False
    inline_photos: bool = False
    photo_idempotency: Idempotency = Idempotency.NONE
    comment_idempotency: Idempotency = Idempotency.NONE
    status_idempotency: Idempotency = Idempotency.NATIVE
    status_note: bool = True
    throughput: Throughput = Throughput()

    def grade_of(self, kind: DeliveryKind, *, with_words: bool) -> Idempotency:
        """What the tool gives against a double of one step.

        A status set twice is the same status, but the words that go with it are a note.
        """
        grades = {
            DeliveryKind.CREATE: self.idempotency,
            DeliveryKind.PHOTO: self.photo_idempotency,
            DeliveryKind.COMMENT: self.comment_idempotency,
            DeliveryKind.STATUS: self._status_grade(with_words=with_words),
        }
        return grades[kind]

    def _status_grade(self, *, with_words: bool) -> Idempotency:
        if not self.set_status:
            return self.comment_idempotency
        if not (with_words and (self.status_note or self.comment)):
            return self.status_idempotency
        return min(self.status_idempotency, self.comment_idempotency, key=_GRADES.index)


class ToolError(Exception):
    """Something went wrong with a tool; the subclass says what to do next.

    Attributes:
        message: for agents, with the tool's own words when it gave some.
        exchange: what was sent and answered, masked.
    """

    def __init__(self, message: str, *, exchange: Exchange | None = None) -> None:
        self.message = storable(message, _MESSAGE)
        super().__init__(self.message)
        self.exchange = exchange or Exchange()


class ToolUnreachable(ToolError):
    """Nothing was sent for certain (refused, no name, no TLS): try again later."""


class OutcomeUnknown(ToolError):
    """It was sent and the answer is lost or unreadable: look before trying again."""


class ToolBusy(ToolError):
    """The tool asks for patience (429, 503): try again, not before `retry_after_s`.

    Attributes:
        step_only: for this step alone (a number to come); the tool is well, and free.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        step_only: bool = False,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange)
        self.retry_after_s = retry_after_s
        self.step_only = step_only


class ToolRefused(ToolError):
    """The tool will never take this as it is (400, 404, 409, 422): a person must mend it."""


class ToolUnauthorized(ToolError):
    """Our account is refused (401, 403): the destination stops, no attempt is counted."""


class TicketStale(ToolError):
    """The ticket changed under us (412): read it again, redo once."""


class NoteInDoubt(OutcomeUnknown):
    """A note may be there, and the tool cannot tell: not to be said again by itself."""


class AttachmentRefused(ToolError):
    """The tool takes the ticket but not this file: its link is sent instead."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a jurisdiction's tickets go.

    Attributes:
        name: unique in the installation (`gentilly-atal`).
        profile: name of a shipped profile, path of a profile file, or an entry point
            of group `open311.adapters`.
        services: service codes that go there; empty = all.
        settings: values that the profile leaves open (base_url, ids…).
        secrets: setting name → reference, `env:NAME` or `file:/path`.
        allowed_networks: private networks (CIDR) that this destination alone may reach.
        epsg: CRS of x and y, checked against its area of use; None = WGS 84 only.
        outside: `refuse` to send a position outside the jurisdiction, or `allow` it.
        alert_after_s: age of the oldest pending delivery that alerts.
        poll_s: seconds between two looks at what changed in the tool.
        max_at_once, max_per_minute: how much its tool bears (Throughput); None: as its
            profile says.
    """

    name: str
    profile: str
    services: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    allowed_networks: tuple[str, ...] = ()
    epsg: int | None = None
    alert_after_s: int = 86_400
    poll_s: int = 300
    outside: str = "refuse"
    max_at_once: int | None = None
    max_per_minute: int | None = None

    @property
    def throughput(self) -> Throughput:
        """Its own limits."""
        return Throughput(self.max_at_once, self.max_per_minute)


def mark_of(note: str) -> str:
    """A note's mark, by which we know our own text again when a tool shows it to us."""
    return hashlib.sha256(" ".join(note.split()).encode()).hexdigest()[:16]
