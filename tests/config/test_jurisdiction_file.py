"""Jurisdiction files: what is wrong in them, all at once, and what they become."""

from __future__ import annotations

import contextlib
import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open311.config.errors import JurisdictionFileError
from open311.config.jurisdiction_file import (
    document_from_content,
    jurisdiction_from_document,
    read_jurisdiction_file,
)
from open311.domain.service import ServiceType
from tests.config.jurisdiction_texts import GOOD, document_of, faults_of


def test_a_good_file_becomes_a_jurisdiction(folder: Path) -> None:
    document = document_of(folder, GOOD)
    ville = jurisdiction_from_document(json.loads(json.dumps(document)), changeset=None)
    assert (ville.jurisdiction_id, ville.name, ville.languages) == (
        "ville.fr",
        "Ville",
        ("fr", "en"),
    )
    assert str(ville.timezone) == "Europe/Paris"
    assert (ville.outside, ville.moderated, ville.token_delay_s) == ("refuse", False, 0)
    assert (ville.boundary.id, ville.boundary.name, ville.boundary.level) == (
        "fr:commune:94037",
        "Ville",
        "commune",
    )
    assert ville.boundary.contains(48.85, 2.35)
    assert not ville.boundary.contains(2.35, 48.85)
    assert list(ville.services) == ["depot", "trou"]


def test_a_service_of_the_file_is_told_in_both_languages(folder: Path) -> None:
    ville = jurisdiction_from_document(document_of(folder, GOOD), changeset=None)
    depot = ville.service("depot")
    assert (depot.service_name.into("fr"), depot.service_name.into("en")) == ("Dépôt", "Dump")
    assert depot.description.into("en") == "Un dépôt sauvage"
    assert depot.keywords == ("dépôt", "sac")
    assert depot.territories == ("nord",)
    assert (depot.metadata, ville.service("trou").metadata) == (True, False)
    assert ville.service("trou").type is ServiceType.BATCH
    info, how_many = depot.attributes
    assert [(each.code, each.order) for each in depot.attributes] == [("INFO", 1), ("HOWMANY", 2)]
    assert (info.variable, how_many.variable) == (False, True)
    assert how_many.required
    assert [(value.key, value.name.into("en")) for value in how_many.values] == [
        ("1", "Un"),
        ("2", "Two"),
    ]


def test_the_document_is_the_same_after_json(folder: Path) -> None:
    document = document_of(folder, GOOD)
    assert json.loads(json.dumps(document)) == document


ASKED = "services[0].attributes"

FAULTS = [
    # (text of the good file, what replaces it, path of the fault, word of the sentence)
    ('"ville.fr"', '"Ville.fr"', "jurisdiction_id", "minuscules"),
    ('"ville.fr"', '"v2"', "jurisdiction_id", "réservé"),
    ('"ville.fr"', '"test"', "jurisdiction_id", "réservé"),
    ('"ville.fr"', f'"{"a" * 65}"', "jurisdiction_id", "64"),
    ('jurisdiction_id = "ville.fr"', "", "jurisdiction_id", "absente"),
    ('name = "Ville"', "name = 7", "name", "texte"),
    ('name = "Ville"', 'name = "  "', "name", "vide"),
    ('name = "Ville"', 'name = "a\\u0007b"', "name", "contrôle"),
    ('name = "Ville"', 'nane = "V"\nname = "Ville"', "nane", "« name »"),
    ('name = "Ville"', 'name = "Ville"\nsiren = "219400372"', "siren", "contrôle"),
    ('name = "Ville"', 'name = "Ville"\nsiren = "12"', "siren", "9 chiffres"),
    ('name = "Ville"', 'name = "Ville"\ninsee = "9403"', "insee", "INSEE"),
    ('name = "Ville"', 'name = "Ville"\noutside = "maybe"', "outside", "refuse, accept"),
    ('name = "Ville"', 'name = "Ville"\nmoderated = 1', "moderated", "true ou false"),
    ('name = "Ville"', 'name = "Ville"\ntoken_delay_s = true', "token_delay_s", "entier"),
    ('name = "Ville"', 'name = "Ville"\ntoken_delay_s = -1', "token_delay_s", "entre 0"),
    ('name = "Ville"', 'name = "Ville"\nretention_days = 0', "retention_days", "entre 1"),
    ('name = "Ville"', 'name = "Ville"\n[[bodies]]\nid = "a"', "bodies", "inconnue"),
    ("Europe/Paris", "Europe/Lutece", "timezone", "fuseau"),
    ("Europe/Paris", "../../etc/passwd", "timezone", "fuseau"),
    ('language = "fr"', 'language = "de"', "languages", "« de »"),
    ('["fr", "en"]', '["fr", "anglais"]', "languages[1]", "code de langue"),
    ('["fr", "en"]', '"fr"', "languages", "liste"),
    ('["fr", "en"]', '["fr"]', "services[0].service_name.en", "déclarée"),
    ('file = "areas.geojson", id = "fr', 'file = "no.geojson", id = "fr', "boundary.file", "lu"),
    ('file = "areas.geojson", id = "fr', 'file = "list.geojson", id = "fr', "boundary.file", "pas"),
    ('file = "areas.geojson", id = "fr', 'file = "empty.geojson", id = "fr', "boundary.file", "f"),
    ('file = "areas.geojson", id = "fr', 'file = "broken.geojson", id = "fr', "boundary.file", ""),
    ('id = "fr:commune:94037"', 'id = "fr:commune:9403"', "boundary.id", "94037"),
    ('id = "fr:commune:94037"', 'id = "swapped"', "boundary.file", "inversées"),
    ('id = "fr:commune:94037"', 'id = "metres"', "boundary.file", "epsg = 2154"),
    ('id = "fr:commune:94037"', 'id = "bow-tie"', "boundary.file", "valide"),
    ('id = "fr:commune:94037"', 'id = "point"', "boundary.file", "Polygon"),
    ('id = "fr:commune:94037"', 'id = "null"', "boundary.file", "géométrie"),
    ('id = "fr:commune:94037"', 'id = "nan"', "boundary.file", "géométrie"),
    ('id = "fr:commune:94037"', 'id = "open"', "boundary.file", "géométrie"),
    ('id = "fr:commune:94037"', 'id = "void"', "boundary.file", "vide"),
    ('94037" }', '94037", epsg = 999999 }', "boundary.epsg", "EPSG:999999"),
    ('94037" }', '94037", level = "comune" }', "boundary.level", "« commune »"),
    ('94037" }', '94037", color = "red" }', "boundary.color", "inconnue"),
    ("boundary =", "#", "boundary", "absente"),
    ('id = "nord"', 'id = "far"', "territories[0].id", "hors du contour"),
    ('id = "nord"', 'id = "fr:commune:94037"', "territories[0].id", "boundary"),
    ('["nord"]', '["sud"]', "services[0].territories[0]", "« sud »"),
    ('"depot"', '"dépôt"', "services[0].service_code", "64 lettres"),
    ('"depot"', '"a b"', "services[0].service_code", "64 lettres"),
    ('"depot"', '"042"', "services[0].service_code", "zéro"),
    ('"depot"', '"trou"', "services[1].service_code", "services[0]"),
    ('"depot"', "42", "services[0].service_code", "texte"),
    ('{ fr = "Dépôt", en = "Dump" }', '{ en = "Dump" }', "services[0].service_name.fr", "absente"),
    ('{ fr = "Dépôt", en = "Dump" }', "7", "services[0].service_name", "table"),
    ('{ fr = "Dépôt", en = "Dump" }', '""', "services[0].service_name", "vide"),
    ('en = "Dump"', "en = 7", "services[0].service_name.en", "texte"),
    ('description = "Un trou"', "", "services[1].description", "absente"),
    ('category = "roads"', 'category = "road"', "services[1].category", "« roads »"),
    ('category = "roads"', "", "services[1].category", "absente"),
    ('type = "batch"', 'type = "Batch"', "services[1].type", "« batch »"),
    ('type = "batch"', "expected_hours = 0", "services[1].expected_hours", "entre 1"),
    ('["dépôt", "sac"]', '["dépôt, sac"]', "services[0].keywords[0]", "virgule"),
    ('["dépôt", "sac"]', '["dépôt", "Private"]', "services[0].keywords[1]", "réservé"),
    ('["dépôt", "sac"]', '["dépôt", ""]', "services[0].keywords[1]", "vide"),
    ('["dépôt", "sac"]', '"dépôt,sac"', "services[0].keywords", "liste"),
    ('"INFO"', '"INFO-1"', f"{ASKED}[0].code", "40 lettres"),
    ('"INFO"', '"HOWMANY"', f"{ASKED}[1].code", "attributes[0]"),
    ('datatype = "string"', 'datatype = "int"', f"{ASKED}[0].datatype", "number"),
    ("variable = false", "variable = false\nrequired = true", f"{ASKED}[0].required", "variable"),
    ("required = true", 'required = true\nautomated = "server_set"', f"{ASKED}[1].required", "s"),
    ("required = true", 'automated = "server"', f"{ASKED}[1].automated", "server_set"),
    ('"singlevaluelist"', '"text"', f"{ASKED}[1].values", "ne propose pas"),
    ('datatype = "string"', 'datatype = "multivaluelist"', f"{ASKED}[0].values", "au moins"),
    ('key = "2"', 'key = "1"', f"{ASKED}[1].values[1].key", "values[0]"),
    ('key = "2"', 'key = ""', f"{ASKED}[1].values[1].key", "vide"),
    ('key = "2"', 'clef = "2"', f"{ASKED}[1].values[1].key", "absente"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "path", "word"), FAULTS)
def test_each_fault_is_told_with_its_key(
    folder: Path, before: str, after: str, path: str, word: str
) -> None:
    assert before in GOOD
    faults = faults_of(folder, GOOD.replace(before, after, 1))
    told = [fault for fault in faults if fault.startswith(f"{path} : ")]
    assert told, faults
    assert word in told[0]
    assert told[0].endswith(".")


def test_a_file_without_services_is_refused(folder: Path) -> None:
    head = GOOD.partition("[[services]]")[0]
    assert faults_of(folder, head) == ["services : clé obligatoire, absente."]
    (fault,) = faults_of(folder, head.replace("[[territories]]", "services = []\n[[territories]]"))
    assert fault.startswith("services : ")


def test_all_faults_are_told_at_once(folder: Path) -> None:
    wrong = GOOD
    changes = [change for change in FAULTS if change[0] in ('"ville.fr"', '"INFO"', "Europe/Paris")]
    for before, after in {before: after for before, after, _, _ in changes}.items():
        wrong = wrong.replace(before, after, 1)
    wrong = wrong.replace('category = "roads"', "")
    assert {fault.partition(" : ")[0] for fault in faults_of(folder, wrong)} == {
        "jurisdiction_id",
        "timezone",
        "services[0].attributes[1].code",
        "services[1].category",
    }


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"a = ", "TOML"),
        (b"\xff\xfe", "UTF-8"),
        (b"a = " + b"[" * 100_000, "imbriquées"),
    ],
)
def test_a_file_that_is_not_toml_is_told(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "ville.toml"
    path.write_bytes(content)
    with pytest.raises(JurisdictionFileError, match=word):
        read_jurisdiction_file(path)


def test_a_file_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(JurisdictionFileError, match="ne peut pas être lu"):
        read_jurisdiction_file(tmp_path / "none.toml")


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["fr", "nord", "areas.geojson", "text", "multivaluelist", "roads", "point"]),
    st.lists(st.integers() | st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a nested value that something else can take."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


def put(content: Any, path: tuple[Any, ...], value: object) -> None:
    """Change one place, unless an earlier change took it away."""
    with contextlib.suppress(TypeError, KeyError, IndexError):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value


CONTENT = tomllib.loads(GOOD)

PLACES = places(CONTENT)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(PLACES), junk), min_size=1, max_size=4))
def test_any_mutation_is_accepted_or_refused_with_keys(
    folder: Path, changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    """Nothing crashes; what is accepted makes a jurisdiction, also after JSON."""
    content = copy.deepcopy(CONTENT)
    for path, value in changes:
        put(content, path, value)
    faults: list[str] = []
    document = document_from_content(content, folder=folder, faults=faults)
    assert all(" : " in fault for fault in faults)
    if not faults:
        jurisdiction_from_document(json.loads(json.dumps(document)), changeset=None)


@settings(max_examples=100)
@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.text(max_size=10))
def test_any_edit_of_the_text_is_accepted_or_refused(
    folder: Path, start: int, length: int, insert: str
) -> None:
    path = folder / "edited.toml"
    text = GOOD[:start] + insert + GOOD[start + length :]
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        document = read_jurisdiction_file(path)
    except JurisdictionFileError as error:
        faults = error.faults
    else:
        faults = ("accepted",)
        jurisdiction_from_document(document, changeset=None)
    assert faults
