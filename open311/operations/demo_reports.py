"""Loading generated reports in bulk, each led through its life by the usual operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from random import Random

from sqlalchemy import Connection

from open311.domain.request import Photo
from open311.domain.status import Stage, Visibility
from open311.operations.follow_up import Step, set_visibility, take_step
from open311.operations.post_service_request import accept_request, post_service_request
from open311.operations.synthesis import GeneratedReport, Profile
from open311.storage.catalogue import StoredKey
from open311.storage.database import Database

_BATCH = 200
#: Quantiles of the hours to close between and beyond those that the profile gives.
_SHORTEST_H, _LONGEST_H, _LATE_SHARE, _LATE_H = 0.5, 2400.0, 0.95, 700.0
_NEVER_CLOSED_SHARE = 0.08
_DUPLICATE_WITHIN = timedelta(days=7)
_DUPLICATE_SHARE = 0.4
_REOPENED_SHARE = 0.03
_MODERATED_AFTER = timedelta(hours=20)
_ENDINGS = (
    (Stage.DONE, 86),
    (Stage.NO_FOLLOW_UP, 8),
    (Stage.OUTSIDE, 3),
    (Stage.ARCHIVED, 3),
)
_MIDDLES = (
    ((Stage.QUALIFIED,), 30),
    ((Stage.QUALIFIED, Stage.PLANNED), 20),
    ((Stage.PLANNED,), 15),
    ((Stage.IN_PROGRESS,), 15),
    ((Stage.FORWARDED,), 5),
    ((), 15),
)


@dataclass
class Loading:
    """What a run of `load_reports` needs beside the reports.

    Attributes:
        public_url: address that documents are rendered for.
        photos: stored photos by category; the empty category suits all others.
        now: nothing happens later.
    """

    profile: Profile
    public_url: str
    now: datetime
    seed: int = 0
    photos: Mapping[str, Photo] | None = None

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - the same lives each time
        self.hours = _closing_hours(self.profile)
        self.last_at: dict[tuple[int, int], tuple[datetime, int]] = {}


def load_reports(
    database: Database, reports: Iterable[GeneratedReport], loading: Loading
) -> Iterator[int]:
    """Post reports and take their steps, a few hundred in each transaction.

    Yields:
        How many reports each transaction stored.
    """
    remaining = iter(reports)
    while batch := list(islice(remaining, _BATCH)):
        database.write(partial(_load, batch=batch, loading=loading))
        yield len(batch)


def _load(connection: Connection, batch: list[GeneratedReport], loading: Loading) -> None:
    for report in batch:
        id_ = _post(connection, report, loading)
        if id_ is not None:
            _live(connection, report, id_, loading)


def _post(connection: Connection, report: GeneratedReport, loading: Loading) -> int | None:
    """Post one report at its date; its id, None for a token or a blackbox."""
    accepted = accept_request(report.side, report.draft, names_at=lambda _lat, _long: [])
    photo = _photo_of(report, accepted.service.category, loading)
    receipt = post_service_request(
        connection,
        report.side,
        accepted,
        photos=(photo,) if photo else (),
        key=_key(report, loading),
        claims=(),
        public_url=loading.public_url,
        now=report.requested_datetime,
    )
    return receipt.service_request_id


def _photo_of(report: GeneratedReport, category: str, loading: Loading) -> Photo | None:
    if not report.has_photo or not loading.photos:
        return None
    return loading.photos.get(category) or loading.photos.get("")


def _key(report: GeneratedReport, loading: Loading) -> StoredKey:
    """Who posts: a name in the column only, no key that would open anything."""
    return StoredKey(
        api_key_id="generated",
        secret_sha256="",
        label="",
        environment=report.side.scope.environment,
        jurisdictions=(),
        rights=("create", "staff") if report.is_staff else ("create",),
        client_reference=None,
        same_body_window_s=0,
        created_datetime=loading.now,
    )


def _live(connection: Connection, report: GeneratedReport, id_: int, loading: Loading) -> None:
    """Publish what was moderated, then take every step that is not in the future."""
    side, public_url = report.side, loading.public_url
    jurisdiction, posted = side.jurisdiction, report.requested_datetime
    service = jurisdiction.services[report.draft.service_code]
    seen = posted + _MODERATED_AFTER * loading.random.random()
    if jurisdiction.is_moderated(service) and seen < loading.now:
        accepted = loading.random.random() < 0.95
        visibility = Visibility.PUBLIC if accepted else Visibility.REJECTED
        set_visibility(connection, side, id_, visibility, public_url=public_url, now=seen)
        if not accepted:
            return
    for moment, step in _steps(report, id_, loading):
        if moment < loading.now:
            take_step(connection, side, id_, step, public_url=public_url, now=moment)


def _steps(report: GeneratedReport, id_: int, loading: Loading) -> Iterator[tuple[datetime, Step]]:
    """The life of one report: looked at, worked on, closed, sometimes opened again."""
    random, posted = loading.random, report.requested_datetime
    closed = posted + timedelta(hours=_drawn_hours(loading))
    parent = _earlier_here(report, id_, loading)
    if parent is not None:
        soon = posted + (closed - posted) * 0.2
        yield soon, _step(Stage.DUPLICATE, loading, parent=parent)
        return
    middles = random.choices([steps for steps, _ in _MIDDLES], [pct for _, pct in _MIDDLES])[0]
    for number, stage in enumerate(middles, start=1):
        yield posted + (closed - posted) * (number / (len(middles) + 1)), _step(stage, loading)
    if random.random() < _NEVER_CLOSED_SHARE:
        return
    ending = random.choices([stage for stage, _ in _ENDINGS], [pct for _, pct in _ENDINGS])[0]
    yield closed, _step(ending, loading)
    if random.random() < _REOPENED_SHARE:
        yield closed + timedelta(days=2), _step(Stage.REOPENED, loading)


def _step(stage: Stage, loading: Loading, *, parent: int | None = None) -> Step:
    random, notes = loading.random, loading.profile.texts["notes"].get(stage.value)
    return Step(
        stage=stage,
        note=random.choice(notes) if notes and random.random() < 0.7 else None,
        internal_note="Vu avec le chef de secteur." if random.random() < 0.1 else None,
        parent_service_request_id=parent,
    )


def _earlier_here(report: GeneratedReport, id_: int, loading: Loading) -> int | None:
    """The report of the same place in the week before, when this one repeats it."""
    if report.place is None:
        return None
    earlier = loading.last_at.get(report.place)
    if (
        earlier is not None
        and report.requested_datetime - earlier[0] < _DUPLICATE_WITHIN
        and loading.random.random() < _DUPLICATE_SHARE
    ):
        return earlier[1]
    loading.last_at[report.place] = (report.requested_datetime, id_)
    return None


def _closing_hours(profile: Profile) -> list[tuple[float, float]]:
    """The measured hours to close as (quantile, hours), with its two ends."""
    measured = profile.shares["time_to_close_hours_los_angeles"]
    return [
        (0.0, _SHORTEST_H),
        (0.25, measured["p25"]),
        (measured["share_under_48h"], 48.0),
        (0.5, measured["median"]),
        (0.75, measured["p75"]),
        (_LATE_SHARE, _LATE_H),
        (1.0, _LONGEST_H),
    ]


def _drawn_hours(loading: Loading) -> float:
    at = loading.random.random()
    for (low, short), (high, long) in zip(loading.hours, loading.hours[1:], strict=False):
        if at <= high:
            return short + (long - short) * (at - low) / (high - low)
    raise AssertionError
