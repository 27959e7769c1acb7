"""The folder in which jurisdiction files of these tests find their boundaries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.jurisdiction_texts import RING, SQUARE, feature


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the boundaries that the files of these tests name."""
    path = tmp_path_factory.mktemp("files")
    swapped = [[[lat, long] for long, lat in RING]]
    raised = [[[long, lat, 35.0] for long, lat in RING]]
    bow_tie = [[[2.3, 48.8], [2.4, 48.9], [2.4, 48.8], [2.3, 48.9], [2.3, 48.8]]]
    metres = [[[6.5e5, 6.86e6], [6.6e5, 6.86e6], [6.6e5, 6.87e6], [6.5e5, 6.86e6]]]
    far = [[[5.0, 45.0], [5.1, 45.0], [5.1, 45.1], [5.0, 45.0]]]
    polygons = {
        "swapped": swapped,
        "bow-tie": bow_tie,
        "metres": metres,
        "far": far,
        "void": [],
        "raised": raised,
    }
    features = [
        feature("fr:commune:94037", SQUARE, name="Ville", level="commune"),
        feature("nord", SQUARE),
        feature("point", {"type": "Point", "coordinates": [2.3, 48.8]}),
        feature("null", None),
        feature("nan", {"type": "Polygon", "coordinates": [[[float("nan"), 1], [2, 3], [4, 5]]]}),
        feature("open", {"type": "Polygon", "coordinates": [[[2.3, 48.8], [2.4, 48.8]]]}),
        *(
            feature(id_, {"type": "Polygon", "coordinates": coordinates})
            for id_, coordinates in polygons.items()
        ),
    ]
    collection = {"type": "FeatureCollection", "features": features}
    (path / "areas.geojson").write_text(json.dumps(collection))
    (path / "bare.geojson").write_text(json.dumps(SQUARE))
    (path / "list.geojson").write_text("[]")
    (path / "broken.geojson").write_text("{")
    (path / "empty.geojson").write_text('{"type": "FeatureCollection"}')
    lambert = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2154"}}
    legacy = {"type": "FeatureCollection", "crs": lambert, "features": [features[6]]}
    legacy["features"] = [item for item in features if item["id"] == "metres"]
    (path / "lambert.geojson").write_text(json.dumps(legacy))
    return path
