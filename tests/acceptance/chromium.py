"""A real Chromium, driven over its debugging pipe (DevTools protocol), as a person would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
GUARD_S = 60.0


class Browser:
    """One page of a browser.

    Args:
        write, read: ends of the pipes; messages are JSON and end with a NUL.
    """

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer = b""
        self._number = 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "DOM", "Accessibility", "Network"):
            self.call(f"{domain}.enable")

    _session = None

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + GUARD_S
        while time.monotonic() < deadline:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer)
                result: dict[str, Any] = answer["result"]
                return result
        raise AssertionError(f"{method}: no answer")

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)
        self.await_text("")

    def named(self, role: str) -> dict[str, dict[str, Any]]:
        """What a screen reader finds of a role, by its name."""
        tree = self.call("Accessibility.getFullAXTree")["nodes"]
        return {
            str(node.get("name", {}).get("value", "")): node
            for node in tree
            if node.get("role", {}).get("value") == role
        }

    def text(self) -> str:
        """What the page says, as a screen reader reads it."""
        return "\n".join(self.named("StaticText"))

    def await_text(self, wanted: str) -> str:
        """The page's text, once it holds this."""
        deadline = time.monotonic() + GUARD_S
        while time.monotonic() < deadline:
            text = self.text()
            if text and wanted in text:
                return text
            time.sleep(0.05)
        raise AssertionError(f"{wanted!r} never came: {text}")

    def type(self, node: dict[str, Any], text: str) -> None:
        """Write into a field."""
        self.call("DOM.focus", backendNodeId=node["backendDOMNodeId"])
        self.call("Input.insertText", text=text)

    def tap(self, node: dict[str, Any]) -> None:
        """Touch the middle of something."""
        x, y = self.middle(node)
        for kind, points in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def box(self, node: dict[str, Any]) -> list[float]:
        """Left, top, right, bottom in CSS pixels of the window."""
        self.call("DOM.scrollIntoViewIfNeeded", backendNodeId=node["backendDOMNodeId"])
        model = self.call("DOM.getBoxModel", backendNodeId=node["backendDOMNodeId"])["model"]
        border = model["border"]
        return [*border[0:2], *border[4:6]]

    def middle(self, node: dict[str, Any]) -> tuple[float, float]:
        left, top, right, bottom = self.box(node)
        return (left + right) / 2, (top + bottom) / 2

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._read, 65_536)
            assert piece, "the browser is gone"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read


@contextmanager
def browser() -> Iterator[Browser]:
    """A phone without JavaScript; skips loudly where there is no Chromium."""
    if CHROMIUM is None:
        pytest.skip("SKIPPED LOUDLY: chromium is not installed")
    to_read, to_write = os.pipe()  # the browser reads commands from descriptor 3
    from_read, from_write = os.pipe()  # and writes what it says to descriptor 4
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = (
            "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
            f"--touch-events=enabled --remote-debugging-pipe --user-data-dir={profile}"
        )
        shell = f'exec "$0" {options} 3<&{to_read} 4>&{from_write}'
        process = subprocess.Popen(
            ["bash", "-c", shell, CHROMIUM],
            pass_fds=(to_read, from_write),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        try:
            page = Browser(to_write, from_read)
            page.call(
                "Emulation.setDeviceMetricsOverride",
                width=360, height=640, deviceScaleFactor=2, mobile=True,
            )  # fmt: skip
            page.call("Emulation.setScriptExecutionDisabled", value=True)
            yield page
        finally:
            os.close(to_write)
            process.terminate()
            process.wait(GUARD_S)
            os.close(from_read)
