"""What people are told of deliveries: alerts that reach them, numbers for monitoring."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from open311.adapters.alert_channels import MailChannel, WebhookChannel
from open311.domain.delivery import ChangePage, Idempotency
from open311.operations.alerts import raise_alerts, troubles_of
from open311.operations.polling import poll_destination
from open311.storage import destinations
from tests.adapters.mail_server import PASSWORD, USER, mail_server
from tests.delivery.conftest import NAME, Delivering
from tests.delivery.fake_tool import change
from tests.delivery.test_inbound import poll

Make = Callable[..., Delivering]


class Ear:
    """A channel that remembers; while `deaf` it takes nothing."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.deaf = False

    def __call__(self, destination: str, text: str) -> None:
        if self.deaf:
            raise OSError("deaf")
        self.heard.append((destination, text))


def alert(delivering: Delivering, ear: Ear) -> int:
    return raise_alerts(delivering.world.installation, [("ear", ear)], delivering.clock())


def kinds(delivering: Delivering) -> list[str]:
    found: dict[str, Any] = troubles_of(delivering.world.installation, delivering.clock())
    return [trouble.kind for trouble in found[NAME]]


def test_nothing_is_told_while_all_is_well(delivering: Delivering) -> None:
    delivering.world.posted_id()
    delivering.run()
    assert alert(delivering, ear := Ear()) == 0
    assert ear.heard == []


def test_a_delivery_that_waits_too_long_is_told_once_and_again_after_a_day(
    make_delivering: Make,
) -> None:
    delivering, ear = make_delivering(alert_after_s=3600), Ear()
    delivering.world.posted_id()
    delivering.tool.moods.extend(["unreachable"] * 99)
    delivering.run()
    delivering.clock.advance(minutes=59)
    assert alert(delivering, ear) == 0
    delivering.clock.advance(minutes=2)
    assert [alert(delivering, ear), alert(delivering, ear)] == [1, 0]
    ((name, text),) = ear.heard
    assert name == NAME
    assert "open311 delivery list" in text
    delivering.clock.advance(days=1)
    assert alert(delivering, ear) == 1


WORRIES = [("lost", "unknown"), ("refused", "dead"), ("unauthorized", "paused")]


@pytest.mark.parametrize(("mood", "kind"), WORRIES)
def test_what_only_a_person_can_decide_is_told_at_once(
    make_delivering: Make, mood: str, kind: str
) -> None:
    delivering, ear = make_delivering(Idempotency.NONE), Ear()
    delivering.world.posted_id()
    delivering.tool.moods.append(mood)
    delivering.run()
    assert kinds(delivering) == [kind]
    assert alert(delivering, ear) == 1


def test_a_new_trouble_beside_an_old_one_is_told(make_delivering: Make) -> None:
    delivering, ear = make_delivering(Idempotency.NONE), Ear()
    for mood in ("lost", "refused"):
        delivering.world.posted_id()
        delivering.tool.moods.append(mood)
        delivering.run()
        assert alert(delivering, ear) == 1
    assert len(ear.heard[-1][1].splitlines()) == 2


def test_a_status_that_nobody_understands_is_told(make_delivering: Make) -> None:
    delivering = make_delivering(can={"changes": True})
    delivering.world.posted_id()
    delivering.run()
    delivering.tool.pages.append(ChangePage((change("T1", "e", 1, status="bizarre"),), "1"))
    poll_destination(poll(delivering))
    assert kinds(delivering) == ["unmapped"]


def test_an_alert_that_nobody_heard_is_told_again(make_delivering: Make) -> None:
    delivering, ear = make_delivering(Idempotency.NONE), Ear()
    delivering.world.posted_id()
    delivering.tool.moods.append("lost")
    delivering.run()
    ear.deaf = True
    alert(delivering, ear)
    ear.deaf = False
    alert(delivering, ear)
    assert len(ear.heard) == 1


def test_trouble_that_ended_and_came_back_is_told_again(delivering: Delivering) -> None:
    ear = Ear()
    for _ in range(2):
        delivering.database.write(lambda c: destinations.pause(c, NAME, "essai"))
        assert alert(delivering, ear) == 1
        delivering.database.write(lambda c: destinations.resume(c, NAME))
        assert alert(delivering, ear) == 0


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook receiver: its address, and what it got."""
    got: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", got
        server.shutdown()


def test_alerts_are_posted_to_a_webhook(hook: tuple[str, list[dict[str, str]]]) -> None:
    WebhookChannel(hook[0])(NAME, "« gmao » est arrêtée")
    assert hook[1] == [{"text": "« gmao » est arrêtée", "destination": NAME}]


def test_alerts_are_mailed_over_tls_to_a_server_that_asks_who_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        url = f"smtp://{USER}:{PASSWORD}@127.0.0.1:{server.port}"
        MailChannel(url, "o311@ville.example", ["a@b.example"])(NAME, "« gmao » est arrêtée")
        (mail,) = server.mails
    assert NAME in str(mail["Subject"])
    assert mail["To"] == "a@b.example"
    assert "« gmao » est arrêtée" in mail.get_content()


def test_a_late_delivery_is_mailed_once_and_again_after_a_recovery(
    make_delivering: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivering = make_delivering(alert_after_s=3600)
    with mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        url = f"smtp://{USER}:{PASSWORD}@127.0.0.1:{server.port}"
        mail = MailChannel(url, "o311@ville.example", ["a@b.example"])

        def look_for_half_an_hour() -> int:
            for _ in range(30):
                delivering.clock.advance(minutes=1)
                channels = [("mail", mail)]
                raise_alerts(delivering.world.installation, channels, delivering.clock())
            return len(server.mails)

        for outage in (1, 2):
            delivering.world.posted_id()
            delivering.tool.moods.extend(["unreachable"] * 99)
            delivering.run()
            delivering.clock.advance(hours=1)
            assert look_for_half_an_hour() == outage
            assert look_for_half_an_hour() == outage
            delivering.tool.moods.clear()
            delivering.clock.advance(hours=7)
            delivering.run()
            assert look_for_half_an_hour() == outage  # nothing is wrong any more
    assert "attend depuis" in server.mails[-1].get_content()


def test_a_broken_channel_does_not_make_another_repeat_itself(delivering: Delivering) -> None:
    broken, ear = Ear(), Ear()
    broken.deaf = True
    delivering.database.write(lambda c: destinations.pause(c, NAME, "essai"))
    for _ in range(5):
        channels = [("broken", broken), ("ear", ear)]
        raise_alerts(delivering.world.installation, channels, delivering.clock())
        delivering.clock.advance(minutes=1)
    assert len(ear.heard) == 1


def test_metrics_tell_age_states_attempts_and_stops(make_delivering: Make) -> None:
    delivering = make_delivering(Idempotency.NONE)
    for mood in ("", "lost", "refused", "unreachable"):
        delivering.world.posted_id()
        delivering.tool.moods.append(mood)
    delivering.run()
    delivering.world.posted_id()
    delivering.clock.advance(seconds=20)
    told = delivering.world.client.get("/metrics")
    assert told.content_type.startswith("text/plain; version=0.0.4")
    lines = set(told.get_data(as_text=True).splitlines())
    assert {
        f'open311_deliveries{{destination="{NAME}",state="{state}"}} 1'
        for state in ("done", "unknown", "dead", "pending")
    } <= lines
    assert {
        "open311_outbox_events 1",
        "open311_outbox_oldest_seconds 20",
        f'open311_delivery_oldest_seconds{{destination="{NAME}"}} 20',
        f'open311_delivery_attempts{{destination="{NAME}",outcome="refused"}} 1',
        f'open311_destination_stopped{{destination="{NAME}"}} 0',
    } <= lines
    delivering.database.write(lambda c: destinations.pause(c, NAME, "essai"))
    assert f'stopped{{destination="{NAME}"}} 1' in delivering.world.client.get("/metrics").text


def test_metrics_are_not_for_who_comes_through_a_proxy(delivering: Delivering) -> None:
    client = delivering.world.client
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 404
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/metrics", environ_overrides=elsewhere).status_code == 404
