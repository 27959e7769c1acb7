"""Destinations in a jurisdiction file: which business tool gets which services."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from open311.domain.checked_table import Table, refuse_twins, suggestion
from open311.domain.crs import is_known

NAME = r"[a-z0-9][a-z0-9-]{0,63}"
_REFERENCE = r"(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)"
_OUTSIDE = ("refuse", "allow")
_DAY_S = 86_400
_SCALARS = (str, int, bool)


def read_destinations(
    tables: list[Table], service_codes: Collection[str], folder: Path
) -> list[dict[str, Any]]:
    """Read `[[destinations]]`: one normalised destination per table.

    Args:
        service_codes: the catalogue, which `services` may name.
        folder: where the relative path of a profile file starts.
    """
    read = [_destination(table, service_codes, folder) for table in tables]
    refuse_twins(tables, "name", [destination["name"] for destination in read])
    return read


def _destination(table: Table, service_codes: Collection[str], folder: Path) -> dict[str, Any]:
    destination = {
        "name": table.text(
            "name", required=True, pattern=NAME, told="1 à 64 minuscules, chiffres ou « - »"
        ),
        "profile": _profile(table, folder),
        "services": _services(table, service_codes),
        "settings": _settings(table),
        "secrets": _secrets(table),
        "allowed_networks": _networks(table),
        "epsg": _epsg(table),
        "alert_after_s": table.whole("alert_after_s", 60, 30 * _DAY_S) or _DAY_S,
        "outside": table.choice("outside", _OUTSIDE) or "refuse",
        "poll_s": table.whole("poll_s", 10, 7 * _DAY_S) or 300,
        "max_at_once": table.whole("max_at_once", 1, 1000),
        "max_per_minute": table.whole("max_per_minute", 1, 100_000),
    }
    table.close()
    return destination


def _profile(table: Table, folder: Path) -> str | None:
    """A name stays a name; a path is made absolute, since a worker starts anywhere."""
    profile = table.text("profile", required=True)
    if profile is None or not profile.endswith(".toml"):
        return profile
    path = (folder / profile).resolve()
    if not path.is_file():
        table.fault("profile", f"le fichier « {profile} » n'existe pas.")
    return str(path)


def _services(table: Table, service_codes: Collection[str]) -> list[str]:
    wanted = table.texts("services")
    for at, code in enumerate(wanted):
        if code not in service_codes:
            hint = suggestion(code, service_codes)
            table.fault(f"services[{at}]", f"« {code} » n'est pas dans [[services]]{hint}.")
    return wanted


def _settings(table: Table) -> dict[str, str]:
    inner = _inner(table, "settings")
    read = {}
    for key in inner.keys:
        value = inner.raw(key)
        if not isinstance(value, _SCALARS):
            inner.fault(key, "un texte, un nombre entier, true ou false est attendu.")
        elif isinstance(value, bool):
            read[key] = "true" if value else "false"
        else:
            read[key] = str(value).strip()
    return read


def _secrets(table: Table) -> dict[str, str]:
    inner = _inner(table, "secrets")
    read = {}
    for key in inner.keys:
        value = inner.raw(key)
        if isinstance(value, str) and re.fullmatch(_REFERENCE, value.strip()):
            read[key] = value.strip()
        else:
            # The value is not repeated: it may be the secret itself.
            inner.fault(
                key, "une référence « env:NOM » ou « file:/chemin » est attendue, jamais le secret."
            )
    return read


def _networks(table: Table) -> list[str]:
    networks = table.texts("allowed_networks")
    for at, network in enumerate(networks):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            table.fault(
                f"allowed_networks[{at}]",
                f"« {network[:60]} » n'est pas un réseau (exemple : 10.20.0.0/16).",
            )
    return networks


def _epsg(table: Table) -> int | None:
    epsg = table.whole("epsg", 1, 999_999)
    if epsg is not None and not is_known(epsg):
        table.fault("epsg", f"EPSG:{epsg} n'est pas un système de coordonnées connu.")
    return epsg


def _inner(table: Table, key: str) -> Table:
    """A table that may be absent, with keys of the profile's own."""
    return (None if table.raw(key) is None else table.table(key)) or Table({}, key, [])
