"""The documentation of settings and of jurisdiction files says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from open311.config.errors import JurisdictionFileError
from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.config.settings import settings_table
from open311.config.shipped import shipped_path
from open311.domain.category import CATEGORIES

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "jurisdiction-file.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_one_the_code_writes() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8").endswith("\n\n" + settings_table())


def test_the_example_of_the_guide_is_a_sound_file(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0]
    ring = [[2.3, 48.8], [2.4, 48.8], [2.4, 48.9], [2.3, 48.8]]
    polygon = {"type": "Polygon", "coordinates": [ring]}
    (tmp_path / "ville.geojson").write_text(json.dumps(polygon))
    path = tmp_path / "ville.toml"
    path.write_text(example, encoding="utf-8")
    assert len(read_jurisdiction_file(path)["services"]) == 2


def test_the_faults_shown_in_the_guide_are_told_word_for_word(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0]
    wrong = example.replace('"ville.fr"', '"Ville.fr"').replace('"string"', '"int"')
    (tmp_path / "ville.toml").write_text(wrong.replace('category = "ill', 'categry = "ill'))
    with pytest.raises(JurisdictionFileError) as caught:
        read_jurisdiction_file(tmp_path / "ville.toml")
    shown = re.findall(r"^((?:jurisdiction_id|services\[).*)$", GUIDE, re.MULTILINE)
    assert len([line for line in shown if " : " in line]) == 3
    assert {line for line in shown if " : " in line} <= set(caught.value.faults)


def keys_of(value: Any) -> set[str]:
    """Every key of a normalised document, languages and geometries left out."""
    if isinstance(value, list):
        return set().union(*(keys_of(item) for item in value))
    if not isinstance(value, dict) or "fr" in value or "coordinates" in value:
        return set()
    return set(value).union(*(keys_of(item) for item in value.values()))


def test_every_key_of_the_file_is_explained() -> None:
    path = shipped_path("fixtures/jurisdictions/nantesmetropole.fr.toml")
    keys = keys_of(read_jurisdiction_file(path)) - {"geometry"} | {"file", "epsg"}
    explained = set(re.findall(r"`([a-z_]+)`", GUIDE))
    assert len(keys) > 40
    assert keys <= explained


@pytest.mark.parametrize("category", list(CATEGORIES))
def test_every_category_is_named_in_the_guide(category: str) -> None:
    assert f"`{category}`" in GUIDE
