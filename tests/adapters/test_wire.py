"""The way out over HTTP: where it may go, what it says is certain, what its record shows."""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from collections.abc import Iterator

import pytest
from requests import Request

from open311.adapters.masking import MASK, Masker, shown_body
from open311.adapters.profile import Filled
from open311.adapters.wire import Limits, Wire
from open311.domain.delivery import (
    Destination,
    OutcomeUnknown,
    ToolError,
    ToolRefused,
    ToolUnreachable,
)

SECRET = "s3cret/with+signs=and é"
LOOPBACK = ("127.0.0.0/8",)


def wire_to(*networks: str, **limits: float) -> Wire:
    destination = Destination("outil", "profil", allowed_networks=networks)
    return Wire(destination, Filled({}, (SECRET,)), Limits(**limits))


@contextlib.contextmanager
def answering(answer: bytes, *, slowly_s: float = 0, reads: bool = True) -> Iterator[str]:
    """A server that gives these bytes to one client, whole or one by one."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client:
                if reads:
                    client.recv(65_536)
                for at in range(len(answer)) if slowly_s else ():
                    client.sendall(answer[at : at + 1])
                    if over.wait(slowly_s):
                        return
                if not slowly_s:
                    client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.close()
        thread.join(10)


def failure(wire: Wire, url: str, *, safe: bool = False) -> ToolError:
    with pytest.raises(ToolError) as caught:
        wire.send(Request("POST", url, data=b"x"), safe=safe)
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:9/",
        "https://127.0.0.1:9/",
        "https://2130706433:9/",
        "https://[::1]:9/",
        "https://10.0.0.4/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.4]/",
        "https://[64:ff9b::a9fe:a9fe]/",
    ],
)
def test_a_private_address_is_not_reached_unless_the_destination_may(url: str) -> None:
    error = failure(wire_to(), url)
    assert type(error) is ToolUnreachable
    assert "allowed_networks" in error.message


def test_a_name_that_turns_private_after_a_check_is_not_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address that was checked is the one connected to: one look-up, not two."""
    looked_up: list[str] = []

    def resolver(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        address = "93.184.216.34" if len(looked_up) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    reached: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], **_: object) -> socket.socket:
        reached.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert type(failure(wire_to(), "https://tool.example/")) is ToolUnreachable
    assert (looked_up, reached) == (["tool.example"], [("93.184.216.34", 443)])


def test_without_tls_only_allowed_networks_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    error = failure(wire_to(), "http://tool.example/")
    assert "seul https" in error.message


def test_the_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as url:
        assert wire_to(*LOOPBACK).send(Request("GET", url), safe=True).status == 204


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nABCD",
    ],
)
def test_a_lost_answer_is_unknown_unless_the_request_was_safe(answer: bytes) -> None:
    with answering(answer) as url:
        assert type(failure(wire_to(*LOOPBACK), url)) is OutcomeUnknown
    with answering(answer) as url:
        assert type(failure(wire_to(*LOOPBACK), url, safe=True)) is ToolUnreachable


def test_an_answer_that_drips_for_ever_is_cut_at_the_deadline() -> None:
    endless = b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000
    with answering(endless, slowly_s=0.05) as url:
        error = failure(wire_to(*LOOPBACK, total_timeout_s=0.4), url)
    assert type(error) is OutcomeUnknown
    assert "à temps" in error.message


def test_an_answer_beyond_its_limit_is_not_read_to_its_end() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"a" * 3_000_000
    with answering(body) as url:
        error = failure(wire_to(*LOOPBACK, max_answer_bytes=1000), url)
    assert "plus de 1000 octets" in error.message


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with answering(away) as url:
        assert wire_to(*LOOPBACK).send(Request("POST", url), safe=False).status == 302


@pytest.mark.parametrize("place", ["url", "header", "json", "form", "answer"])
def test_the_record_shows_no_secret_and_no_person(place: str) -> None:
    person = "Zoé O'Hara <zoe@example.org>"
    body = f"{SECRET} {person}".encode() if place == "answer" else b"ok"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with answering(head + body) as url:
        request = Request("POST", url)
        if place == "url":
            request.params = {"key": SECRET, "who": person}
        elif place == "header":
            request.headers = {"X-Who": "masked elsewhere", "Authorization": "Bearer abcdef"}
        elif place == "json":
            request.json = {"key": SECRET, "who": person}
        elif place == "form":
            request.data = {"key": SECRET, "who": person}
        reply = wire_to(*LOOPBACK).send(request, safe=False, persons=[person])
    shown = reply.exchange.request + reply.exchange.response
    for hidden in ("s3cret", "zoe", "Zo", "abcdef"):
        assert hidden not in shown


def test_photos_in_the_record_are_sizes() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        request = Request("POST", url, json={"photo": "QUJD" * 1000})
        shown = wire_to(*LOOPBACK).send(request, safe=False).exchange.request
    assert "‹4000 caractères en base64›" in shown
    assert "QUJDQUJD" not in shown


@pytest.mark.parametrize(
    "written",
    [
        "Durand &amp; Fils",
        "Durand &#38; Fils",
        r"Durand \u0026 Fils",
        "Durand%20%26%20Fils",
        "Durand+&+Fils",
        "Zo\\u00E9/\\/l\\u00e0",
        "Zo%c3%a9//l%C3%A0",
        "Zo&eacute;//l&#xE0;",
    ],
)
def test_a_person_is_masked_however_a_tool_writes_him(written: str) -> None:
    masker = Masker(["Durand & Fils", "Zoé//là"])
    assert shown_body(f"<nom>{written}</nom>", masker) == f"<nom>{MASK}</nom>"


@pytest.mark.parametrize(
    "before", ["é" * 3990, "<p>" * 1330, "A" * 900, "A" * 40_000, "QUJD" * 300_000 + "="]
)
def test_neither_the_cut_nor_a_photo_leaves_a_piece_of_a_secret(before: str) -> None:
    key = "tool-secret-42-" + "x" * 30
    for text in (before + key, key + before, f"{key} {before} {key} {before}"):
        shown = shown_body(text, Masker([key]))
        assert not any(piece in shown for piece in ("tool", "secret", "xxx")), shown[-200:]


@pytest.mark.parametrize("value", [" tool-secret-42", "tool-secret-42\nX-Other: 1"])
def test_a_request_that_cannot_be_written_was_not_sent_and_repeats_nothing(value: str) -> None:
    wire = wire_to(*LOOPBACK)
    request = Request("POST", "http://127.0.0.1:9/", headers={"X-Key": value})
    with pytest.raises(ToolRefused) as caught:
        wire.send(request, safe=False)
    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.exchange)
    assert "tool-secret" not in told
