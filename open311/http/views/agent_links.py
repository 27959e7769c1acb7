"""Signed links of mails to agents: look at one request, then do the one thing they name.

A link may be opened by a mail filter before its reader: GET changes nothing, and the
form must be sent. The token itself is what a forger lacks, so that no cookie is needed.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, make_response, render_template, request

from open311.domain.errors import Forbidden, InvalidRequest, Open311Error
from open311.domain.request import MAX_DESCRIPTION
from open311.formats.text import clean_text
from open311.http.context import installation
from open311.operations.inbound import Taken
from open311.operations.tool_doors import LINK_IS_OVER, OpenedLink, follow_link, open_link

agent_links = Blueprint("agent_links", __name__, template_folder="../templates")

_WORDS = {
    "accept": "Prendre en charge",
    "plan": "Planifier",
    "refuse": "Refuser",
    "close": "Clôturer",
}
_MAX_TOKEN = 1000


@agent_links.get("/agent")
def look() -> Response:
    """The request, and the form that asks for confirmation."""
    return _answered(_looked)


@agent_links.post("/agent")
def act() -> Response:
    """Do what the link names."""
    return _answered(_acted)


def _looked() -> Response:
    opened = _opened()
    return _page(opened, fault=LINK_IS_OVER if opened.is_over else None)


def _acted() -> Response:
    opened = _opened()
    if opened.is_done:
        return _page(opened, done=True)
    if opened.is_over:
        page = _page(opened, fault=LINK_IS_OVER)
        page.status_code = Forbidden.status
        return page
    note = clean_text(request.form.get("note", "")).strip()[:MAX_DESCRIPTION] or None
    if opened.link.action == "refuse" and note is None:
        raise InvalidRequest("Un refus se motive : l'habitant lira cette raison.", field="note")
    here = installation()
    taken = follow_link(here, opened, note=note, now=here.now())
    if taken not in (Taken.DONE, Taken.IGNORED):
        raise InvalidRequest("Cette action n'est plus possible dans l'état de la demande.")
    return _page(_opened(), done=True)


def _opened() -> OpenedLink:
    return open_link(installation(), request.args.get("t", "")[:_MAX_TOKEN])


def _page(opened: OpenedLink, *, done: bool = False, fault: str | None = None) -> Response:
    page = render_template(
        "agent_link.html",
        shown=opened.stored.request,
        jurisdiction=opened.side.jurisdiction,
        action=opened.link.action,
        words=_WORDS.get(opened.link.action, opened.link.action),
        token=request.args.get("t", ""),
        done=done or opened.is_done,
        over=opened.is_over,
        fault=fault,
    )
    return make_response(page)


def _answered(view: Callable[[], Response]) -> Response:
    """A page in every case: who follows a link of a mail reads no XML."""
    try:
        response = view()
    except InvalidRequest as error:
        response = _page(_opened(), fault=error.message)
        response.status_code = error.status
    except Open311Error as error:
        response = make_response(render_template("agent_link.html", fault=error.message))
        response.status_code = error.status
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
