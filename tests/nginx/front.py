"""The shipped nginx configuration, really run by nginx, and bare HTTP to send at it."""

from __future__ import annotations

import http.client
import os
import pwd
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

CONFIGURATION = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"
GUARD_S = 60.0
#: nginx lives in sbin, which an ordinary PATH leaves out.
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Answer:
    """What came back on one connection."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Front:
    """nginx before a server on `port`, with the shipped configuration moved to a folder.

    Only places, ports and patience are changed, each of which must be found in the file.

    Args:
        folder: Where nginx keeps its sockets, logs and caches.
        port: Of the server on 127.0.0.1.
        changes: More texts of the configuration to replace.
    """

    def __init__(self, folder: Path, port: int, changes: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port = _free_port()
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(_moved(folder, self.port, port, changes or {}))

    def __enter__(self) -> Self:
        assert NGINX is not None
        command = [NGINX, "-c", self._configuration, "-g", "daemon off;"]
        with (self.folder / "said.log").open("ab") as said:
            self._process = subprocess.Popen(command, stderr=said, stdout=said)
        deadline = time.monotonic() + GUARD_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "said.log").read_text())
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(GUARD_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def logged(self, text: str, times: int) -> list[str]:
        """The lines of the access log that hold a text, once there are so many of them.

        nginx writes a line after it has answered.
        """
        log = self.folder / "log" / "open311.access.log"
        deadline = time.monotonic() + GUARD_S
        while time.monotonic() < deadline:
            lines = [line for line in log.read_text(errors="replace").splitlines() if text in line]
            if len(lines) >= times:
                return lines
            time.sleep(0.02)
        raise AssertionError(f"{text!r} was never logged {times} times")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=GUARD_S)

    def answer(self, sent: bytes) -> Answer:
        """Send bytes as they are; the first answer to them."""
        with self.connect() as connection:
            connection.sendall(sent)
            return read_answer(connection)

    def get(self, path: str, *headers: str) -> Answer:
        """A plain GET with more header lines."""
        return self.answer(request("GET", path, *headers))

    def _listens(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """The bytes of a request; a body is announced with its length unless a header says how."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", "Connection: close", *headers]
    announced = any(each.lower().startswith(("content-length", "transfer")) for each in headers)
    if body and not announced:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def read_answer(connection: socket.socket) -> Answer:
    """One answer from a connection."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return Answer(response.status, response.headers, response.read())
    finally:
        response.close()


def _moved(folder: Path, port: int, server_port: int, changes: dict[str, str]) -> str:
    (folder / "log").mkdir()
    (folder / "lib").mkdir()
    temporary = "".join(
        f"{kind}_temp_path {folder}/lib/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    places = {
        "user www-data;": f"user {pwd.getpwuid(os.geteuid()).pw_name};",
        "worker_processes auto;": "worker_processes 2;",
        "worker_rlimit_nofile 32768;": "",
        "worker_connections 8192;": "worker_connections 4096;",
        "pid /run/nginx.pid;": f"pid {folder}/nginx.pid;",
        "include /etc/nginx/modules-enabled/*.conf;": "",
        "/var/log/nginx/": f"{folder}/log/",
        "/var/lib/nginx/": f"{folder}/lib/",
        "127.0.0.1:8312": f"127.0.0.1:{_free_port()}",
        "http {\n": f"http {{\n{temporary}",
        "listen 80 default_server backlog=4096;": f"listen 127.0.0.1:{port} default_server;",
        "server 127.0.0.1:8311;": f"server 127.0.0.1:{server_port};",
    }
    text = "".join(
        line
        for line in CONFIGURATION.read_text().splitlines(keepends=True)
        if not line.lstrip().startswith("#")
    )
    for old, new in (places | changes).items():
        assert old in text, f"{old!r} is not in {CONFIGURATION.name}"
        text = text.replace(old, new)
    return text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
