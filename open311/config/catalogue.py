"""Services and their attributes in a jurisdiction file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from open311.domain.category import CATEGORIES
from open311.domain.checked_table import Table, refuse_twins, suggestion
from open311.domain.service import Datatype, ServiceType

#: Keywords on which FixMyStreet acts (clause C-066).
RESERVED_KEYWORDS = frozenset({"private", "inactive", "staff", "waste_only"})
AUTOMATED = ("hidden_field", "server_set")
SERVICE_CODE = r"[A-Za-z1-9_-][A-Za-z0-9_-]{0,63}"
ATTRIBUTE_CODE = r"[A-Za-z0-9_]{1,40}"


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages that texts of the file may have; `main` is the one they must have."""

    main: str
    declared: tuple[str, ...]


def read_services(
    tables: list[Table], languages: Languages, territory_ids: Collection[str]
) -> list[dict[str, Any]]:
    """Read the catalogue: one normalised service per table.

    Every fault goes to the tables' list of faults; what is returned is complete
    only if none was added.
    """
    services = [_service(table, languages, territory_ids) for table in tables]
    refuse_twins(tables, "service_code", [service["service_code"] for service in services])
    return services


def _service(table: Table, languages: Languages, territory_ids: Collection[str]) -> dict[str, Any]:
    service = {
        "service_code": table.text(
            "service_code",
            required=True,
            pattern=SERVICE_CODE,
            told="1 à 64 lettres, chiffres, « _ » ou « - », sans zéro en tête",
        ),
        "service_name": localized(table, "service_name", languages, required=True, limit=200),
        "description": localized(table, "description", languages, required=True),
        "type": table.choice("type", list(ServiceType)) or ServiceType.REALTIME.value,
        "keywords": _keywords(table),
        "group": localized(table, "group", languages, limit=200),
        "category": table.choice("category", list(CATEGORIES), required=True),
        "agency_responsible": table.text("agency_responsible"),
        "service_notice": localized(table, "service_notice", languages),
        "expected_hours": table.whole("expected_hours", 1, 24 * 366),
        "moderated": table.flag("moderated"),
        "territories": _territories(table, territory_ids),
        "attributes": _attributes(table, languages),
    }
    table.close()
    return service


def _keywords(table: Table) -> list[str]:
    keywords = table.texts("keywords", limit=60)
    for at, keyword in enumerate(keywords):
        if "," in keyword:
            table.fault(f"keywords[{at}]", "un mot-clé par élément de la liste, sans virgule.")
        if keyword.casefold() in RESERVED_KEYWORDS:
            table.fault(
                f"keywords[{at}]", f"« {keyword} » est réservé (FixMyStreet lui donne un effet)."
            )
    return keywords


def _territories(table: Table, territory_ids: Collection[str]) -> list[str]:
    wanted = table.texts("territories")
    for at, id_ in enumerate(wanted):
        if id_ not in territory_ids:
            table.fault(
                f"territories[{at}]",
                f"« {id_} » n'est pas dans [[territories]]{suggestion(id_, territory_ids)}.",
            )
    return wanted


def _attributes(table: Table, languages: Languages) -> list[dict[str, Any]]:
    tables = table.tables("attributes")
    attributes = [_attribute(each, languages) for each in tables]
    refuse_twins(tables, "code", [attribute["code"] for attribute in attributes])
    return attributes


def _attribute(table: Table, languages: Languages) -> dict[str, Any]:
    told = "1 à 40 lettres sans accent, chiffres ou « _ »"
    variable, required, public = (table.flag(key) for key in ("variable", "required", "public"))
    attribute = {
        "code": table.text("code", required=True, pattern=ATTRIBUTE_CODE, told=told),
        "datatype": table.choice("datatype", list(Datatype), required=True),
        "description": localized(table, "description", languages, required=True),
        "datatype_description": localized(table, "datatype_description", languages),
        "required": bool(required),
        "variable": variable is not False,
        "public": public is not False,
        "automated": table.choice("automated", AUTOMATED),
        "values": _values(table, languages),
    }
    _check_attribute(table, attribute)
    table.close()
    return attribute


def _check_attribute(table: Table, attribute: dict[str, Any]) -> None:
    datatype = attribute["datatype"]
    if datatype is not None and Datatype(datatype).is_list and table.raw("values") in (None, []):
        table.fault("values", f"une question de type {datatype} propose au moins une valeur.")
    if datatype is not None and not Datatype(datatype).is_list and attribute["values"]:
        table.fault("values", f"une question de type {datatype} ne propose pas de valeurs.")
    if not attribute["variable"] and attribute["required"]:
        table.fault("required", "un texte sans réponse (variable = false) n'est pas obligatoire.")
    if attribute["automated"] == "server_set" and attribute["required"]:
        table.fault("required", "l'usager ne peut pas fournir ce que le serveur remplit lui-même.")


def _values(table: Table, languages: Languages) -> list[dict[str, Any]]:
    tables = table.tables("values")
    values = [_value(each, languages) for each in tables]
    refuse_twins(tables, "key", [value["key"] for value in values])
    return values


def _value(table: Table, languages: Languages) -> dict[str, Any]:
    told = "une seule ligne de texte"
    value = {
        "key": table.text("key", required=True, pattern=r"[^\n\r\t]+", told=told, limit=100),
        "name": localized(table, "name", languages, required=True, limit=200),
    }
    table.close()
    return value


def localized(
    table: Table, key: str, languages: Languages, *, required: bool = False, limit: int = 4000
) -> dict[str, str]:
    """A text by language: `"…"` in the main language, or `{ fr = "…", en = "…" }`."""
    value = table.raw(key)
    if value is None or isinstance(value, str):
        text = table.text(key, required=required, limit=limit)
        return {} if text is None else {languages.main: text}
    if not isinstance(value, dict):
        table.fault(key, 'un texte "…" ou une table { fr = "…", en = "…" } est attendu.')
        return {}
    inner = Table(value, table.path(key), table.faults)
    texts = {
        language: inner.text(language, required=language == languages.main, limit=limit)
        for language in dict.fromkeys((languages.main, *languages.declared))
    }
    for language in value:
        if language not in texts:
            inner.fault(language, "cette langue n'est pas déclarée dans languages.")
    return {language: text for language, text in texts.items() if text is not None}
