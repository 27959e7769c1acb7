"""Destinations in the jurisdiction file: every fault at once, no secret repeated."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from open311.config.errors import JurisdictionFileError
from open311.config.jurisdiction_file import jurisdiction_from_document, read_jurisdiction_file
from open311.config.shipped import shipped_path
from open311.domain.delivery import Destination

GOOD = """
[[destinations]]
name = "gentilly-gmao"
profile = "redmine"
services = ["proprete"]
epsg = 3949
allowed_networks = ["10.20.0.0/16", "fd00::/8"]
poll_s = 60
[destinations.settings]
base_url = "https://gmao.example"
project_id = 12
strict = true
[destinations.secrets]
api_key = "env:GMAO_KEY"
password = "file:/run/secrets/gmao"
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Read Gentilly's file with an end of our own."""
    source = shipped_path("fixtures/jurisdictions/gentilly.fr.toml")
    shutil.copytree(shipped_path("fixtures/boundaries"), tmp_path / "boundaries")
    (tmp_path / "jurisdictions").mkdir()
    path = tmp_path / "jurisdictions" / "gentilly.fr.toml"

    def read(end: str) -> dict[str, Any]:
        path.write_text(source.read_text(encoding="utf-8") + end, encoding="utf-8")
        return read_jurisdiction_file(path)

    return read


def test_a_destination_becomes_a_domain_object(read: Any) -> None:
    jurisdiction = jurisdiction_from_document(read(GOOD), changeset=None)
    assert jurisdiction.destinations == (
        Destination(
            name="gentilly-gmao",
            profile="redmine",
            services=("proprete",),
            settings={"base_url": "https://gmao.example", "project_id": "12", "strict": "true"},
            secrets={"api_key": "env:GMAO_KEY", "password": "file:/run/secrets/gmao"},
            allowed_networks=("10.20.0.0/16", "fd00::/8"),
            epsg=3949,
            alert_after_s=86_400,
            poll_s=60,
        ),
    )
    assert [d.name for d in jurisdiction.destinations_for("proprete")] == ["gentilly-gmao"]
    assert list(jurisdiction.destinations_for("depot-sauvage")) == []


def test_a_file_without_destinations_has_none(read: Any) -> None:
    assert jurisdiction_from_document(read(""), changeset=None).destinations == ()


def test_the_path_of_a_profile_starts_at_the_jurisdiction_file(read: Any, tmp_path: Path) -> None:
    (tmp_path / "jurisdictions" / "ours.toml").write_text("")
    document = read(GOOD.replace('"redmine"', '"ours.toml"'))
    assert document["destinations"][0]["profile"] == str(tmp_path / "jurisdictions" / "ours.toml")


FAULTS = [
    ('name = "gentilly-gmao"', 'name = "Gentilly GMAO"', "destinations[0].name"),
    ('profile = "redmine"', 'profile = "none.toml"', "destinations[0].profile"),
    ('profile = "redmine"\n', "", "destinations[0].profile"),
    ('"proprete"', '"propreté"', "destinations[0].services[0]"),
    ("epsg = 3949", "epsg = 99999", "destinations[0].epsg"),
    ("epsg = 3949", "epsg = 5720", "destinations[0].epsg"),  # heights, not positions
    ('"10.20.0.0/16"', '"10.20.0.1/16"', "destinations[0].allowed_networks[0]"),
    ('"fd00::/8"', '"localhost"', "destinations[0].allowed_networks[1]"),
    ("poll_s = 60", "poll_s = 1", "destinations[0].poll_s"),
    ("poll_s = 60", "pol_s = 60", "destinations[0].pol_s"),
    ("strict = true", "strict = [1]", "destinations[0].settings.strict"),
    ('"env:GMAO_KEY"', '"s3cret-value"', "destinations[0].secrets.api_key"),
    ('"file:/run/secrets/gmao"', '"file:relative"', "destinations[0].secrets.password"),
]


@pytest.mark.parametrize(("good", "bad", "where"), FAULTS)
def test_a_fault_is_told_at_its_key(read: Any, good: str, bad: str, where: str) -> None:
    assert good in GOOD
    with pytest.raises(JurisdictionFileError) as caught:
        read(GOOD.replace(good, bad))
    assert [fault.partition(" : ")[0] for fault in caught.value.faults] == [where]
    assert "s3cret-value" not in str(caught.value)


def test_all_faults_are_told_at_once_and_a_name_is_taken_once(read: Any) -> None:
    with pytest.raises(JurisdictionFileError) as caught:
        read(GOOD.replace("epsg = 3949", "epsg = 0") + GOOD)
    told = [fault.partition(" : ")[0] for fault in caught.value.faults]
    assert told == ["destinations[0].epsg", "destinations[1].name"]
