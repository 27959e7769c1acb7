"""Reports that look real: deterministic, in French, inside real boundaries.

Proportions come from `fixtures/synthesis_profile.json`, measured on the open data
that its README names; words, people and streets are invented.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

from open311.config.shipped import shipped_path
from open311.domain.attributes import takes_answers
from open311.domain.request import Kind, Reporter, RequestDraft
from open311.domain.service import Attribute, Datatype, Service
from open311.domain.territory import Territory
from open311.operations.installation import Side

#: How far back reports go.
SPAN_DAYS = 120
PHOTO_SHARE = 0.1
_OTHER_CATEGORY_PCT = 0.8
_KINDS = ((Kind.REPORT, 94), (Kind.SUGGESTION, 4), (Kind.PRAISE, 2))
#: A place where things happen again and again: its share of reports, and how near they fall.
_HOT_SHARE = 0.4
_HOT_SAME_SERVICE = 0.7
_JITTER_DEGREES = 0.00006  # about 6 m
_REPORTS_PER_HOT_PLACE = 40
_REPORTER_SHARE = 0.6
_OPTIONAL_ANSWER_SHARE = 0.3


@dataclass(frozen=True)
class Profile:
    """Measured proportions, and words."""

    shares: Mapping[str, Any]
    texts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GeneratedReport:
    """One report before it is posted.

    Attributes:
        requested_datetime: when it is posted, whole second, UTC.
        place: its number among places where reports repeat; None elsewhere.
    """

    side: Side
    draft: RequestDraft
    requested_datetime: datetime
    is_staff: bool
    has_photo: bool
    place: tuple[int, int] | None


def read_profile() -> Profile:
    """The shipped profile."""
    shares = json.loads(shipped_path("fixtures/synthesis_profile.json").read_text("utf-8"))
    texts = tomllib.loads(shipped_path("fixtures/synthesis_texts.toml").read_text("utf-8"))
    return Profile(shares, texts)


def generate_reports(
    profile: Profile, sides: Sequence[Side], count: int, *, seed: int, now: datetime
) -> Iterator[GeneratedReport]:
    """Make reports in the order of their dates, the same for the same arguments.

    Args:
        sides: where; each gets an equal share.
        now: the last report is older than this; the first by up to `SPAN_DAYS`.
    """
    random = Random(seed)  # noqa: S311 - the same reports each time
    moments = _moments(profile, count, random, now)
    per_side = max(1, count // max(1, len(sides)))
    towns = [_Town(profile, side, index, per_side, random) for index, side in enumerate(sides)]
    for moment in moments:
        yield random.choice(towns).report(moment)


def _moments(profile: Profile, count: int, random: Random, now: datetime) -> list[datetime]:
    """Dates over the span, by month, weekday and hour; hours are French ones, near enough."""
    days = [now.date() - timedelta(days=back) for back in range(SPAN_DAYS)]
    months = profile.shares["month_pct_zurich_jan_to_dec"]
    weekdays = profile.shares["day_of_week_pct_zurich_mon_to_sun"]
    weights = [months[day.month - 1] * weekdays[day.weekday()] for day in days]
    hours = profile.shares["hour_of_day_pct_los_angeles"]
    found: list[datetime] = []
    while len(found) < count:
        missing = count - len(found)
        drawn_days = random.choices(days, weights, k=missing)
        drawn_hours = random.choices(range(24), hours, k=missing)
        for day, hour in zip(drawn_days, drawn_hours, strict=True):
            moment = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
            moment += timedelta(seconds=random.randrange(3600) - 3600)
            if moment < now:
                found.append(moment)
    return sorted(found)


class _Town:
    """One side's places, services and words to draw from."""

    def __init__(
        self, profile: Profile, side: Side, index: int, count: int, random: Random
    ) -> None:
        self._profile, self._side, self._index, self._random = profile, side, index, random
        services = [each for each in side.jurisdiction.services.values() if not each.withdrawn]
        self._services = services
        self._weights = list(accumulate(_service_weights(profile, services)))
        hot = max(4, count // _REPORTS_PER_HOT_PLACE)
        boundary = side.jurisdiction.boundary
        self._hot = [(_place_in(boundary, random), self._service()) for _ in range(hot)]
        self._hot_weights = list(accumulate(1 / rank for rank in range(1, hot + 1)))

    def report(self, moment: datetime) -> GeneratedReport:
        random = self._random
        lat, long, service, place = self._where()
        is_staff = random.random() < self._profile.shares["nogent_staff_share_of_reporters"]
        return GeneratedReport(
            side=self._side,
            draft=self._draft(service, lat, long, moment, is_staff=is_staff),
            requested_datetime=moment,
            is_staff=is_staff,
            has_photo=random.random() < PHOTO_SHARE,
            place=place,
        )

    def _service(self) -> Service:
        return self._random.choices(self._services, cum_weights=self._weights)[0]

    def _where(self) -> tuple[float, float, Service, tuple[int, int] | None]:
        """A place, a service that is offered there, and the number of a hot place."""
        random, jurisdiction = self._random, self._side.jurisdiction
        service, place = self._service(), None
        lat, long = 0.0, 0.0
        if random.random() < _HOT_SHARE:
            number = random.choices(range(len(self._hot)), cum_weights=self._hot_weights)[0]
            (lat, long), usual = self._hot[number]
            lat, long = _near(jurisdiction.boundary, lat, long, random)
            if random.random() < _HOT_SAME_SERVICE:
                service, place = usual, (self._index, number)
        else:
            lat, long = _place_in(jurisdiction.boundary, random)
        if service.territories:
            offered = list(jurisdiction.services_at(lat, long))
            if service not in offered:
                service, place = random.choice(offered), None
        return lat, long, service, place

    def _draft(
        self, service: Service, lat: float, long: float, moment: datetime, *, is_staff: bool
    ) -> RequestDraft:
        random, texts = self._random, self._profile.texts
        street, number = random.choice(texts["voies"]), random.randrange(1, 120)
        where = random.choice(texts["ou"]).format(n=number, voie=street)
        subject = random.choice(texts["categories"].get(service.category) or ["Problème constaté"])
        more = f" {random.choice(texts['suites'])}" if random.random() < 0.6 else ""
        channels = self._profile.shares["channels_pct_paris_pavement"]
        return RequestDraft(
            service_code=service.service_code,
            lat=lat,
            long=long,
            address=f"{number} {street}, {self._side.jurisdiction.boundary.name}",
            description=f"{subject} {where}.{more}",
            title=subject if random.random() < 0.5 else None,
            kind=random.choices([kind for kind, _ in _KINDS], [pct for _, pct in _KINDS])[0],
            attributes=_answers(service, moment, where, random),
            reporter=Reporter() if is_staff else _reporter(texts, random),
            channel=random.choices(list(channels), list(channels.values()))[0],
        )


def _service_weights(profile: Profile, services: Sequence[Service]) -> list[float]:
    """The share of each service: its category's, parted among the category's services."""
    shares = profile.shares["nogent_category_shares_pct"]
    of_category = [each.category for each in services]
    return [
        shares.get(each.category, _OTHER_CATEGORY_PCT) / of_category.count(each.category)
        for each in services
    ]


def _place_in(territory: Territory, random: Random) -> tuple[float, float]:
    """A position (lat, long) inside, any with equal chance in degrees."""
    west, south, east, north = territory.boundary.bounds
    while True:
        lat, long = round(random.uniform(south, north), 6), round(random.uniform(west, east), 6)
        if territory.contains(lat, long):
            return lat, long


def _near(territory: Territory, lat: float, long: float, random: Random) -> tuple[float, float]:
    """A position some metres from another, or that one where the border is too near."""
    moved = (
        round(random.gauss(lat, _JITTER_DEGREES), 6),
        round(random.gauss(long, _JITTER_DEGREES), 6),
    )
    return moved if territory.contains(*moved) else (lat, long)


def _reporter(texts: Mapping[str, Any], random: Random) -> Reporter:
    """An invented resident: addresses of example.org, numbers that ARCEP keeps for fiction."""
    if random.random() > _REPORTER_SHARE:
        return Reporter()
    number = random.randrange(10_000)
    return Reporter(
        email=f"habitant{number}@example.org",
        first_name=random.choice(texts["prenoms"]),
        last_name=random.choice(texts["noms"]),
        phone=f"+33 6 39 98 {number // 100:02} {number % 100:02}",
    )


def _answers(
    service: Service, moment: datetime, where: str, random: Random
) -> dict[str, list[str]]:
    return {
        attribute.code: _answer(attribute, moment, where, random)
        for attribute in service.attributes
        if takes_answers(attribute)
        and not attribute.automated
        and (attribute.required or random.random() < _OPTIONAL_ANSWER_SHARE)
    }


def _answer(attribute: Attribute, moment: datetime, where: str, random: Random) -> list[str]:
    keys = [value.key for value in attribute.values]
    match attribute.datatype:
        case Datatype.SINGLEVALUELIST:
            return [random.choice(keys)]
        case Datatype.MULTIVALUELIST:
            return random.sample(keys, k=random.randrange(1, min(3, len(keys)) + 1))
        case Datatype.NUMBER:
            return [str(random.randrange(1, 40) / 2)]
        case Datatype.DATETIME:
            return [(moment - timedelta(hours=random.randrange(2, 200))).isoformat()]
        case Datatype.STRING:
            return [f"{random.choice('ABCD')}-{random.randrange(1, 400)}"]
        case Datatype.TEXT:
            return [f"Précision : {where}."]
