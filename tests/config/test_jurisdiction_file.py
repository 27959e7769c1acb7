"""Jurisdiction files: what is wrong in them, all at once, and what they become."""

from __future__ import annotations

import contextlib
import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from open311.config.errors import JurisdictionFileError
from open311.config.jurisdiction_file import (
    document_from_content,
    jurisdiction_from_document,
    read_jurisdiction_file,
)
from open311.config.shipped import shipped_path
from open311.domain.crs import to_wgs84
from open311.domain.service import ServiceType

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the boundaries that the files of these tests name."""
    path = tmp_path_factory.mktemp("files")
    swapped = [[[lat, long] for long, lat in RING]]
    raised = [[[long, lat, 35.0] for long, lat in RING]]
    bow_tie = [[[2.3, 48.8], [2.4, 48.9], [2.4, 48.8], [2.3, 48.9], [2.3, 48.8]]]
    metres = [[[6.5e5, 6.86e6], [6.6e5, 6.86e6], [6.6e5, 6.87e6], [6.5e5, 6.86e6]]]
    far = [[[5.0, 45.0], [5.1, 45.0], [5.1, 45.1], [5.0, 45.0]]]
    polygons = {
        "swapped": swapped,
        "bow-tie": bow_tie,
        "metres": metres,
        "far": far,
        "void": [],
        "raised": raised,
    }
    features = [
        feature("fr:commune:94037", SQUARE, name="Ville", level="commune"),
        feature("nord", SQUARE),
        feature("point", {"type": "Point", "coordinates": [2.3, 48.8]}),
        feature("null", None),
        feature("nan", {"type": "Polygon", "coordinates": [[[float("nan"), 1], [2, 3], [4, 5]]]}),
        feature("open", {"type": "Polygon", "coordinates": [[[2.3, 48.8], [2.4, 48.8]]]}),
        *(
            feature(id_, {"type": "Polygon", "coordinates": coordinates})
            for id_, coordinates in polygons.items()
        ),
    ]
    collection = {"type": "FeatureCollection", "features": features}
    (path / "areas.geojson").write_text(json.dumps(collection))
    (path / "bare.geojson").write_text(json.dumps(SQUARE))
    (path / "list.geojson").write_text("[]")
    (path / "broken.geojson").write_text("{")
    (path / "empty.geojson").write_text('{"type": "FeatureCollection"}')
    lambert = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2154"}}
    legacy = {"type": "FeatureCollection", "crs": lambert, "features": [features[6]]}
    legacy["features"] = [item for item in features if item["id"] == "metres"]
    (path / "lambert.geojson").write_text(json.dumps(legacy))
    return path


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


@pytest.mark.parametrize(
    "boundary",
    [
        '{ file = "areas.geojson", id = "metres", epsg = 2154 }',
        '{ file = "lambert.geojson", id = "metres" }',
    ],
)
def test_a_boundary_in_lambert_93_is_reprojected(folder: Path, boundary: str) -> None:
    text = GOOD.replace('{ file = "areas.geojson", id = "fr:commune:94037" }', boundary)
    geometry = shapely.from_geojson(json.dumps(document_of(folder, text)["boundary"]["geometry"]))
    # IGN's own conversion of (650000, 6860000): 2°19'09.2" E, 48°50'22" N, to the second.
    assert geometry.bounds[0] == pytest.approx(2.3188, abs=2e-3)
    assert geometry.bounds[1] == pytest.approx(48.8395, abs=2e-3)


def test_a_frame_that_the_file_contradicts_is_told(folder: Path) -> None:
    boundary = '{ file = "lambert.geojson", id = "metres", epsg = 3857 }'
    text = GOOD.replace('{ file = "areas.geojson", id = "fr:commune:94037" }', boundary)
    assert any(fault.startswith("boundary.epsg : ") for fault in faults_of(folder, text))


def test_axis_order_is_longitude_first_whatever_the_registry_says() -> None:
    """EPSG:4171 (RGF93) is latitude first in the registry."""
    point = to_wgs84(shapely.Point(2.35, 48.85), 4171)
    assert (point.x, point.y) == pytest.approx((2.35, 48.85), abs=1e-6)


def test_altitudes_are_dropped(folder: Path) -> None:
    area = document_of(folder, GOOD.replace("fr:commune:94037", "raised"))["boundary"]
    assert area["geometry"] == SQUARE


def test_a_bare_geometry_takes_the_name_the_file_gives_it(folder: Path) -> None:
    boundary = '{ file = "bare.geojson", id = "ville", name = "La ville", level = "commune" }'
    text = GOOD.replace('{ file = "areas.geojson", id = "fr:commune:94037" }', boundary)
    area = document_of(folder, text)["boundary"]
    assert (area["id"], area["name"], area["level"]) == ("ville", "La ville", "commune")


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


SHIPPED = sorted(shipped_path("fixtures/jurisdictions").glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_jurisdiction_is_sound(path: Path) -> None:
    document = read_jurisdiction_file(path)
    city = jurisdiction_from_document(json.loads(json.dumps(document)), changeset=None)
    assert path.stem == city.jurisdiction_id
    assert city.illustrative
    assert city.languages == ("fr", "en")
    assert 8 <= len(city.services) <= 14
    assert list(city.services_at(None, None)) == list(city.services.values())
    for service in city.services.values():
        assert service.service_name.into("en") != service.service_name.into("fr")
    raw = json.loads(
        (path.parent / tomllib.loads(path.read_text())["boundary"]["file"]).read_text()
    )
    (area,) = (item for item in raw["features"] if item["id"] == city.boundary.id)
    assert area["properties"]["siren"] == city.siren
    assert area["properties"].get("insee") == city.insee


def test_the_shipped_set_shows_everything_a_catalogue_can_hold() -> None:
    cities = [
        jurisdiction_from_document(read_jurisdiction_file(p), changeset=None) for p in SHIPPED
    ]
    services = [service for city in cities for service in city.services.values()]
    attributes = [attribute for service in services for attribute in service.attributes]
    assert {"gentilly.fr", "nantesmetropole.fr", "nantes.fr"} <= {c.jurisdiction_id for c in cities}
    assert {service.type for service in services} == set(ServiceType)
    assert len({attribute.datatype for attribute in attributes}) == 6
    assert {attribute.automated for attribute in attributes} == {None, "hidden_field", "server_set"}
    assert {attribute.variable for attribute in attributes} == {True, False}
    assert {attribute.public for attribute in attributes} == {True, False}
    assert {service.moderated for service in services} == {True, None}


def test_some_services_hold_only_in_some_communes() -> None:
    path = shipped_path("fixtures/jurisdictions/nantesmetropole.fr.toml")
    nantes_metropole = jurisdiction_from_document(read_jurisdiction_file(path), changeset=None)
    in_nantes = {each.service_code for each in nantes_metropole.services_at(47.2184, -1.5536)}
    in_carquefou = {each.service_code for each in nantes_metropole.services_at(47.2970, -1.4910)}
    assert in_nantes - in_carquefou == {"proprete-centre", "berges-loire", "stationnement-payant"}
    assert in_carquefou < in_nantes
