"""For people: what this server is, and its documentation."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template
from flask_swagger_ui import get_swaggerui_blueprint

from open311.formats.documents import write_json
from open311.http.context import installation

pages = Blueprint("pages", __name__, template_folder="../templates")

DOCS_PATH = "/docs"
OPENAPI_PATH = "/openapi.json"

#: Swagger UI with its own assets, from a Python package: nothing comes from elsewhere.
swagger_ui = get_swaggerui_blueprint(
    DOCS_PATH, OPENAPI_PATH, config={"app_name": "Open311 GeoReport v2", "validatorUrl": None}
)


@pages.get("/")
def home() -> str:
    """What this server is, whom it serves, where to begin."""
    here = installation()
    served = [side for (_, where), side in here.sides.items() if where == "production"]
    return render_template("home.html", served=served, public_url=here.public_url)


@pages.get(OPENAPI_PATH)
def openapi() -> Response:
    """The OpenAPI 3.1 document."""
    document = current_app.extensions["open311-openapi"]
    servers = [{"url": installation().public_url}]
    return Response(write_json({**document, "servers": servers}), mimetype="application/json")
