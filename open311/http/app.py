"""The Flask application."""

from __future__ import annotations

import time
from typing import Any

import structlog
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from open311 import __version__
from open311.config.settings import Settings
from open311.http.blueprint import GeoReportApi
from open311.http.door import PATH, Door
from open311.http.errors import register_error_answers
from open311.http.openapi import API_OPTIONS, add_document_schemas, complete_document
from open311.http.views.discovery import discovery
from open311.http.views.media import media
from open311.http.views.operation import operation
from open311.http.views.pages import pages, swagger_ui
from open311.http.views.posting import posting
from open311.http.views.requests import requests
from open311.http.views.services import services
from open311.http.views.updates import updates
from open311.operations.installation import Installation

_GEOREPORT = (discovery, services, requests, posting, updates)
_PLAIN = (media, operation, pages, swagger_ui)

_access_log = structlog.get_logger("open311.access")


def create_app(settings: Settings, installation: Installation) -> Flask:
    """The whole web application over one installation.

    The result's `wsgi_app` is wrapped by the door (and by ProxyFix behind trusted
    proxies); call the application itself as WSGI.
    """
    app = Flask("open311.http", static_folder=None)
    app.config.update(
        OPEN311_SETTINGS=settings,
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        API_TITLE="Open311 GeoReport v2",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
    )
    app.url_map.merge_slashes = False
    app.extensions["open311"] = installation
    register_error_answers(app)
    _register_views(app)
    app.before_request(_start_clock)
    app.after_request(_finish)
    _wrap(app, settings)
    return app


def _register_views(app: Flask) -> None:
    api = GeoReportApi(app, spec_kwargs=API_OPTIONS)
    add_document_schemas(api.spec)
    for blueprint in _GEOREPORT:
        api.register_blueprint(blueprint)
    for plain in _PLAIN:
        app.register_blueprint(plain)
    app.extensions["open311-openapi"] = complete_document(api.spec.to_dict())


def _wrap(app: Flask, settings: Settings) -> None:
    wrapped: Any = Door(app.wsgi_app)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        wrapped = ProxyFix(wrapped, x_for=count, x_proto=count, x_host=count)
    app.wsgi_app = wrapped  # type: ignore[method-assign]


def _start_clock() -> None:
    g.started = time.perf_counter()


def _finish(response: Response) -> Response:
    """Headers that every answer carries, and one log line without personal data."""
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    if request.environ[PATH].startswith("/open311"):
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Expose-Headers"] = _EXPOSED
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = headers.get("Allow", "GET")
            headers["Access-Control-Allow-Headers"] = _ALLOWED
            headers["Access-Control-Max-Age"] = "86400"
    elif response.mimetype == "text/html":
        headers["Content-Security-Policy"] = _PAGE_POLICY
    _access_log.info(
        "request",
        method=request.method,
        path=request.environ[PATH],
        status=response.status_code,
        duration_ms=round((time.perf_counter() - g.started) * 1000, 2) if "started" in g else None,
        jurisdiction_id=g.get("jurisdiction_id"),
        api_key_id=g.get("api_key_id"),
    )
    return response


_EXPOSED = (
    "ETag, Link, Retry-After, X-Page-Size, X-Page-Count, X-Result-Count, X-Next-Page-URL, "
    "X-Previous-Page-URL, X-Next-Cursor, X-Withdrawn-Ids"
)
_ALLOWED = "Authorization, Content-Type, Idempotency-Key, If-None-Match"
#: Swagger UI needs its own scripts and styles, and inline ones of its page.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
