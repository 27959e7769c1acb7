"""Every error of every path as a GeoReport error document, in the asked format."""

from __future__ import annotations

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from open311.domain.errors import Conflict, InvalidFields, Open311Error
from open311.formats import answers
from open311.formats.documents import CONTENT_TYPES, write_document
from open311.formats.error_texts import in_english
from open311.http import door
from open311.http.language import accepted_language, primary_subtag

_log = structlog.get_logger("open311")

_SENTENCES = {
    400: "La demande est illisible.",
    404: "Cette adresse n'existe pas. Les réponses sont à <ressource>.xml ou <ressource>.json.",
    405: "Cette méthode HTTP n'est pas proposée à cette adresse.",
    408: "La demande est arrivée trop lentement.",
    413: "La demande est trop volumineuse.",
    414: "L'adresse est trop longue.",
    415: "Ce type de contenu n'est pas accepté.",
    429: "Trop de demandes ; réessayez plus tard.",
    431: "Les en-têtes sont trop volumineux.",
    500: "Une erreur interne est survenue. Elle a été enregistrée.",
    501: "Cette méthode n'est pas connue.",
    503: "Le service est indisponible ; réessayez dans un instant.",
}


def register_error_answers(app: Flask) -> None:
    """Answer everything that goes wrong anywhere in the application."""
    app.register_error_handler(Open311Error, _open311_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _unexpected)


def error_answer(error: Open311Error, status: int) -> Response:
    """One error document; its language follows `locale` and Accept-Language (C-235)."""
    format_ = request.environ.get(door.FORMAT, "xml")
    listed = answers.errors(error, status)
    if _wants_english():
        faults = error.errors if isinstance(error, InvalidFields) else [error]
        for shown, fault in zip(listed, faults, strict=True):
            shown["description"] = in_english(fault, status)
    response = Response(write_document(format_, "errors", listed), status=status)
    response.headers["Content-Type"] = CONTENT_TYPES["xml" if format_ == "xml" else "json"]
    response.headers["Vary"] = "Accept-Language"
    response.headers["Cache-Control"] = "no-store"
    if isinstance(error, Conflict):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _open311_error(error: Open311Error) -> Response:
    return error_answer(error, status_of(error))


def status_of(error: Open311Error) -> int:
    """One status for one or several faults: 404 if something asked for does not exist."""
    if not isinstance(error, InvalidFields):
        return error.status
    statuses = {each.status for each in error.errors}
    if len(statuses) == 1:
        return statuses.pop()
    return 413 if 413 in statuses else 404 if 404 in statuses else 400


def _http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    sentence = _SENTENCES.get(status, error.name)
    response = error_answer(Open311Error(sentence), status)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    _log.error("unexpected", error=type(error).__name__, exc_info=error)
    return error_answer(Open311Error(_SENTENCES[500]), 500)


def _wants_english() -> bool:
    posted = request.environ.get(door.POSTED_LOCALE)
    if posted:
        return primary_subtag(posted) == "en"
    query = request.environ.get("QUERY_STRING", "")
    if "locale=" in query:
        return any(part.lower().startswith("locale=en") for part in query.split("&"))
    return accepted_language(("fr", "en")) == "en"
