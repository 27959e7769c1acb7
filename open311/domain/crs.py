"""Coordinate reference systems: the one place where axis order is written.

Inside the server every position is WGS 84 (EPSG:4326) in degrees. Geometries are
(long, lat) as in GeoJSON (RFC 7946), whatever order the EPSG registry gives.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyproj
import shapely
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

WGS84_EPSG = 4326
#: 8 decimals of a degree are about 1 mm.
DECIMALS = 8


def to_wgs84(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """Reproject a geometry to WGS 84 degrees, (long, lat).

    Args:
        geometry: coordinates in the frame `epsg`, easting or longitude first.
        epsg: code of the EPSG registry (2154 is Lambert-93).

    Returns:
        A new geometry; coordinates that cannot be reprojected come out infinite.

    Raises:
        ValueError: the registry has no such frame.
    """
    if epsg == WGS84_EPSG:
        return geometry
    transformer = _transformer(epsg)

    def reproject(coordinates: Any) -> Any:
        turned = coordinates.copy()
        x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
        turned[:, 0], turned[:, 1] = x.round(DECIMALS), y.round(DECIMALS)
        return turned

    return shapely.transform(geometry, reproject)


@lru_cache(maxsize=8)
def _transformer(epsg: int) -> pyproj.Transformer:
    try:
        return pyproj.Transformer.from_crs(epsg, WGS84_EPSG, always_xy=True)
    except CRSError as error:
        raise ValueError(f"EPSG:{epsg} is not a known reference frame") from error
