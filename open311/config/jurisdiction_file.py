"""The jurisdiction file: TOML, checked whole, then a document that JSON can carry.

The file is the source of truth of one jurisdiction. `read_jurisdiction_file`
gives a normalised document (every key present, boundaries inlined), which the
database stores; `jurisdiction_from_document` makes the domain object of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from open311.config.boundary import BoundaryFiles, read_territory, touch
from open311.config.catalogue import Languages, read_services
from open311.config.destinations import read_destinations
from open311.config.difference import describe_difference
from open311.config.errors import JurisdictionFileError
from open311.config.jurisdiction_document import jurisdiction_from_document, keep_withdrawn
from open311.domain.checked_table import Table, refuse_twins, toml_sentence
from open311.domain.jurisdiction import RESERVED_IDS
from open311.domain.system_reasons import reason_of

__all__ = [
    "describe_difference",
    "jurisdiction_from_document",
    "keep_withdrawn",
    "read_jurisdiction_file",
]

JURISDICTION_ID = r"[a-z0-9][a-z0-9.-]{0,63}"
LANGUAGE = r"[a-z]{2,3}(-[A-Z]{2})?"
OUTSIDE = ("refuse", "accept")


def read_jurisdiction_file(path: Path) -> dict[str, Any]:
    """Read and check one jurisdiction file, with the boundaries it names.

    Returns:
        The normalised document: only what JSON knows, boundaries as GeoJSON in
        WGS 84 degrees, (long, lat).

    Raises:
        JurisdictionFileError: all faults of the file at once, each with its key.
    """
    faults: list[str] = []
    document = document_from_content(_content(path), folder=path.parent, faults=faults)
    if faults:
        raise JurisdictionFileError(path, faults)
    return document


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        fault = f"le fichier ne peut pas être lu ({reason_of(error)})."
    except UnicodeDecodeError as error:
        fault = f"le fichier n'est pas en UTF-8 (octet {error.start})."
    except tomllib.TOMLDecodeError as error:
        fault = toml_sentence(error)
    except RecursionError:
        fault = "TOML illisible : des listes trop imbriquées."
    raise JurisdictionFileError(path, [fault])


def document_from_content(
    content: Mapping[str, Any], *, folder: Path, faults: list[str]
) -> dict[str, Any]:
    """Normalise what a file holds; every fault is added to `faults`.

    Args:
        content: the file as `tomllib` reads it.
        folder: where the relative paths of boundaries and profiles start.
        faults: receives one French sentence per fault, with its dotted key.
    """
    table = Table(content, "", faults)
    languages = _languages(table)
    files = BoundaryFiles(folder)
    areas = _areas(table, files)
    boundary, territories = areas[0], areas[1:]
    services = _services(table, languages, {str(each["id"]) for each in territories})
    codes = {str(service["service_code"]) for service in services}
    document = {
        **_identity(table),
        "language": languages.main,
        "languages": list(languages.declared),
        **_texts(table),
        **_rules(table),
        "boundary": boundary,
        "territories": territories,
        "services": services,
        "destinations": read_destinations(table.tables("destinations"), codes, folder),
    }
    table.close()
    return document


def _identity(table: Table) -> dict[str, Any]:
    id_ = table.text(
        "jurisdiction_id",
        required=True,
        pattern=JURISDICTION_ID,
        told="1 à 64 minuscules sans accent, chiffres, « . » ou « - »",
    )
    if id_ in RESERVED_IDS:
        table.fault("jurisdiction_id", f"« {id_} » est réservé (il a un sens dans les adresses).")
    return {
        "jurisdiction_id": id_,
        "name": table.text("name", required=True, limit=200),
        "insee": table.text(
            "insee", pattern=r"([0-9]{2}|2[AB])[0-9]{3}", told="un code INSEE de 5 caractères"
        ),
        "siren": _siren(table),
        "illustrative": table.text("illustrative"),
    }


def _siren(table: Table) -> str | None:
    siren = table.text("siren", pattern=r"[0-9]{9}", told="un numéro SIREN de 9 chiffres")
    if siren is not None and not _luhn(siren):
        table.fault("siren", f"« {siren} » n'est pas un SIREN (sa clé de contrôle est fausse).")
    return siren


def _luhn(digits: str) -> bool:
    """The check of SIREN numbers (ISO/IEC 7812-1, annex B)."""
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _languages(table: Table) -> Languages:
    told = "un code de langue, comme fr ou en"
    main = table.text("language", required=True, pattern=LANGUAGE, told=told) or "fr"
    declared = table.texts("languages") or [main]
    for at, language in enumerate(declared):
        if not re.fullmatch(LANGUAGE, language):
            table.fault(f"languages[{at}]", f"« {language[:60]} » ne convient pas : {told}.")
    if main not in declared:
        table.fault("languages", f"la langue principale « {main} » doit y figurer.")
    return Languages(main, tuple(dict.fromkeys(declared)))


def _texts(table: Table) -> dict[str, Any]:
    return {
        "contact": table.text("contact", required=True),
        "key_service": table.text("key_service", required=True),
        "agency_responsible": table.text("agency_responsible", limit=200),
    }


def _rules(table: Table) -> dict[str, Any]:
    return {
        "timezone": _timezone(table),
        "outside": table.choice("outside", OUTSIDE) or "refuse",
        "moderated": bool(table.flag("moderated")),
        "token_delay_s": table.whole("token_delay_s", 0, 7 * 86_400) or 0,
        "retention_days": table.whole("retention_days", 1, 36_500),
    }


def _timezone(table: Table) -> str | None:
    name = table.text("timezone", required=True)
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        table.fault("timezone", f"« {name[:60]} » n'est pas un fuseau (exemple : Europe/Paris).")
    return name


def _areas(table: Table, files: BoundaryFiles) -> list[dict[str, Any]]:
    """The boundary, then the territories; an id stands for one of them only."""
    boundary = table.table("boundary") or Table({}, "boundary", [])
    tables = [boundary, *table.tables("territories")]
    areas = [read_territory(each, files) for each in tables]
    refuse_twins(tables, "id", [area["id"] for area in areas])
    for each, area in zip(tables[1:], areas[1:], strict=True):
        if not touch(areas[0], area):
            each.fault("id", "ce territoire est tout entier hors du contour de la juridiction.")
    return areas


def _services(table: Table, languages: Languages, territory_ids: set[str]) -> list[dict[str, Any]]:
    tables = table.tables("services", required=True)
    if table.raw("services") == []:
        table.fault("services", "au moins un service est attendu.")
    return read_services(tables, languages, territory_ids)
