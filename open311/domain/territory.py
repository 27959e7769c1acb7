"""Territories: where a jurisdiction, or one of its services, holds."""

from __future__ import annotations

from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from open311.domain.errors import InvalidRequest


@dataclass(frozen=True, eq=False)
class Territory:
    """A named area of one public body.

    Attributes:
        id: stable, as `fr:commune:94037`.
        level: `commune`, `ept`, `epci`, `departement`…
        boundary: (multi)polygon in WGS 84 degrees, axis order (long, lat) as in GeoJSON
            (RFC 7946).
    """

    id: str
    name: str
    level: str
    boundary: BaseGeometry

    def __post_init__(self) -> None:
        """Prepare the boundary: each later test costs microseconds."""
        shapely.prepare(self.boundary)

    def contains(self, lat: float, long: float) -> bool:
        """Tell whether a WGS 84 position (degrees) lies here.

        A point on the border counts as inside: two neighbours may both hold it.

        Raises:
            InvalidRequest: lat or long is out of range or not finite.
        """
        if not (-90 <= lat <= 90 and -180 <= long <= 180):
            raise InvalidRequest("lat, long : position hors du globe.", field="lat")
        return bool(shapely.intersects_xy(self.boundary, long, lat))
