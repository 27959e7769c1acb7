"""The fields of one request: clean text under GeoReport's names, and photos.

Here, in one place, stands what the field has taught about names: an empty
value or ``null`` is no value (C-014), old names are aliases, an attribute has
four spellings (C-115 to C-118).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from open311.domain.errors import InvalidRequest
from open311.formats.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What some clients send, and GeoReport's word for it (which wins if both are there).
ALIASES: Final = {"address": "address_string", "deviceid": "device_id"}

# Text in which line breaks mean something; attribute values are the others.
_MULTILINE: Final = frozenset({"description", "status_notes"})
# attribute[CODE], attribute[CODE][], attribute[CODE][0]
_ATTRIBUTE: Final = re.compile(r"attribute\[([^\[\]]{1,200})\](?:\[[0-9]*\])?")


@dataclass(frozen=True, slots=True)
class Fields:
    """What one source (a query string or a body) says, or both merged.

    Text is clean (:func:`open311.formats.text.clean_text`), on one line except
    for free texts and attributes; blank values are not there at all.

    Attributes:
        texts: the values of each name, in order; every tuple holds at least one.
        attribute_texts: the values of each attribute code, in order.
        files: the uploaded files, whatever their field was called.
    """

    texts: Mapping[str, tuple[str, ...]]
    attribute_texts: Mapping[str, tuple[str, ...]]
    files: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], files: tuple[bytes, ...] = ()) -> Self:
        """Clean decoded pairs and sort them under their names.

        Raises:
            InvalidRequest: a name or a value holds NUL.
        """
        texts: dict[str, tuple[str, ...]] = {}
        attributes: dict[str, tuple[str, ...]] = {}
        for received_name, received in pairs:
            name = clean_text(received_name, one_line=True)
            code = attribute_code(name)
            keeps_lines = code is not None or name in _MULTILINE
            value = clean_text(received, one_line=not keeps_lines, field=name[:80])
            if is_blank(value) or not name:
                continue
            values, key = (texts, name) if code is None else (attributes, code)
            values[key] = (*values.get(key, ()), value)
        for alias, word in ALIASES.items():
            if alias in texts:
                texts.setdefault(word, texts.pop(alias))
        return cls(texts, attributes, files)

    def one(self, name: str) -> str | None:
        """Return the value of a single-valued parameter, or None if it was not given.

        Raises:
            InvalidRequest: two different values were given (trust.md C1).
        """
        values = self.texts.get(name)
        if values is None:
            return None
        if any(value != values[0] for value in values):
            raise InvalidRequest(
                f"{name} : plusieurs valeurs différentes ont été reçues, une seule est attendue.",
                field=name,
            )
        return values[0]

    def many(self, name: str, *, comma_list: bool = False) -> list[str]:
        """Return the different values of a parameter that may be repeated, in order.

        Args:
            name: the parameter.
            comma_list: whether each value is itself a list separated by commas;
                spaces round the commas do not count (C-185).
        """
        values = self.texts.get(name, ())
        if comma_list:
            values = tuple(item.strip() for value in values for item in value.split(","))
        return [value for value in dict.fromkeys(values) if value]

    def attributes(self) -> dict[str, list[str]]:
        """Return the values of ``attribute[CODE]`` by code, in the order received.

        Spellings ``attribute[CODE][]`` and ``attribute[CODE][0]`` and a repeated
        ``attribute[CODE]`` mean the same. Whether a code exists and may have
        several values is the definition's affair.
        """
        return {code: list(values) for code, values in self.attribute_texts.items()}

    def merged_over(self, query: Fields) -> Fields:
        """Return this body's fields with those of the query string beneath (C-131).

        A name that the body gives hides the query's values of that name.
        """
        return Fields(
            {**query.texts, **self.texts},
            {**query.attribute_texts, **self.attribute_texts},
            self.files,
        )


def attribute_code(name: str) -> str | None:
    """Return CODE of a parameter name ``attribute[CODE]…``, or None for any other name."""
    match = _ATTRIBUTE.fullmatch(name) if name.startswith("attribute") else None
    return match[1] if match else None


def is_blank(value: str) -> bool:
    """Tell whether a value means "not given": empty, spaces only, or the word null."""
    stripped = value.strip()
    return not stripped or stripped == "null"
