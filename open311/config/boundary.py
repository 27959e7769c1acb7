"""Boundaries of a jurisdiction file: found in GeoJSON files, checked, in WGS 84."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from open311.domain.checked_table import Table, suggestion
from open311.domain.crs import WGS84_EPSG, to_wgs84
from open311.domain.system_reasons import reason_of

TERRITORY_ID = r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}"
LEVELS = (
    "commune",
    "quartier",
    "ept",
    "epci",
    "syndicat",
    "departement",
    "region",
    "etat",
    "autre",
)
# Metropolitan France with a wide margin, in degrees: only to recognise swapped axes.
_FRANCE_LONG = (-6.0, 10.0)
_FRANCE_LAT = (41.0, 52.0)


class BoundaryFiles:
    """The GeoJSON files beside one jurisdiction file, each read once.

    Args:
        folder: where relative paths start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, dict[str, Any]] = {}

    def collection(self, name: str) -> dict[str, Any]:
        """The content of one file.

        Raises:
            ValueError: it cannot be read, or is no GeoJSON object; the message is
                French.
        """
        if name not in self._read:
            self._read[name] = self._load(name)
        return self._read[name]

    def _load(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self._folder / name).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            # The OSError of a path holds the whole path; its kind is enough here.
            reason = reason_of(error) if isinstance(error, OSError) else type(error).__name__
            raise ValueError(f"« {name} » ne peut pas être lu ({reason})") from error
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            raise ValueError(f"« {name} » n'est pas un fichier GeoJSON")  # noqa: TRY004 - told to the operator
        return content


def read_territory(table: Table, files: BoundaryFiles) -> dict[str, Any]:
    """Read one `{ file = …, id = … }`: a normalised territory with its geometry.

    Faults go to the table's list; the result is complete only if none was added.
    """
    told = "des lettres, chiffres, « : », « . », « _ » ou « - »"
    id_ = table.text("id", required=True, pattern=TERRITORY_ID, told=told)
    file = table.text("file", required=True)
    epsg = table.whole("epsg", 1024, 999_999)
    name = table.text("name", limit=200)
    level = table.choice("level", LEVELS)
    table.close()
    found = _feature(table, files, file, id_) if file and id_ else None
    if found is None:
        return {"id": id_, "name": name, "level": level, "geometry": None}
    feature, declared = found
    return {
        "id": id_,
        "name": name or _property(feature, "name", str(id_)),
        "level": level or _property(feature, "level", "autre"),
        "geometry": _geometry(table, feature.get("geometry"), _epsg(table, epsg, declared)),
    }


def _property(feature: dict[str, Any], key: str, default: str) -> str:
    properties = feature.get("properties")
    value = properties.get(key) if isinstance(properties, dict) else None
    return value if isinstance(value, str) and value else default


def _feature(
    table: Table, files: BoundaryFiles, file: str, id_: str
) -> tuple[dict[str, Any], int | None] | None:
    """The feature called `id_`, and the EPSG code that the file declares for itself."""
    try:
        content = files.collection(file)
        features = _features(content)
    except ValueError as error:
        table.fault("file", f"{error}.")
        return None
    named = {_id(feature): feature for feature in features}
    if id_ in named:
        return named[id_], _own_epsg(content)
    if len(features) == 1 and list(named) == [""]:
        return features[0], _own_epsg(content)
    hint = suggestion(id_, [known for known in named if known])
    table.fault("id", f"« {file} » n'a pas d'objet « {id_} »{hint}.")
    return None


def _features(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The features of a collection, of one feature, or of a bare geometry."""
    if content["type"] == "FeatureCollection":
        features = content.get("features")
        if not isinstance(features, list):
            raise ValueError("la collection GeoJSON n'a pas de liste « features »")
        return [feature for feature in features if isinstance(feature, dict)]
    return [content] if content["type"] == "Feature" else [{"geometry": content}]


def _id(feature: dict[str, Any]) -> str:
    own = feature.get("id")
    return own if isinstance(own, str) and own else _property(feature, "id", "")


def _own_epsg(content: dict[str, Any]) -> int | None:
    """The frame that GeoJSON of 2008 could declare, as QGIS still writes it."""
    match = re.search(r'EPSG:{1,2}([0-9]{4,6})"', json.dumps(content.get("crs")))
    return int(match[1]) if match else None


def _epsg(table: Table, wanted: int | None, declared: int | None) -> int:
    if wanted and declared and wanted != declared:
        table.fault("epsg", f"le fichier GeoJSON déclare EPSG:{declared}, pas EPSG:{wanted}.")
    return wanted or declared or WGS84_EPSG


def _geometry(table: Table, raw: object, epsg: int) -> dict[str, Any] | None:
    """The checked geometry as GeoJSON in WGS 84, or None after a fault."""
    try:
        geometry = shapely.force_2d(shapely.from_geojson(json.dumps(raw)))
        geometry = to_wgs84(geometry, epsg)
    except (GEOSException, RecursionError):
        table.fault("file", "la géométrie ne peut pas être lue.")
        return None
    except ValueError:
        table.fault("epsg", f"EPSG:{epsg} n'est pas un système de coordonnées connu.")
        return None
    wrong = boundary_fault(geometry)
    if wrong:
        table.fault("file", f"{wrong}.")
        return None
    plain: dict[str, Any] = json.loads(shapely.to_geojson(geometry))
    return plain


def boundary_fault(geometry: BaseGeometry) -> str | None:
    """What is wrong with a boundary in WGS 84 degrees (long, lat); None if nothing is."""
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        return f"un Polygon ou un MultiPolygon est attendu, pas {geometry.geom_type}"
    if geometry.is_empty:
        return "le contour est vide"
    west, south, east, north = geometry.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        return (
            "coordonnées hors du globe ; si elles sont projetées (Lambert-93…), "
            "déclarez-le : epsg = 2154"
        )
    if _within((west, east), _FRANCE_LAT) and _within((south, north), _FRANCE_LONG):
        return "latitude et longitude semblent inversées (GeoJSON écrit la longitude d'abord)"
    if not geometry.is_valid:
        return f"le contour n'est pas valide ({shapely.is_valid_reason(geometry)})"
    return None


def touch(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two areas share a point; True when one of them could not be read."""
    if not (one["geometry"] and other["geometry"]):
        return True
    shapes = [shapely.from_geojson(json.dumps(area["geometry"])) for area in (one, other)]
    return bool(shapely.intersects(*shapes))


def _within(span: tuple[float, float], limits: tuple[float, float]) -> bool:
    return limits[0] <= span[0] and span[1] <= limits[1]
