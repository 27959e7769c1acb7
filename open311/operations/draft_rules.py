"""What a draft must respect, one rule at a time, and its faults gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from open311.domain.errors import InvalidFields, InvalidRequest, Open311Error
from open311.domain.request import MAX_DESCRIPTION, MAX_PHOTOS, RequestDraft
from open311.domain.service import Service
from open311.operations.installation import Side


class Faults(list[Open311Error]):
    """Faults as they are found, one for each field (lat and long are one)."""

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep what is refused inside, and go on."""
        try:
            yield
        except InvalidFields as error:
            self._keep(error.errors)
        except Open311Error as error:
            self._keep([error])

    def _keep(self, errors: Iterable[Open311Error]) -> None:
        known = {_PLACE.get(error.field or "", error.field) for error in self}
        self += [each for each in errors if _PLACE.get(each.field or "", each.field) not in known]


_PLACE = {"lat": "lat", "long": "lat"}


def check_place(
    side: Side,
    draft: RequestDraft,
    service: Service | None,
    names_at: Callable[[float, float], list[str]],
) -> None:
    """Refuse half a position, none at all, or one where nothing is accepted (C-110).

    Args:
        service: refused outside its territories; None = only the jurisdiction is judged.
        names_at: names of the jurisdictions that hold a position (lat, long).
    """
    if (draft.lat is None) != (draft.long is None):
        missing = "lat" if draft.lat is None else "long"
        raise InvalidRequest(
            f"{missing} : lat et long vont ensemble, il en manque un.", field=missing
        )
    if draft.lat is None or draft.long is None:
        if not (draft.address or draft.address_id):
            raise InvalidRequest(
                "lat, long : indiquez une position (lat et long), une adresse "
                "(address_string) ou un identifiant d'adresse (address_id).",
                field="lat",
            )
        return
    jurisdiction = side.jurisdiction
    if jurisdiction.outside == "refuse" and not jurisdiction.boundary.contains(
        draft.lat, draft.long
    ):
        others = " ; ".join(names_at(draft.lat, draft.long))
        hint = f" Elle relève de : {others}." if others else ""
        raise InvalidRequest(
            f"lat, long : cette position est hors du territoire de {jurisdiction.name}.{hint}",
            field="lat",
        )
    if service is not None and service not in jurisdiction.services_at(draft.lat, draft.long):
        raise InvalidRequest(
            "service_code : ce service n'est pas proposé à cet endroit.", field="service_code"
        )


def check_description(draft: RequestDraft) -> None:
    """Refuse a description that is too long."""
    if draft.description is not None and len(draft.description) > MAX_DESCRIPTION:
        raise InvalidRequest(
            f"description : {len(draft.description)} caractères reçus, "
            f"{MAX_DESCRIPTION} au plus sont acceptés.",
            field="description",
        )


def check_object(draft: RequestDraft) -> None:
    """Refuse half the name of an asset."""
    if (draft.service_object_id is None) != (draft.service_object_type is None):
        raise InvalidRequest(
            "service_object_id, service_object_type : ces paramètres vont ensemble.",
            field="service_object_id",
        )


def check_photos(draft: RequestDraft) -> None:
    """Refuse more photos than a request may have."""
    if len(draft.photos) + len(draft.media_urls) > MAX_PHOTOS:
        raise InvalidRequest(f"media : {MAX_PHOTOS} photos au plus par demande.", field="media")
