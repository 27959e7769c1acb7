"""The jurisdictions that come with the server are sound, and show all that a catalogue can hold."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from open311.config.jurisdiction_file import jurisdiction_from_document, read_jurisdiction_file
from open311.config.shipped import shipped_path
from open311.domain.service import ServiceType

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
