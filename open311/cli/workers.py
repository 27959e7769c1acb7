"""open311 worker: deliveries to the business tools, and the same beside a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial

import click
import structlog

from open311.adapters.alert_channels import MailChannel, WebhookChannel
from open311.cli.site import open_installation, read_settings
from open311.cli.teaching import TeachingCommand
from open311.config.settings import Settings, environment_key
from open311.domain.retry import Pace
from open311.http.logs import configure_logs
from open311.operations.alerts import Channel, raise_alerts
from open311.operations.delivery import Desk
from open311.storage.shared_clock import SharedClock
from open311.worker import Worker, worker_name

_log = structlog.get_logger("open311.worker")
_RESTART_S = 2.0
_PARENT_LOOK_S = 1.0
_COMMAND = [sys.executable, "-c", "from open311.cli import main; main()", "worker"]


@click.command(cls=TeachingCommand)
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="S'arrêter avec le programme qui a lancé."
)
def worker(with_parent: bool) -> None:  # noqa: FBT001 - click gives options by name
    """Transmettre les demandes aux outils métier, jusqu'à Ctrl-C ou SIGTERM.

    L'envoi en cours est terminé, le reste est rendu. On peut en lancer plusieurs, sur
    plusieurs machines avec PostgreSQL. Arrêté net, il ne perd ni ne double rien.

        open311 worker
        open311 serve --with-worker
    """
    settings = read_settings()
    configure_logs(settings.log_format, settings.log_level)
    stopping = threading.Event()
    if with_parent:
        threading.Thread(
            target=_stop_with_parent, args=(os.getppid(), stopping), daemon=True
        ).start()
    with open_installation(settings, refresh_s=settings.configuration_refresh_s) as here:
        channels = alert_channels(settings)
        clock = SharedClock(here.database, here.now)
        working = Worker(
            here,
            Desk(here, worker_name(), clock, pace_of(settings)),
            look_s=settings.worker_look_s,
            alert=partial(raise_alerts, here, channels),
        )

        def stop(*_: object) -> None:
            stopping.set()
            working.stop_soon()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        click.echo("WORKER=ready")
        sys.stdout.flush()
        working.run(stopping, grace_s=settings.graceful_stop_s)


def pace_of(settings: Settings) -> Pace:
    """How patient deliveries are, from the settings."""
    return Pace(
        lease_s=settings.delivery_lease_s,
        settle_s=settings.delivery_settle_s,
        base_s=settings.delivery_retry_s,
        cap_s=settings.delivery_retry_cap_s,
        give_up_s=settings.delivery_give_up_s,
        open_s=settings.delivery_circuit_s,
        open_cap_s=60 * settings.delivery_circuit_s,
    )


def alert_channels(settings: Settings) -> list[tuple[str, Channel]]:
    """Where alerts go, from the settings; they are always logged too."""
    channels: list[tuple[str, Channel]] = []
    if settings.alert_webhook_url:
        channels.append(("webhook", WebhookChannel(settings.alert_webhook_url)))
    recipients = [each.strip() for each in settings.alert_mail_to.split(",") if each.strip()]
    if recipients:
        mail = MailChannel(settings.smtp_url, settings.alert_mail_from, recipients)
        channels.append(("mail", mail))
    return channels


@contextmanager
def worker_beside(settings: Settings) -> Iterator[None]:
    """A worker process that runs while the block does, started again when it dies."""
    ended = threading.Event()
    watch = threading.Thread(target=_keep_running, args=(settings, ended), daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _keep_running(settings: Settings, ended: threading.Event) -> None:
    environment = _environment(settings)
    while not ended.is_set():
        child = subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, "--with-parent"], env=environment, stdout=subprocess.DEVNULL
        )
        while child.poll() is None and not ended.wait(0.2):
            pass
        if child.poll() is None:
            child.terminate()
            child.wait()
        elif child.returncode == 0:
            return  # it was told to stop, as we shall be
        else:
            _log.error("worker died", exit_code=child.returncode)
            ended.wait(_RESTART_S)


def _environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that must run with the same settings as this one."""
    given = {
        environment_key(each.name): str(getattr(settings, each.name)) for each in fields(settings)
    }
    files = {f"{key}_FILE" for key in given}
    return {key: text for key, text in os.environ.items() if key not in files} | given


def _stop_with_parent(parent: int, stopping: threading.Event) -> None:
    while os.getppid() == parent:
        threading.Event().wait(_PARENT_LOOK_S)
    stopping.set()
