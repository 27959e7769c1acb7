"""The demonstration, as a client program and a terminal meet it; more in `tests/cli`."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
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


def test_the_demonstration_gets_the_scores_that_the_readme_shows(tmp_path: Path) -> None:
    """The README's own command, on the demonstration's test endpoint."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    blocks = r"```(?:sh)?\n(open311-conformance .*?|core .*?)```"
    command, shown = re.findall(blocks, readme, re.DOTALL)
    with Running("demo", "--port", "0", "--reports", "200", folder=tmp_path) as demo:
        base = demo.await_line("BASE").removesuffix("/v2")
        line = command.replace("\\\n", " ").replace("http://127.0.0.1:8311/open311", base)
        line = line.replace("$TEST_KEY", demo.await_line("TEST_KEY"))
        done = subprocess.run(
            [sys.executable, "-m", "open311_conformance", "--quiet", *shlex.split(line)[1:]],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown in done.stdout
