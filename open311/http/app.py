"""The Flask application."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from open311 import __version__
from open311.config.settings import Settings
from open311.http.blueprint import GeoReportApi
from open311.http.door import Door
from open311.http.errors import register_error_answers
from open311.http.fast_lane import FastLane
from open311.http.openapi import API_OPTIONS, add_document_schemas, complete_document
from open311.http.views.agent_links import agent_links
from open311.http.views.discovery import discovery
from open311.http.views.hooks import hooks
from open311.http.views.media import media
from open311.http.views.operation import operation
from open311.http.views.pages import pages, swagger_ui
from open311.http.views.posting import posting
from open311.http.views.requests import requests
from open311.http.views.services import services
from open311.http.views.updates import updates
from open311.operations.installation import Installation

_GEOREPORT = (discovery, services, requests, posting, updates)
_PLAIN = (agent_links, hooks, media, operation, pages, swagger_ui)


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
    lane = FastLane(app.wsgi_app, app.extensions["open311"])
    # Above INFO no request pays for its line.
    wrapped: Any = Door(lane, log_access=settings.log_level in ("DEBUG", "INFO"))
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        wrapped = ProxyFix(wrapped, x_for=count, x_proto=count, x_host=count)
    app.wsgi_app = wrapped  # type: ignore[method-assign]
