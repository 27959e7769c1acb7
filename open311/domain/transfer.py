"""A request that comes from elsewhere with its own past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from open311.domain.errors import Open311Error
from open311.domain.request import RequestDraft
from open311.domain.status import Stage, Visibility


class BrokenFile(Open311Error):
    """A file that cannot be read to its end: what came before was read."""


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One request of a file, read and cleaned, not yet judged.

    Attributes:
        draft: what a client would have posted; its service_code may be empty.
        service_name: names the service where there is no code.
        reference: its id where it comes from.
        closed_datetime: when it was closed; None when open, or not said.
        visibility: None when the file does not say.
    """

    draft: RequestDraft
    stage: Stage
    requested_datetime: datetime
    updated_datetime: datetime
    closed_datetime: datetime | None = None
    expected_datetime: datetime | None = None
    reference: str | None = None
    service_name: str | None = None
    status_notes: str | None = None
    agency_responsible: str | None = None
    service_notice: str | None = None
    is_staff: bool = False
    visibility: Visibility | None = None
