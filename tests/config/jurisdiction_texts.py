"""A good jurisdiction file that tests spoil, and what reading it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from open311.config.errors import JurisdictionFileError
from open311.config.jurisdiction_file import read_jurisdiction_file

RING = [[2.3, 48.8], [2.4, 48.8], [2.4, 48.9], [2.3, 48.9], [2.3, 48.8]]

SQUARE = {"type": "Polygon", "coordinates": [RING]}

GOOD = """
jurisdiction_id = "ville.fr"
name = "Ville"
language = "fr"
languages = ["fr", "en"]
timezone = "Europe/Paris"
contact = "contact@ville.example"
key_service = "cles@ville.example"
boundary = { file = "areas.geojson", id = "fr:commune:94037" }

[[territories]]
file = "areas.geojson"
id = "nord"

[[services]]
service_code = "depot"
service_name = { fr = "Dépôt", en = "Dump" }
description = "Un dépôt sauvage"
category = "illegal_dumping"
keywords = ["dépôt", "sac"]
territories = ["nord"]

[[services.attributes]]
code = "INFO"
datatype = "string"
variable = false
description = "Lisez ceci"

[[services.attributes]]
code = "HOWMANY"
datatype = "singlevaluelist"
required = true
description = { fr = "Combien ?", en = "How many?" }
values = [{ key = "1", name = "Un" }, { key = "2", name = { fr = "Deux", en = "Two" } }]

[[services]]
service_code = "trou"
service_name = "Trou"
description = "Un trou"
type = "batch"
category = "roads"
"""


def feature(id_: str, geometry: object, **properties: object) -> dict[str, Any]:
    return {"type": "Feature", "id": id_, "properties": properties, "geometry": geometry}


def faults_of(folder: Path, text: str) -> list[str]:
    path = folder / "ville.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(JurisdictionFileError) as caught:
        read_jurisdiction_file(path)
    assert caught.value.path == path
    return list(caught.value.faults)


def document_of(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "ville.toml"
    path.write_text(text, encoding="utf-8")
    return read_jurisdiction_file(path)
