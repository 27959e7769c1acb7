"""Generated reports: always the same, inside their territory, in measured proportions."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from open311.domain.request import Photo
from open311.operations.demo_reports import Loading, load_reports
from open311.operations.post_service_request import accept_request
from open311.operations.synthesis import (
    SPAN_DAYS,
    GeneratedReport,
    Profile,
    generate_reports,
    read_profile,
)
from tests.conftest import PUBLIC_URL, World

COUNT = 1500


@pytest.fixture(scope="module")
def profile() -> Profile:
    return read_profile()


@pytest.fixture
def reports(world: World, profile: Profile) -> list[GeneratedReport]:
    sides = [world.side(), world.side("nogent-sur-marne.fr")]
    return list(generate_reports(profile, sides, COUNT, seed=1, now=world.clock.now))


@pytest.fixture(params=["sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    """What is generated does not depend on the engine; loading is shown on both below."""
    return str(request.param)


def test_the_same_seed_makes_the_same_reports(
    world: World, profile: Profile, reports: list[GeneratedReport]
) -> None:
    sides = [world.side(), world.side("nogent-sur-marne.fr")]
    again = generate_reports(profile, sides, COUNT, seed=1, now=world.clock.now)
    assert [each.draft for each in again] == [each.draft for each in reports]
    other = generate_reports(profile, sides, COUNT, seed=2, now=world.clock.now)
    assert [each.draft for each in other] != [each.draft for each in reports]


def test_every_report_passes_the_rules_of_its_jurisdiction(reports: list[GeneratedReport]) -> None:
    for report in reports:
        accept_request(report.side, report.draft, names_at=lambda _lat, _long: [])
        assert report.draft.lat is not None
        assert report.draft.long is not None
        assert report.side.jurisdiction.boundary.contains(report.draft.lat, report.draft.long)


def test_dates_are_in_order_over_the_whole_span(
    world: World, reports: list[GeneratedReport]
) -> None:
    dates = [report.requested_datetime for report in reports]
    assert all(earlier <= later for earlier, later in pairwise(dates))
    assert dates[-1] < world.clock.now
    assert dates[0] < world.clock.now - timedelta(days=90)
    assert dates[0] > world.clock.now - timedelta(days=SPAN_DAYS + 1)


def test_proportions_are_those_of_the_profile(
    profile: Profile, reports: list[GeneratedReport]
) -> None:
    categories = Counter(
        report.side.jurisdiction.services[report.draft.service_code].category for report in reports
    )
    wanted = profile.shares["nogent_category_shares_pct"]["illegal_dumping"] / 100
    assert categories["illegal_dumping"] / COUNT == pytest.approx(wanted, abs=0.15)
    assert sum(report.is_staff for report in reports) / COUNT == pytest.approx(0.5, abs=0.05)
    assert sum(report.has_photo for report in reports) / COUNT == pytest.approx(0.1, abs=0.03)
    places = Counter(
        (round(report.draft.lat or 0, 3), round(report.draft.long or 0, 3)) for report in reports
    )
    assert places.most_common(1)[0][1] > 10


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_loaded_reports_have_lived(
    world: World, profile: Profile, reports: list[GeneratedReport]
) -> None:
    photos = {"": Photo("a" * 64 + ".jpg", "b" * 64 + ".jpg", 800, 600)}
    loading = Loading(profile, PUBLIC_URL, world.clock.now, photos=photos)
    assert sum(load_reports(world.database, reports, loading)) == COUNT
    stages = dict(world.database.rows("SELECT stage, count(*) FROM service_request GROUP BY 1"))
    assert sum(stages.values()) == COUNT
    assert stages["done"] > COUNT / 2
    assert {"received", "planned", "duplicate", "no_follow_up"} <= stages.keys()
    later = world.database.first(
        "SELECT count(*) FROM service_request WHERE updated_datetime > :now",
        {"now": world.clock.now.isoformat().replace("+00:00", "Z")},
    )
    assert later == (0,)
    shown = world.get("/requests.json", extensions="true").get_data(as_text=True)
    assert any(letter in shown for letter in "éèàç")
    for reporter in ("example.org", "+33 6 39 98"):
        assert reporter not in shown
    assert world.count("reporter") > COUNT / 5
    extended = [each["extended_attributes"] for each in json.loads(shown)]
    assert {each["detailed_status"] for each in extended} >= {"PROCESSED", "RECEIVED"}
    assert 0 < sum(bool(each["media_urls"]) for each in extended) < len(extended) / 3
