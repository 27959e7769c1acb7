"""`POST /hooks/<destination>`: business tools say that something changed."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from open311.adapters.hook_schemes import Hook
from open311.domain.errors import TooLarge
from open311.http import door
from open311.http.context import installation
from open311.operations.tool_doors import MAX_HOOK_BYTES, receive_hook

hooks = Blueprint("hooks", __name__, url_prefix="/hooks")


@hooks.post("/<destination>")
def receive(destination: str) -> tuple[Response, int]:
    """A webhook of a destination's tool: 202 when kept, 200 when it came before."""
    return _received(destination, None)


@hooks.post("/<destination>/<secret>")
def receive_by_path(destination: str, secret: str) -> tuple[Response, int]:
    """The same for tools that cannot sign: the secret stands in the path."""
    request.environ[door.PATH] = f"/hooks/{destination}/…"  # the access log gets no secret
    return _received(destination, secret)


def _received(destination: str, path_secret: str | None) -> tuple[Response, int]:
    request.max_content_length = MAX_HOOK_BYTES  # no more than that is read, whoever sends it
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise TooLarge(f"Un webhook de {MAX_HOOK_BYTES} octets au plus est attendu.") from error
    query = request.query_string.decode("latin-1")
    hook = Hook(request.headers, body, path_secret, request.remote_addr, query)
    is_new = receive_hook(installation(), destination, hook)
    return jsonify(status="accepted" if is_new else "repeated"), 202 if is_new else 200
