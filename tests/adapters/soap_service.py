"""A real SOAP server of our own (npm soap 1.13.0), started from Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

from open311.domain.delivery import Destination
from tests.adapters.tickets import LOOPBACK

SERVER = Path(__file__).parent / "soap_server"
ATAL_PATH, EXAMPLE_PATH = "/awa/services/DemandeService", "/exemple"
PASSWORD = "un-mot-de-passe"
ACCOUNT = ("voirie", PASSWORD)


@pytest.fixture(scope="session")
def npm_soap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the server and the library that it needs."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("SOAP IS NOT TESTED HERE: node and npm are not installed")
    folder = tmp_path_factory.mktemp("soap")
    for name in ("package.json", "server.js", "example.wsdl"):
        shutil.copy(SERVER / name, folder)
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run(
        [npm, "install", *quiet],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode != 0:
        pytest.skip(
            f"SOAP IS NOT TESTED HERE: npm cannot install soap 1.13.0: {done.stderr[-300:]}"
        )
    return folder


@dataclass
class SoapServer:
    """A running server and what it was asked."""

    port: int
    path: str
    lines: Queue[str] = field(default_factory=Queue)

    def calls(self) -> list[dict[str, object]]:
        """The calls since the last look."""
        found = []
        while True:
            try:
                found.append(json.loads(self.lines.get(timeout=0.3)))
            except Empty:
                return found


def serve(folder: Path, wsdl: Path, path: str) -> Iterator[SoapServer]:
    process = subprocess.Popen(
        [shutil.which("node") or "node", "server.js", str(wsdl), path],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        server = SoapServer(int(process.stdout.readline()), path)
        reader = Thread(target=lambda: [server.lines.put(line) for line in process.stdout or ()])
        reader.start()
        yield server
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)
        process.stdout.close()


def destination(server: SoapServer, profile: str, **settings: str) -> Destination:
    base_url = settings.pop("base_url", f"http://127.0.0.1:{server.port}")
    return Destination(
        name="gentilly-atal",
        profile=profile,
        epsg=2154,
        allowed_networks=LOOPBACK,
        settings={"base_url": base_url, "user": "voirie", **settings},
        secrets={"password": "env:SOAP_PASSWORD"},
    )
