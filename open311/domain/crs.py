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
#: About 1 m: what the way there and back may differ by.
_RETURN_DEG = 1e-5


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


def from_wgs84(lat: float, long: float, epsg: int) -> tuple[float, float]:
    """The position in another frame, for a tool that wants one: (x, y), x to the east.

    Args:
        lat, long: WGS 84 degrees.
        epsg: code of the EPSG registry: 2154, 3942 to 3950 (CC zones), overseas zones…

    Returns:
        Easting and northing in the frame's unit (metres for projected ones), to the
        millimetre; longitude and latitude in degrees for a geographic frame.

    Raises:
        ValueError: the registry has no such frame, the position lies outside its area
            of use (EPSG registry), or the way back does not lead to the same place.
    """
    west, south, east, north = _area_of_use(epsg)
    within = west <= long <= east if west <= east else long >= west or long <= east
    if not (within and south <= lat <= north):
        raise ValueError(f"lat {lat}, long {long} is outside the area of use of EPSG:{epsg}")
    if epsg == WGS84_EPSG:
        return long, lat
    x, y = _transformer(epsg).transform(long, lat, direction="INVERSE")
    long_back, lat_back = _transformer(epsg).transform(x, y)
    if not (abs(lat_back - lat) < _RETURN_DEG and abs(long_back - long) < _RETURN_DEG):
        raise ValueError(f"lat {lat}, long {long} cannot be expressed in EPSG:{epsg}")
    decimals = 3 if _frame(epsg).is_projected else DECIMALS
    return round(x, decimals), round(y, decimals)


def is_known(epsg: int) -> bool:
    """Whether the EPSG registry has this code as a reference frame of positions."""
    try:
        frame = _frame(epsg)
    except ValueError:
        return False
    return frame.area_of_use is not None and len(frame.axis_info) == 2


@lru_cache(maxsize=8)
def _transformer(epsg: int) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(_frame(epsg), WGS84_EPSG, always_xy=True)


@lru_cache(maxsize=32)
def _frame(epsg: int) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_epsg(epsg)
    except CRSError as error:
        raise ValueError(f"EPSG:{epsg} is not a known reference frame") from error


def _area_of_use(epsg: int) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees; west > east when it crosses the antimeridian."""
    area = _frame(epsg).area_of_use
    if area is None:
        raise ValueError(f"EPSG:{epsg} has no area of use")
    return area.west, area.south, area.east, area.north
