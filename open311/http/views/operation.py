"""For those who run the server: is it alive, is it ready."""

from __future__ import annotations

import shutil
from pathlib import Path

from flask import Blueprint, Response, jsonify, request

from open311.config.settings import LOOPBACK
from open311.domain.errors import NotFound
from open311.http.context import installation, settings
from open311.operations.delivery_metrics import CONTENT_TYPE, delivery_metrics
from open311.operations.readiness import check_readiness

operation = Blueprint("operation", __name__)


@operation.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@operation.get("/readyz")
def readyz() -> Response:
    """The database can be written, its schema is ours, and the disk has room."""
    faults = check_readiness(installation().database, accepts_loss=settings().accepts_loss)
    free = shutil.disk_usage(_data_folder()).free
    if free < settings().min_free_disk_bytes:
        faults.append(f"disk: {free // 2**20} MiB free")
    response = jsonify(status="ready" if not faults else "not ready", faults=faults)
    response.status_code = 503 if faults else 200
    return response


@operation.get("/metrics")
def metrics() -> Response:
    """Deliveries in numbers (Prometheus), for this machine's own monitoring only.

    Whatever came through a proxy came from elsewhere: to it there is nothing here.
    """
    if request.remote_addr not in LOOPBACK or "X-Forwarded-For" in request.headers:
        raise NotFound("Cette adresse n'existe pas.")
    here = installation()
    return Response(delivery_metrics(here, here.now()), content_type=CONTENT_TYPE)


def _data_folder() -> Path:
    database = installation().database.engine.url.database
    if settings().is_sqlite and database:
        return Path(database).absolute().parent
    return Path.cwd()
