"""Positions in the frames that business tools ask for (control points: EPSG registry, PROJ 9.5)."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.crs import from_wgs84, is_known, to_wgs84

GENTILLY = (48.8130, 2.3444)  # lat, long
NIMES = (43.8367, 4.3601)

POINTS = [
    (GENTILLY, 2154, (651856.48, 6857192.14)),
    (GENTILLY, 3949, (1651853.69, 8179413.75)),
    (NIMES, 2154, (809395.58, 6305129.81)),
    (NIMES, 3944, (1809373.36, 3182758.98)),
]


@pytest.mark.parametrize(("place", "epsg", "expected"), POINTS)
def test_a_control_point_comes_out_east_then_north(
    place: tuple[float, float], epsg: int, expected: tuple[float, float]
) -> None:
    assert from_wgs84(*place, epsg) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("place", "epsg", "expected"), POINTS)
def test_a_control_point_comes_back_long_then_lat(
    place: tuple[float, float], epsg: int, expected: tuple[float, float]
) -> None:
    back = to_wgs84(shapely.Point(*expected), epsg)
    assert (back.y, back.x) == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize(("_", "epsg", "__"), POINTS)
def test_swapped_axes_are_refused_not_sent(_: object, epsg: int, __: object) -> None:
    lat, long = GENTILLY
    with pytest.raises(ValueError, match="outside the area of use"):
        from_wgs84(long, lat, epsg)


OVERSEAS = [
    (16.24, -61.53, 5490),  # Pointe-à-Pitre
    (4.93, -52.33, 2972),  # Cayenne
    (-20.88, 55.45, 2975),  # Saint-Denis
    (-12.78, 45.23, 4471),  # Mamoudzou
    (46.78, -56.17, 4467),  # Saint-Pierre
    (-22.27, 166.45, 3163),  # Nouméa
    (-17.53, -149.57, 3297),  # Papeete
    (-13.28, -176.18, 8903),  # Mata-Utu: its frame crosses the antimeridian
]


@pytest.mark.parametrize(("lat", "long", "epsg"), OVERSEAS)
def test_every_overseas_zone_has_its_frame_and_no_other_place(
    lat: float, long: float, epsg: int
) -> None:
    x, y = from_wgs84(lat, long, epsg)
    back = to_wgs84(shapely.Point(x, y), epsg)
    assert (back.y, back.x) == pytest.approx((lat, long), abs=1e-6)
    with pytest.raises(ValueError, match="outside the area of use"):
        from_wgs84(*GENTILLY, epsg)


def test_wgs84_itself_is_longitude_then_latitude() -> None:
    assert from_wgs84(*GENTILLY, 4326) == (2.3444, 48.8130)


@pytest.mark.parametrize(("epsg", "known"), [(2154, True), (9794, True), (4326, True),
                                             (99999, False), (5720, False)])  # fmt: skip
def test_only_frames_of_positions_are_known(epsg: int, known: bool) -> None:
    assert is_known(epsg) is known


@given(st.floats(48.0, 49.9), st.floats(-1, 7))
def test_there_and_back_is_the_same_place_to_a_centimetre(lat: float, long: float) -> None:
    back = to_wgs84(shapely.Point(*from_wgs84(lat, long, 3949)), 3949)
    assert (back.y, back.x) == pytest.approx((lat, long), abs=1e-7)
