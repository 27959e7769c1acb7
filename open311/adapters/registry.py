"""From a destination to its adapter: shipped profiles, profile files, entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from open311.adapters import rest
from open311.adapters.contract import Adapter, AdapterFactory
from open311.adapters.destination_settings import fill_settings
from open311.adapters.email_kind import SMTP
from open311.adapters.file_kind import FOLDER, SFTP
from open311.adapters.georeport import GEOREPORT
from open311.adapters.profile import Filled, Profile, ProfileFaults
from open311.adapters.profile_file import Kind, shipped_profiles
from open311.adapters.profile_file import read_profile as read_profile_of
from open311.adapters.soap_kind import SOAP
from open311.adapters.webhook import WEBHOOK
from open311.domain.delivery import Destination

#: Entry points of this group are adapters in code (`AdapterFactory`), by profile name.
GROUP = "open311.adapters"

#: The engines: one line each.
KINDS: Mapping[str, Kind] = {
    "folder": FOLDER,
    "georeport": GEOREPORT,
    "rest": rest.KIND,
    "sftp": SFTP,
    "smtp": SMTP,
    "soap": SOAP,
    "webhook": WEBHOOK,
}


def read_profile(source: str, *, to_show: bool = False) -> Profile:
    """Read and check a profile: the name of a shipped one, or a path that ends in `.toml`.

    Args:
        to_show: a template that is still to be completed is looked at, not used.

    Raises:
        ProfileFaults: all faults at once.
    """
    return read_profile_of(source, KINDS, to_show=to_show)


def profile_faults(source: str) -> list[str]:
    """What keeps a destination from using a profile or an adapter in code; empty = nothing."""
    try:
        if source not in coded_adapters():
            read_profile(source)
    except ProfileFaults as error:
        return list(error.faults)
    return []


def make_adapter(destination: Destination) -> Adapter:
    """Make the adapter of one destination.

    Raises:
        ProfileFaults: its profile, its settings or its secrets cannot stand.
    """
    coded = coded_adapters()
    if destination.profile in coded:
        return coded[destination.profile](destination)
    profile = read_profile(destination.profile)
    kind = KINDS[profile.kind]
    return kind.make(profile, destination, fill_settings(profile, kind, destination))


def settings_of(destination: Destination) -> tuple[Profile, Filled]:
    """The profile of a destination and its settings, for the doors of the way back.

    Raises:
        ProfileFaults: its profile, its settings or its secrets cannot stand, or it is
            an adapter in code, which has no profile.
    """
    profile = read_profile(destination.profile)
    return profile, fill_settings(profile, KINDS[profile.kind], destination)


def coded_adapters() -> dict[str, AdapterFactory]:
    """The adapters written in code that installed packages declare.

    Raises:
        ProfileFaults: two packages declare the same name, or a shipped profile's.
    """
    found: dict[str, AdapterFactory] = {}
    for point in entry_points(group=GROUP):
        if point.name in found or point.name in shipped_profiles():
            raise ProfileFaults(point.name, [f"deux adaptateurs s'appellent « {point.name} »."])
        found[point.name] = point.load()
    return found
