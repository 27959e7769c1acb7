"""The demonstration, as a client program and a terminal meet it; more in `tests/cli`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from civicbot.http import HttpTransport, RateLimiter
from civicbot.open311 import Open311Client
from civicbot.registry import Endpoint
from georeport import GeoReport

from tests.acceptance.conftest import LAT, LONG
from tests.cli.running import Running

pytestmark = pytest.mark.acceptance


def test_clients_use_the_demonstration_until_ctrl_c_in_its_terminal(tmp_path: Path) -> None:
    with Running("demo", "--port", "0", "--reports", "200", folder=tmp_path) as demo:
        base, jurisdiction_id = demo.await_line("BASE"), demo.await_line("JURISDICTION")
        civicbot = Open311Client(
            Endpoint("demo", "Demo", base, write=True),
            HttpTransport(rate_limiter=RateLimiter(0.0)),
            jurisdiction_id=jurisdiction_id,
        )
        sent = civicbot.create_request(
            "depot-sauvage",
            lat=LAT,
            lng=LONG,
            attributes={"HOWMANY": "van"},
            api_key=demo.await_line("KEY"),
            validate_remote=True,
            dry_run=False,
            confirm="SEND",
        )
        listed = GeoReport(base, jurisdiction_id).get_service_requests()
        assert sent.response[0]["service_request_id"] in {
            each["service_request_id"] for each in listed
        }
        assert len(listed) > 1

        os.killpg(demo.process.pid, signal.SIGINT)  # as a terminal does: every process of it
        assert demo.ends() == 0
        said = demo.log.read_text()
        assert "Traceback" not in said
        assert "KeyboardInterrupt" not in said
