"""An adapter for a dry run: whole, but without secrets."""

from __future__ import annotations

from open311.adapters.contract import Adapter
from open311.adapters.destination_settings import fill_settings
from open311.adapters.registry import KINDS, coded_adapters, read_profile
from open311.domain.delivery import Destination


def rehearsing_adapter(destination: Destination) -> Adapter:
    """The adapter of a destination with placeholders for its secrets: only `preview` is meant.

    Raises:
        ProfileFaults: its profile or its settings cannot stand.
    """
    coded = coded_adapters()
    if destination.profile in coded:
        return coded[destination.profile](destination)
    profile = read_profile(destination.profile)
    kind = KINDS[profile.kind]
    return kind.make(
        profile, destination, fill_settings(profile, kind, destination, rehearsal=True)
    )
