"""Numbers as clients type them: ASCII decimals, with a point or a French comma."""

from __future__ import annotations

import re
from typing import Final

from open311.domain.errors import InvalidRequest
from open311.formats.text import quoted

# float() would also read "nan", "inf", "1_0" and the digits of every script. Of
# exponents only the small ones pass: Java writes 0.0005 as 5.0E-4, and the
# Greenwich meridian crosses France.
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE]-[0-9]{1,2})?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_MAX_INTEGER_LENGTH: Final = 18

# Seven decimals of a degree are a centimetre on the ground.
_DEGREE_DECIMALS: Final = 7
# Where RGF93 / Lambert-93 (EPSG:2154) coordinates of mainland France lie, in metres.
_LAMBERT93_M: Final = ((90_000, 1_300_000), (6_000_000, 7_200_000))


def parse_coordinate(text: str, *, field: str, bound: float) -> float:
    """Read a latitude or a longitude in degrees, rounded to seven decimals.

    Args:
        text: an ASCII decimal; ``48,8133`` reads as 48.8133.
        field: the GeoReport parameter, ``lat`` or ``long``, named in the error.
        bound: the greatest absolute value, 90 for ``lat`` and 180 for ``long``.

    Raises:
        InvalidRequest: not a decimal number, or out of range (clause C-112). Where
            the number looks like Lambert-93 metres (EPSG:2154), the message says so.
    """
    value = _decimal(text, field=field, expected="un nombre décimal (degrés WGS 84)")
    if abs(value) <= bound:
        return round(value, _DEGREE_DECIMALS) + 0.0  # no "-0.0" on the wire
    hint = ""
    if any(low <= value <= high for low, high in _LAMBERT93_M):
        hint = (
            " La valeur ressemble à des mètres Lambert-93 (EPSG:2154) : "
            "convertissez-la en degrés WGS 84 (EPSG:4326)."
        )
    raise InvalidRequest(
        f"{field} : une valeur entre -{bound:g} et {bound:g} degrés est attendue, "
        f"reçu {quoted(text)}.{hint}",
        field=field,
    )


def parse_decimal(text: str, *, field: str, minimum: float, maximum: float) -> float:
    """Read a decimal number (``1.5`` or ``1,5``) within inclusive bounds.

    Raises:
        InvalidRequest: not an ASCII decimal number, or out of bounds.
    """
    value = _decimal(text, field=field, expected="un nombre décimal")
    if not minimum <= value <= maximum:
        raise _refused(text, field, f"un nombre entre {minimum:g} et {maximum:g}")
    return value


def parse_integer(text: str, *, field: str, minimum: int, maximum: int) -> int:
    """Read a whole number in ASCII digits within inclusive bounds.

    Raises:
        InvalidRequest: not a whole number, or out of bounds (trust.md F2, F6).
    """
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped) is None:
        raise _refused(text, field, "un nombre entier")
    # The length first: int() takes time in the square of it.
    if len(stripped) > _MAX_INTEGER_LENGTH or not minimum <= int(stripped) <= maximum:
        raise _refused(text, field, f"un nombre entier entre {minimum} et {maximum}")
    return int(stripped)


def _decimal(text: str, *, field: str, expected: str) -> float:
    stripped = text.strip()
    if _DECIMAL.fullmatch(stripped) is None:
        raise _refused(text, field, expected)
    return float(stripped.replace(",", "."))


def _refused(text: str, field: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{field} : {expected} est attendu, reçu {quoted(text)}.", field=field)
