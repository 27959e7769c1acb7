"""A real S3-compatible server for the tests: nanio, which refuses wrong secrets."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from open311.storage.media_s3 import s3_client

NANIO = [sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1"]
KEY, SECRET = "mairie", "bon-secret"


class S3Server:
    """A started nanio and the bucket that the tests use."""

    def __init__(self, endpoint_url: str, folder: Path) -> None:
        self.endpoint_url = endpoint_url
        self.folder = folder
        self.bucket = "photos"

    def url(self, prefix: str = "", bucket: str | None = None) -> str:
        bucket = bucket or self.bucket
        return f"s3://{bucket}/{prefix}?endpoint_url={self.endpoint_url}&region=us-east-1"


def use_credentials(monkeypatch: pytest.MonkeyPatch, secret: str = SECRET, key: str = KEY) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextlib.contextmanager
def started_s3_server(folder: Path) -> Iterator[S3Server]:
    """Start nanio on a free port of loopback, with one bucket, in an empty folder."""
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*NANIO, "--port", str(_free_port()), "--data-dir", str(folder / "buckets")],
            stderr=output,
            stdout=output,
            env=os.environ | {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET},
        )
    try:
        started = S3Server(_announced_address(server, log), folder / "buckets")
        with pytest.MonkeyPatch.context() as monkeypatch:
            use_credentials(monkeypatch)
            client = s3_client(endpoint_url=started.endpoint_url, region="us-east-1")
            client.create_bucket(Bucket=started.bucket)
            client.close()
        yield started
    finally:
        server.terminate()
        server.wait(timeout=20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _announced_address(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"nanio did not start:\n{log.read_text()}")
