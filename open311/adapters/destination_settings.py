"""What a destination sets: its settings and secrets, checked against the profile."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from open311.adapters.profile import Filled, Profile, ProfileFaults, Setting
from open311.adapters.profile_file import COMMON_SETTINGS, Kind
from open311.domain.checked_table import suggestion
from open311.domain.delivery import Destination


def fill_settings(
    profile: Profile, kind: Kind, destination: Destination, *, rehearsal: bool = False
) -> Filled:
    """Every setting of a destination with its value, secrets read from where they are.

    Args:
        rehearsal: secrets are not read: placeholders stand for them.

    Raises:
        ProfileFaults: what is missing, unknown, ill-formed or unreadable, all at once.
    """
    declared = {**COMMON_SETTINGS, **kind.settings, **profile.settings}
    faults: list[str] = []
    values = {name: each.default for name, each in declared.items() if each.default is not None}
    values |= _plain(destination.settings, declared, faults)
    if rehearsal:
        secrets = {name: f"secret:{name}" for name, each in declared.items() if each.secret}
    else:
        secrets = _secrets(destination.secrets, declared, faults)
    values |= secrets
    for name, setting in declared.items():
        if setting.required and not values.get(name):
            block = "secrets" if setting.secret else "settings"
            faults.append(f"{block}.{name} : réglage obligatoire, absent ({setting.label}).")
    if faults:
        raise ProfileFaults(f"destination {destination.name}", faults)
    return Filled(values, tuple(secret for secret in secrets.values() if secret))


def reporter_fields(profile: Profile, settings: Filled) -> tuple[str, ...]:
    """What may leave of the reporter: the destination's word, else the profile's."""
    told = settings.get("reporter_fields")
    if told is None:
        return profile.reporter_fields
    return tuple(each.strip() for each in told.split(",") if each.strip())


def _plain(
    given: Mapping[str, str], declared: Mapping[str, Setting], faults: list[str]
) -> dict[str, str]:
    for name, value in given.items():
        setting = declared.get(name)
        if setting is None:
            faults.append(f"settings.{name} : réglage inconnu{suggestion(name, list(declared))}.")
        elif setting.secret:
            faults.append(f"settings.{name} : un secret se donne dans « secrets », par référence.")
        elif setting.pattern and not re.fullmatch(setting.pattern, value):
            faults.append(f"settings.{name} : « {value[:60]} » ne convient pas ({setting.label}).")
    return dict(given)


def _secrets(
    given: Mapping[str, str], declared: Mapping[str, Setting], faults: list[str]
) -> dict[str, str]:
    read = {}
    for name, reference in given.items():
        if name not in declared:
            faults.append(f"secrets.{name} : réglage inconnu{suggestion(name, list(declared))}.")
        try:
            read[name] = _whole_secret(read_secret(reference), declared.get(name))
        except (OSError, ValueError) as error:
            faults.append(f"secrets.{name} : {error}")
    return read


def _whole_secret(secret: str, setting: Setting | None) -> str:
    """A secret that arrived as it was given: what a paste or an editor adds stops it here.

    Raises:
        ValueError: a blank at an end, or a character that no header can carry.
    """
    if setting is not None and setting.has_lines:
        return secret
    if secret != secret.strip() or not secret.isprintable():
        raise ValueError(
            "un blanc au début ou à la fin, un saut de ligne ou un caractère de contrôle : "
            "ce n'est pas le secret seul."
        )
    return secret


def read_secret(reference: str) -> str:
    """The secret behind `env:NAME` or `file:/path` (without its final line break).

    Raises:
        ValueError: the reference is of neither form, or there is nothing behind it.
        OSError: the file cannot be read.
    """
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        secret = os.environ.get(place, "")
    elif scheme == "file":
        secret = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    else:
        raise ValueError("une référence « env:NOM » ou « file:/chemin » est attendue.")
    if not secret:
        raise ValueError(f"rien derrière la référence {scheme}:{place}.")
    return secret
