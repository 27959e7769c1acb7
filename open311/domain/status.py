"""The life of a request: our stages, and how each standard shows them.

The table is the state map of the GeoReport reference: GeoReport's `status` knows
`open` and `closed` only (C-188); CitySDK's `detailed_status` (X-03) and the
statuses of FixMyStreet's updates (X-14) carry the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from open311.domain.errors import NotAllowed


class Stage(StrEnum):
    """Where a request stands, in our own words."""

    RECEIVED = "received"
    QUALIFIED = "qualified"
    PLANNED = "planned"
    IN_PROGRESS = "in_progress"
    FORWARDED = "forwarded"
    OUTSIDE = "outside"
    DUPLICATE = "duplicate"
    NO_FOLLOW_UP = "no_follow_up"
    DONE = "done"
    ARCHIVED = "archived"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class PublicStatus:
    """How one stage is shown: `status`, `detailed_status`, status of an update."""

    status: str
    detailed_status: str
    update_status: str


PUBLIC_STATUS: dict[Stage, PublicStatus] = {
    Stage.RECEIVED: PublicStatus("open", "RECEIVED", "OPEN"),
    Stage.QUALIFIED: PublicStatus("open", "IN_PROCESS", "INVESTIGATING"),
    Stage.PLANNED: PublicStatus("open", "IN_PROCESS", "ACTION_SCHEDULED"),
    Stage.IN_PROGRESS: PublicStatus("open", "IN_PROCESS", "IN_PROGRESS"),
    Stage.FORWARDED: PublicStatus("open", "IN_PROCESS", "INTERNAL_REFERRAL"),
    Stage.OUTSIDE: PublicStatus("closed", "REJECTED", "NOT_COUNCILS_RESPONSIBILITY"),
    Stage.DUPLICATE: PublicStatus("closed", "REJECTED", "DUPLICATE"),
    Stage.NO_FOLLOW_UP: PublicStatus("closed", "REJECTED", "NO_FURTHER_ACTION"),
    Stage.DONE: PublicStatus("closed", "PROCESSED", "FIXED"),
    Stage.ARCHIVED: PublicStatus("closed", "ARCHIVED", "CLOSED"),
    Stage.REOPENED: PublicStatus("open", "IN_PROCESS", "REOPEN"),
}

#: Statuses that an update may carry (X-14), and the stage each leads to; None = no change.
STAGE_OF_UPDATE: dict[str, Stage | None] = {
    **{shown.update_status: stage for stage, shown in PUBLIC_STATUS.items()},
    "CLOSED": Stage.DONE,
    "PLANNED": Stage.PLANNED,
    "CANCELLED": Stage.NO_FOLLOW_UP,
    "NOT_RESPONSIBLE": Stage.OUTSIDE,
    "FOR_TRIAGE": Stage.QUALIFIED,
    "UNCHANGED": None,
}


class Visibility(StrEnum):
    """Who may read a request.

    PENDING is readable by its id with text, photo and place withheld (X-16);
    the last four are answered 404, as if unknown (C-214).
    """

    PUBLIC = "public"
    PENDING = "pending"
    REJECTED = "rejected"
    SPAM = "spam"
    ERASED = "erased"
    PRIVATE = "private"


def is_open(stage: Stage) -> bool:
    """Whether GeoReport shows this stage as `open`."""
    return PUBLIC_STATUS[stage].status == "open"


def check_transition(current: Stage, wanted: Stage) -> None:
    """Refuse a step that would contradict the history.

    A closed request is first reopened; only then can work on it be announced.
    Between open stages, and from open to closed, every step is allowed.

    Raises:
        NotAllowed: the request is closed and `wanted` is an open stage other than
            REOPENED, or the request is open and `wanted` is REOPENED.
    """
    if wanted is Stage.REOPENED and is_open(current):
        raise NotAllowed("La demande est déjà ouverte : il n'y a rien à rouvrir.")
    if not is_open(current) and is_open(wanted) and wanted is not Stage.REOPENED:
        raise NotAllowed("La demande est close : rouvrez-la d'abord (open311 request reopen).")
