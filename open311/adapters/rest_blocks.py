"""What the engine `rest` adds to a profile: how to call, and how to read the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from open311.adapters.profile import Field, Template, Transform
from open311.adapters.wire import Limits
from open311.domain.delivery import Throughput


class Body(StrEnum):
    """How the fields of a call become its body."""

    NONE = "none"
    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"
    BYTES = "bytes"


class Scheme(StrEnum):
    """How a destination proves who it is."""

    NONE = "none"
    BASIC = "basic"
    HEADER = "header"
    QUERY = "query"
    BEARER = "bearer"
    OAUTH2 = "oauth2"
    LOGIN = "login"
    PUBLIK = "publik"


@dataclass(frozen=True, slots=True)
class Pick:
    """Where one value is in an answer.

    Attributes:
        path: JMESPath in a JSON answer, XPath in an XML one; else `header`, else `template`.
        pattern: regular expression whose first group is the value.
    """

    path: str | None = None
    header: str | None = None
    template: Template | None = None
    pattern: str | None = None
    transforms: tuple[Transform, ...] = ()


Picks = Mapping[str, Pick]


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request and how its answer is judged.

    Attributes:
        path: below base_url, each value percent-encoded; or `url`, whole.
        success: statuses that are a success; any 2xx when empty.
        success_if: expression that must be true in the answer of a success.
        unauthorized_if: expression that is true when the account is refused with a 200.
        absent: statuses that say "no such ticket" (look-ups).
        error: where the tool's own words are in a refusal.
        keep: values of the answer that later calls of the step use as `kept.NAME`.
    """

    method: str
    path: Template | None = None
    url: Template | None = None
    query: tuple[Field, ...] = ()
    headers: tuple[Field, ...] = ()
    body: Body = Body.NONE
    fields: tuple[Field, ...] = ()
    success: tuple[int, ...] = ()
    success_if: str | None = None
    unauthorized_if: str | None = None
    absent: tuple[int, ...] = ()
    error: str | None = None
    keep: Picks = field(default_factory=dict)

    @property
    def safe(self) -> bool:
        """Whether the method promises to change nothing (RFC 9110, 9.2.1)."""
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One step towards a tool: calls that may be repeated, then the call that counts.

    Attributes:
        first: look-ups, upload tokens: repeating them does no harm.
        items: expression of the list in which `answer` reads each item; else the whole.
        incomplete_if: expression that is true when a look-up could not see everything.
        photo_fields: for each photo, with `#` for its place (photos inside a create).
        exists: statuses of a create that say "your reference is already there".
        exists_if: expression that must be true in such an answer.
        refused_file: statuses of an attach that refuse the file, not the ticket.
        fallback: of a read, the call for servers that do not know the first one:
            `fallback_if` is true in what they answer to it.
    """

    call: Call
    first: tuple[Call, ...] = ()
    answer: Picks = field(default_factory=dict)
    items: str | None = None
    incomplete_if: str | None = None
    photo_fields: tuple[Field, ...] = ()
    exists: tuple[int, ...] = ()
    exists_if: str | None = None
    refused_file: tuple[int, ...] = ()
    fallback: Call | None = None
    fallback_if: str | None = None


@dataclass(frozen=True, slots=True)
class Auth:
    """How calls are signed.

    Attributes:
        user, password: for scheme basic; for publik, who calls (`orig`) and the shared key.
        name: header or parameter that carries `value`.
        login: the call that gives `kept.token` (and `kept.expires_in`, seconds), for
            schemes login and oauth2; repeated when the tool answers 401.
        expires_s: how long a token is good when the tool does not say.
    """

    scheme: Scheme = Scheme.NONE
    user: Template | None = None
    password: Template | None = None
    name: str = "Authorization"
    value: Template | None = None
    login: Call | None = None
    expires_s: int = 3600


@dataclass(frozen=True, slots=True)
class Resolve:
    """A code of ours to an id of the tool: asked once, remembered for `cache_s` seconds.

    Attributes:
        items, match: when the tool lists everything: the list, and what must equal the
            code in the item whose `value` is taken.
    """

    call: Call
    value: Pick
    items: str | None = None
    match: Pick | None = None
    cache_s: int = 3600


@dataclass(frozen=True, slots=True)
class Watermark:
    """How changes are polled.

    Attributes:
        by: `time`, a lower bound on the moment of change; or `page`, for a list of events
            that only grows at its end, oldest first.
        total: for `page`, expression of the number of events in the whole list.
        overlap_s: how far back each poll begins: a tool's clock has whole seconds, and
            its transactions commit late.
        page_size: items in a full page; a full page means that there may be more.
        date_format: of the tool's dates (strptime) when they are not ISO 8601.
        timezone: of dates that carry none.
    """

    by: str = "time"
    total: str | None = None
    overlap_s: int = 300
    page_size: int = 100
    date_format: str | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class RestBlocks:
    """Everything of a profile of kind `rest`."""

    operations: Mapping[str, Operation]
    auth: Auth = field(default_factory=Auth)
    resolves: Mapping[str, Resolve] = field(default_factory=dict)
    headers: tuple[Field, ...] = ()
    xml_answers: bool = False
    namespaces: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    throughput: Throughput = field(default_factory=Throughput)
    watermark: Watermark = field(default_factory=Watermark)
