"""What a client asks of the request list (GET Service Requests)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from open311.domain.errors import InvalidRequest

WINDOW = timedelta(days=90)
#: The first and the last moment that a date can name.
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
MAX_PAGE_SIZE = 1000
MAX_OFFSET = 100_000
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Box:
    """A box of WGS 84 degrees, sides included."""

    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle: centre in WGS 84 degrees, radius in metres."""

    lat: float
    long: float
    radius_m: float

    def box(self) -> Box:
        """The smallest box around the circle, a little larger near the poles."""
        dlat = self.radius_m / METRES_PER_DEGREE
        shrink = max(math.cos(math.radians(min(89.0, abs(self.lat) + dlat))), 0.01)
        dlong = dlat / shrink
        return Box(self.lat - dlat, self.long - dlong, self.lat + dlat, self.long + dlong)

    @property
    def metres_per_degree_long(self) -> float:
        """Metres of one degree of longitude here (sphere: right to 0.3 % inside a city)."""
        return METRES_PER_DEGREE * math.cos(math.radians(self.lat))


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the stream of changes (incremental sync).

    Attributes:
        epoch: rises with each restore; a cursor of another epoch starts again.
        change, request_key: the last change already seen.
    """

    epoch: int = 0
    change: int = 0
    request_key: int = 0


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """One question to the request list. Empty tuples and None do not filter.

    Datetimes are aware UTC, both ends included (C-175). `service_request_id`
    overrides everything else (C-172). `page` counts from 1.
    """

    service_request_id: tuple[int, ...] | None = None
    service_code: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    start_date: datetime | None = None
    end_date: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    bbox: Box | None = None
    circle: Circle | None = None
    agency_responsible: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    is_staff: bool | None = None
    q: str | None = None
    cursor: Cursor | None = None
    page: int = 1
    page_size: int = MAX_PAGE_SIZE
    count: bool = False
    extensions: bool = False

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * self.page_size

    @property
    def is_windowed(self) -> bool:
        """Whether the default window applies: nothing names ids, dates or changes."""
        return (
            self.service_request_id is None
            and self.cursor is None
            and self.updated_after is None
            and self.updated_before is None
        )

    @property
    def box(self) -> Box | None:
        """The box to search: what was asked, or what surrounds the circle."""
        return self.bbox or (self.circle.box() if self.circle else None)

    def within_window(self, now: datetime, *, clamp: bool) -> RequestFilter:
        """The filter with both dates set, never more than 90 days apart (C-170, C-177, C-178).

        One date gives the other; none gives the last 90 days; the change window
        (X-04), a cursor and ids know no 90 days.

        Raises:
            InvalidRequest: the span is over 90 days and `clamp` is false, or the
                start is after the end (C-179).
        """
        if not self.is_windowed:
            return self
        start, end = self.start_date, self.end_date
        if start is None:
            end = end or now
            return replace(self, start_date=earlier(end, WINDOW), end_date=end)
        if end is None:
            return replace(self, end_date=start + min(WINDOW, LAST - start))
        if start > end:
            raise InvalidRequest("start_date : la date de début suit end_date.", field="start_date")
        if end - start > WINDOW and not clamp:
            raise InvalidRequest(
                "start_date, end_date : la période demandée dépasse 90 jours ; "
                "réduisez-la ou suivez les changements avec cursor=0.",
                field="start_date",
            )
        return replace(self, start_date=max(start, earlier(end, WINDOW)))


def earlier(moment: datetime, by: timedelta) -> datetime:
    """A moment before another, never before the first year there is."""
    return moment - min(by, moment - FIRST)
