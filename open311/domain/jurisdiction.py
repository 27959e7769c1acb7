"""A jurisdiction: the public face of one body, with its catalogue and its rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from open311.domain.delivery import Destination
from open311.domain.errors import NotFound
from open311.domain.service import Service
from open311.domain.territory import Territory

#: Words that stand in URLs where a jurisdiction_id could.
RESERVED_IDS = frozenset({"v2", "test", "discovery"})


@dataclass(frozen=True, eq=False)
class Jurisdiction:
    """One jurisdiction as its file describes it.

    Attributes:
        jurisdiction_id: as in URLs and in `jurisdiction_id=` (`gentilly.fr`).
        boundary: where requests are accepted.
        territories: smaller areas by id, where single services hold (X-07).
        outside: `refuse` a position outside the boundary, or `accept` it.
        moderated: requests wait for staff before they appear in lists (X-16).
        token_delay_s: seconds before the token of a batch service gives its id.
        changeset: last change of the services or their definitions (C-041).
        destinations: the business tools that its requests go to.
    """

    jurisdiction_id: str
    name: str
    language: str
    languages: tuple[str, ...]
    timezone: ZoneInfo
    contact: str
    key_service: str
    boundary: Territory
    services: Mapping[str, Service]
    territories: Mapping[str, Territory] = field(default_factory=dict)
    agency_responsible: str | None = None
    insee: str | None = None
    siren: str | None = None
    outside: str = "refuse"
    moderated: bool = False
    token_delay_s: int = 0
    retention_days: int | None = None
    changeset: datetime | None = None
    illustrative: str | None = None
    destinations: tuple[Destination, ...] = ()

    def service(self, service_code: str) -> Service:
        """The service of that code, withdrawn ones excepted.

        Raises:
            NotFound: no such service here (C-084, C-107).
        """
        service = self.services.get(service_code)
        if service is None or service.withdrawn:
            raise NotFound(
                f"service_code : le service « {service_code} » n'existe pas dans "
                f"« {self.jurisdiction_id} ».",
                field="service_code",
            )
        return service

    def services_at(self, lat: float | None, long: float | None) -> Iterator[Service]:
        """The services that can be reported, at one place if a place is given.

        Args:
            lat: WGS 84 degrees, or None for the whole jurisdiction.
            long: WGS 84 degrees, or None.
        """
        here = lat is None or long is None or self.boundary.contains(lat, long)
        for service in self.services.values():
            if here and not service.withdrawn and self._holds(service, lat, long):
                yield service

    def _holds(self, service: Service, lat: float | None, long: float | None) -> bool:
        if lat is None or long is None or not service.territories:
            return True
        return any(self.territories[id_].contains(lat, long) for id_ in service.territories)

    def is_moderated(self, service: Service) -> bool:
        """Whether a new request of this service waits for staff before it is published."""
        return self.moderated if service.moderated is None else service.moderated

    def agency_for(self, service: Service) -> str | None:
        """The body shown as `agency_responsible` of a new request of this service."""
        return service.agency_responsible or self.agency_responsible

    def destinations_for(self, service_code: str) -> Iterator[Destination]:
        """The tools that get the requests of a service."""
        for destination in self.destinations:
            if not destination.services or service_code in destination.services:
                yield destination
