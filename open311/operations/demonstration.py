"""What `open311 demo` stands on: real territories, reports that look real, fresh keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Connection

from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.config.shipped import shipped_path
from open311.domain.request import Photo
from open311.operations.demo_reports import Loading, load_reports
from open311.operations.installation import Installation
from open311.operations.jurisdictions import apply_jurisdiction
from open311.operations.keys import create_key, revoke_key
from open311.operations.synthesis import generate_reports, read_profile

JURISDICTION_ID = "gentilly.fr"
_LABEL = "Démonstration"
_SEED = 311


def apply_shipped_jurisdictions(connection: Connection, *, now: datetime) -> int:
    """Put every shipped jurisdiction file in force; how many there are."""
    files = sorted(shipped_path("fixtures/jurisdictions").glob("*.toml"))
    for path in files:
        apply_jurisdiction(connection, read_jurisdiction_file(path), now=now)
    return len(files)


def load_demo_reports(here: Installation, count: int, photos: Mapping[str, Photo]) -> Iterator[int]:
    """Generate and load reports on every production side.

    Args:
        photos: stored photos by category, `""` for all others.

    Yields:
        How many reports each transaction stored.
    """
    profile, now = read_profile(), here.now()
    sides = [side for side in here.sides.values() if not side.scope.is_test]
    reports = generate_reports(profile, sides, count, seed=_SEED, now=now)
    loading = Loading(profile, public_url=here.public_url, now=now, seed=_SEED, photos=photos)
    return load_reports(here.database, reports, loading)


def renew_keys(connection: Connection, here: Installation) -> tuple[str, str]:
    """Fresh keys for production and for test endpoints; those of the last start end."""
    now = here.now()
    for old in here.keys.values():
        if old.label == _LABEL and old.revoked_datetime is None:
            revoke_key(connection, old, now=now)
    production, test = (
        create_key(
            connection,
            label=_LABEL,
            jurisdictions=["*"],
            rights=["create", "update"],
            environment=environment,
            now=now,
        )
        for environment in ("production", "test")
    )
    return production, test
