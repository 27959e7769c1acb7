"""Whatever a server answers, the suite ends with verdicts or a sentence, never a crash."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import Command, broken, failures, run_suite

from open311_conformance.model import CannotRun, Profile
from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.mutation import Mutation
from open311_conformance.proving.reference import ReferenceServer
from open311_conformance.proving.serving import Respond, reference, serving

XML = {"Content-Type": "text/xml; charset=utf-8"}


def only_for(resource: str, body: bytes, headers: dict[str, str] | None = None) -> Mutation:
    """A reference server that answers one resource with given bytes."""

    def before(ask: Ask) -> Answer | None:
        return Answer(200, body, headers or XML) if ask.resource == resource else None

    return Mutation("", "", before=before)


@pytest.mark.parametrize("resource", ["services", "requests", "services/pothole"])
@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><html><body>Bienvenue</body></html>",
        b"<services><service>",
        b"",
        b"\xff\xfe\x00\x01",
        b"<services>" + b"<x>" * 3000,
        b"[[[[[1, null, [], {}]]]]]",
        b"<a:services xmlns:a='urn:a'><a:service/></a:services>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><services>&e;</services>',
    ],
    ids=["page", "cut", "empty", "noise", "deep", "json", "prefixed", "entity"],
)
def test_an_unreadable_resource_gives_verdicts(resource: str, body: bytes) -> None:
    with reference(only_for(resource, body).into) as url:
        run = run_suite(url, *Profile, write=False)
    assert broken(run) == {}
    assert failures(run)
    assert "root:" not in str([outcome.message for outcome in run.outcomes.values()])


def test_a_site_that_is_no_georeport_server_cannot_be_tested() -> None:
    page = Answer(200, b"<!doctype html><html>Bienvenue</html>", {"Content-Type": "text/html"})
    with serving(lambda _: page) as address, pytest.raises(CannotRun, match="nothing at"):
        run_suite(f"{address}/open311/v2", write=False)


def test_a_redirect_to_another_base_is_followed_once() -> None:
    def moved(server: ReferenceServer) -> Respond:
        def respond(ask: Ask) -> Answer:
            if ask.path.startswith("/old/"):
                return Answer(301, b"", {"Location": ask.target.replace("/old/", "/open311/test/")})
            return server.answer(ask)

        return respond

    with reference(moved) as url:
        run = run_suite(url.replace("/open311/test/", "/old/"), Profile.CORE, write=False)
        assert run.target.base == url
    assert failures(run) == set()


def test_an_endless_redirect_ends() -> None:
    loop = Answer(302, b"", {"Location": "/open311/v2/services.xml"})
    with serving(lambda _: loop) as address, pytest.raises(CannotRun, match="too many redirects"):
        run_suite(f"{address}/open311/v2", write=False)


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that writes bytes by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    try:
                        peer.recv(65536)
                        talk(peer)
                    except OSError:
                        continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/open311/v2"
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def cut_short(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 999\r\n\r\n<serv")


def silent(peer: socket.socket) -> None:
    peer.settimeout(3)
    peer.recv(1)


def noise(peer: socket.socket) -> None:
    peer.sendall(b"\x00\xff nothing like HTTP\r\n\r\n")


@pytest.mark.parametrize(
    ("talk", "said"),
    [(cut_short, "cut short"), (silent, "within the time"), (noise, "cannot be reached")],
)
def test_a_broken_transport_is_told_in_a_sentence(
    talk: Callable[[socket.socket], None], said: str
) -> None:
    with raw_server(talk) as url, pytest.raises(CannotRun, match=said):
        run_suite(url, write=False, timeout_s=0.7)


def test_a_server_that_stops_answering_half_way_gives_verdicts() -> None:
    with reference() as url:
        seen = iter(range(10_000))

        def dying(server: ReferenceServer) -> Respond:
            def respond(ask: Ask) -> Answer:
                if next(seen) > 60:
                    raise ConnectionAbortedError
                return server.answer(ask)

            return respond

    with reference(dying) as url:
        run = run_suite(url, write=False)
    assert broken(run) == {}
    reasons = {outcome.message for outcome in run.outcomes.values()}
    assert "the server has stopped answering" in reasons


def test_a_certificate_that_nobody_signed_is_told(command: Command, tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: the certificate cannot be made")
    files = [str(tmp_path / name) for name in ("key.pem", "certificate.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-keyout", files[0], "-out", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])

    def handshake(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as secure:
            secure.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for _ in range(3):
                try:
                    handshake(listener.accept()[0])
                except OSError:
                    continue

        threading.Thread(target=accept, daemon=True).start()
        done = command(f"https://localhost:{listener.getsockname()[1]}/open311/v2")
    assert done.returncode == 2
    assert "certificate" in done.stderr


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["service_code", "metadata", "attributes", "values", "service_request_id",
                         "endpoints", "formats", "lat", "errors", "code"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=st.lists(JSON, min_size=1, max_size=4))
def test_any_json_document_gives_verdicts(documents: list[Any]) -> None:
    """The JSON answers are arbitrary, the XML ones sound: no check may break."""
    bodies = [json.dumps(document).encode() for document in documents]

    def after(ask: Ask, answer: Answer) -> None:
        if ask.fmt == "json":
            answer.body = bodies[len(ask.target) % len(bodies)]

    with reference(Mutation("", "", after=after).into) as url:
        run = run_suite(url, *Profile, write=False)
    assert broken(run) == {}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=JSON)
def test_any_json_endpoint_without_xml_gives_verdicts(document: Any) -> None:
    """Nothing but arbitrary JSON: verdicts, or a sentence that it cannot run."""
    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    with serving(lambda _: Answer(200, body, headers)) as address:
        try:
            run = run_suite(f"{address}/v2", *Profile, write=False)
        except CannotRun:
            return
    assert broken(run) == {}
