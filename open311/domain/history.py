"""The public history of a request, in words (extension X-09)."""

from __future__ import annotations

from open311.domain.request import Note, RequestUpdate
from open311.domain.status import Stage, is_open

_SUMMARIES: dict[str, dict[Stage, str]] = {
    "fr": {
        Stage.RECEIVED: "Demande reçue",
        Stage.QUALIFIED: "Demande en cours d'examen",
        Stage.PLANNED: "Intervention planifiée",
        Stage.IN_PROGRESS: "Intervention en cours",
        Stage.FORWARDED: "Demande transmise à l'organisme compétent",
        Stage.OUTSIDE: "Hors de notre compétence",
        Stage.DUPLICATE: "Demande déjà signalée",
        Stage.NO_FOLLOW_UP: "Demande sans suite",
        Stage.DONE: "Demande traitée",
        Stage.ARCHIVED: "Demande archivée",
        Stage.REOPENED: "Demande rouverte",
    },
    "en": {
        Stage.RECEIVED: "Request received",
        Stage.QUALIFIED: "Under review",
        Stage.PLANNED: "Work scheduled",
        Stage.IN_PROGRESS: "Work in progress",
        Stage.FORWARDED: "Passed on to the competent body",
        Stage.OUTSIDE: "Not our responsibility",
        Stage.DUPLICATE: "Already reported",
        Stage.NO_FOLLOW_UP: "No further action",
        Stage.DONE: "Done",
        Stage.ARCHIVED: "Archived",
        Stage.REOPENED: "Reopened",
    },
}


def note_of(update: RequestUpdate, language: str) -> Note:
    """One public entry of the history as a note, its stage said in words."""
    summaries = _SUMMARIES.get(language, _SUMMARIES["fr"])
    return Note(update.updated_datetime, update.type, update.description, summaries[update.stage])


def type_of_step(before: Stage | None, after: Stage) -> str:
    """What kind of note a step makes: submitted, opened, closed or activity."""
    if before is None:
        return "submitted"
    if is_open(before) and not is_open(after):
        return "closed"
    if not is_open(before) and is_open(after):
        return "opened"
    return "activity"
