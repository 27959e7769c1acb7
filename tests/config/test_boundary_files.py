"""Boundaries that a jurisdiction file names: their reference frame, axes and names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely

from open311.domain.crs import to_wgs84
from tests.config.jurisdiction_texts import GOOD, SQUARE, document_of, faults_of


@pytest.mark.parametrize(
    "boundary",
    [
        '{ file = "areas.geojson", id = "metres", epsg = 2154 }',
        '{ file = "lambert.geojson", id = "metres" }',
    ],
)
def test_a_boundary_in_lambert_93_is_reprojected(folder: Path, boundary: str) -> None:
    text = GOOD.replace('{ file = "areas.geojson", id = "fr:commune:94037" }', boundary)
    geometry = shapely.from_geojson(json.dumps(document_of(folder, text)["boundary"]["geometry"]))
    # IGN's own conversion of (650000, 6860000): 2°19'09.2" E, 48°50'22" N, to the second.
    assert geometry.bounds[0] == pytest.approx(2.3188, abs=2e-3)
    assert geometry.bounds[1] == pytest.approx(48.8395, abs=2e-3)


def test_a_frame_that_the_file_contradicts_is_told(folder: Path) -> None:
    boundary = '{ file = "lambert.geojson", id = "metres", epsg = 3857 }'
    text = GOOD.replace('{ file = "areas.geojson", id = "fr:commune:94037" }', boundary)
    assert any(fault.startswith("boundary.epsg : ") for fault in faults_of(folder, text))


def test_axis_order_is_longitude_first_whatever_the_registry_says() -> None:
    """EPSG:4171 (RGF93) is latitude first in the registry."""
    point = to_wgs84(shapely.Point(2.35, 48.85), 4171)
    assert (point.x, point.y) == pytest.approx((2.35, 48.85), abs=1e-6)


def test_altitudes_are_dropped(folder: Path) -> None:
    area = document_of(folder, GOOD.replace("fr:commune:94037", "raised"))["boundary"]
    assert area["geometry"] == SQUARE


def test_a_bare_geometry_takes_the_name_the_file_gives_it(folder: Path) -> None:
    boundary = '{ file = "bare.geojson", id = "ville", name = "La ville", level = "commune" }'
    text = GOOD.replace('{ file = "areas.geojson", id = "fr:commune:94037" }', boundary)
    area = document_of(folder, text)["boundary"]
    assert (area["id"], area["name"], area["level"]) == ("ville", "La ville", "commune")
