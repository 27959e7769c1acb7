"""The closed list of transforms, and how fields become documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.adapters.mapping import document
from open311.adapters.profile import CodeTable, Transform, UnmappedValue
from open311.adapters.transforms import Means, no_resolver, transformed

MEANS = Means(
    {"nature": CodeTable({"Voirie": "12"}), "open": CodeTable({"a": "1"}, default="9")},
    lambda name, code: f"{name}:{code}",
)
NOON = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)

#: Value, name, argument, options, and what comes out.
CASES: list[tuple[Any, str, Any, dict[str, Any], Any]] = [
    ("Éclairage public", "truncate", 9, {}, "Éclairag…"),
    ("court", "truncate", 9, {}, "court"),
    ("<p>Un&nbsp;trou<br>ici</p>", "strip_html", None, {}, "Un\xa0trou\nici"),
    ("a<b & 'c'", "html_escape", None, {}, "a&lt;b &amp; &#x27;c&#x27;"),
    ("a\nb", "html_breaks", None, {}, "a<br>b"),
    ("é", "upper", None, {}, "É"),
    ("É", "lower", None, {}, "é"),
    (12, "text", None, {}, "12"),
    (True, "text", None, {}, "true"),
    (NOON, "date", "iso", {}, "2026-07-01T10:00:00+00:00"),
    (NOON, "date", "%d/%m/%Y %H:%M", {"tz": "Europe/Paris"}, "01/07/2026 12:00"),
    ("2026-07-01T10:00:00Z", "date", "%H:%M", {"tz": "Indian/Reunion"}, "14:00"),
    (48.81299999, "number", 4, {}, 48.813),
    ("48,5", "number", 1, {}, 48.5),
    ("12", "number", 0, {}, 12),
    (2.5, "number", 2, {"decimal": ","}, "2,50"),
    (["a", "", "b"], "join", " ; ", {}, "a ; b"),
    (None, "default", "rien", {}, "rien"),
    ("", "default", "rien", {}, "rien"),
    ("x", "default", "rien", {}, "x"),
    (" voirie", "table", "nature", {}, "12"),
    ("autre", "table", "open", {}, "9"),
    (["Voirie", "Voirie"], "table", "nature", {}, ["12", "12"]),
    ("S1", "resolve", "site", {}, "site:S1"),
    ("06 12.34-56 78", "phone_fr", "national", {}, "0612345678"),
    ("06 12 34 56 78", "phone_fr", "international", {}, "+33612345678"),
    ("+33 (0)6 12 34 56 78", "phone_fr", "national", {}, "0612345678"),
    ("+32 2 123 45 67", "phone_fr", "national", {}, "+3221234567"),
    (b"\xff\xd8", "base64", None, {}, "/9g="),
    ("é", "base64", None, {}, "w6k="),
    ("a", "hash", 8, {}, "ca978112"),
    (None, "truncate", 3, {}, None),
    (None, "table", "nature", {}, None),
]


@pytest.mark.parametrize(("value", "name", "argument", "options", "expected"), CASES)
def test_each_transform_does_what_its_name_says(
    value: object, name: str, argument: object, options: dict[str, Any], expected: object
) -> None:
    assert transformed(value, (Transform(name, argument, options),), MEANS) == expected


@pytest.mark.parametrize(
    ("value", "name", "argument"),
    [("proprete", "table", "nature"), ("douze", "number", 0), ("nan?", "number", 2)],
)
def test_what_has_no_place_in_the_tool_is_refused(value: str, name: str, argument: object) -> None:
    with pytest.raises(UnmappedValue):
        transformed(value, (Transform(name, argument),), MEANS)


def test_a_look_up_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnmappedValue):
        transformed("x", (Transform("resolve", "site"),), Means({}, no_resolver))


@given(st.text(), st.integers(1, 40))
def test_a_truncated_text_is_never_longer_than_asked(text: str, limit: int) -> None:
    assert len(transformed(text, (Transform("truncate", limit),), MEANS) or "") <= limit


def test_dotted_paths_nest_and_numbers_are_places() -> None:
    pairs = [
        ("issue.subject", "Trou"),
        ("issue.custom_fields.0.id", 7),
        ("issue.custom_fields.0.value", "k"),
        ("issue.custom_fields.2.id", 9),
        ("mime-type", "x"),
    ]
    assert document(pairs) == {
        "issue": {"subject": "Trou", "custom_fields": [{"id": 7, "value": "k"}, {"id": 9}]},
        "mime-type": "x",
    }
