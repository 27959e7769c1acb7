"""The settings of one installation, read from the environment.

Each field below is one key `OPEN311_<NAME>`: its default, its unit and its help
stand beside it, and the table of the documentation is written from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field as DataclassField
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from open311.config.errors import ConfigurationError
from open311.config.setting_readers import (
    Reader,
    database_address,
    http_address,
    one_of,
    seconds,
    smtp_address,
    some_text,
    whole,
)

PREFIX = "OPEN311_"
#: Keys of other programs of the same family, which are none of our business.
FOREIGN_PREFIXES = ("OPEN311_TEST_", "OPEN311_CONFORMANCE_")
MIB = 1024 * 1024
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _setting(default: Any, read: Reader, text: str, unit: str = "", *, secret: bool = False) -> Any:
    """One field of the settings; a secret one is not shown by `repr`."""
    notes = {"read": read, "help": text, "unit": unit, "secret": secret}
    return field(default=default, metadata=notes, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """How this installation runs. Every value has a default that suits a trial.

    `threads` and `workers` may be 0, which means: what suits the database. Read
    `thread_count` and `worker_count`, which have decided.
    """

    database_url: str = _setting(
        "sqlite:///open311.sqlite3",
        database_address,
        "Where requests are stored: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.",
        secret=True,
    )
    media_url: str = _setting(
        "media/",
        some_text,
        "Where photos are stored: a folder, or an object store (`s3://bucket/prefix`).",
        secret=True,
    )
    public_url: str = _setting(
        "http://127.0.0.1:8311",
        http_address,
        "Address under which clients reach this server; links in answers begin with it.",
    )
    host: str = _setting("127.0.0.1", some_text, "Address to listen on.")
    port: int = _setting(
        8311, whole(0, 65535), "TCP port to listen on; 0 takes a free one.", "port number"
    )
    threads: int = _setting(
        0,
        whole(0, 256),
        "Threads per server process; 0 decides: 16 on SQLite, 4 on PostgreSQL.",
        "threads",
    )
    workers: int = _setting(
        0,
        whole(0, 256),
        "Server processes; 0 decides: 1 on SQLite (which allows no more), else one per core.",
        "processes",
    )
    graceful_stop_s: float = _setting(
        10.0,
        seconds(3600),
        "How long a stopping server waits for the requests it is answering.",
        "seconds",
    )
    log_format: str = _setting(
        "json",
        one_of("json", "text"),
        "Form of the logs: `json` for machines, `text` for eyes.",
    )
    log_level: str = _setting(
        "INFO",
        one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "Least serious level that is logged.",
    )
    max_body_bytes: int = _setting(
        4 * 10 * MIB + MIB,
        whole(1024, 1024 * MIB),
        "Largest request body: 4 photos of 10 MiB and 1 MiB of fields.",
        "bytes",
    )
    configuration_refresh_s: float = _setting(
        1.0,
        seconds(3600),
        "How long a process may serve a jurisdiction that was applied anew elsewhere; "
        "0 looks at each request.",
        "seconds",
    )
    sqlite_synchronous: str = _setting(
        "FULL",
        one_of("OFF", "NORMAL", "FULL", "EXTRA"),
        "SQLite's `synchronous`. Below `FULL` a power cut loses acknowledged reports: "
        "for tests of durability only.",
    )
    lock_wait_s: float = _setting(
        5.0,
        seconds(600),
        "How long a write waits for the database's lock before the answer is 503.",
        "seconds",
    )
    read_limit_s: float = _setting(
        10.0,
        seconds(3600),
        "How long one query of a list may take before the answer is 503; 0 sets no limit.",
        "seconds",
    )
    idempotency_hours: int = _setting(
        48,
        whole(1, 24 * 90),
        "How long the answer to an `Idempotency-Key` is kept for replay.",
        "hours",
    )
    trusted_proxies: int = _setting(
        0,
        whole(0, 10),
        "Proxies in front whose `X-Forwarded-*` headers are believed.",
        "proxies",
    )
    wide_span: str = _setting(
        "refuse",
        one_of("refuse", "clamp"),
        "A date window over 90 days: `refuse` it with a 400, or `clamp` it to 90 days.",
    )
    min_free_disk_bytes: int = _setting(
        100 * MIB,
        whole(0, 2**50),
        "Free space under which `/readyz` fails.",
        "bytes",
    )

    worker_look_s: float = _setting(
        1.0,
        seconds(60),
        "How often a delivery worker looks for something new to send.",
        "seconds",
    )
    delivery_lease_s: float = _setting(
        120.0,
        seconds(3600),
        "How long a delivery stays with a worker that gives no sign of life. Longer than any "
        "tool takes to answer.",
        "seconds",
    )
    delivery_settle_s: float = _setting(
        60.0,
        seconds(3600),
        "How long a tool may still be working on what it did not answer; only then is it asked "
        "whether the ticket is there.",
        "seconds",
    )
    delivery_retry_s: float = _setting(
        30.0,
        seconds(3600),
        "First wait after a failure; it doubles, and the real wait is drawn between 0 and it.",
        "seconds",
    )
    delivery_retry_cap_s: float = _setting(
        21_600.0, seconds(7 * 86_400), "Longest wait between two tries.", "seconds"
    )
    delivery_give_up_s: float = _setting(
        604_800.0,
        seconds(365 * 86_400),
        "After this long since its first failure a delivery is a dead letter.",
        "seconds",
    )
    delivery_circuit_s: float = _setting(
        30.0,
        seconds(3600),
        "How long a destination rests after five failures in a row; it doubles up to 60 times.",
        "seconds",
    )
    alert_webhook_url: str = _setting(
        "",
        http_address,
        "Where alerts on deliveries are posted as JSON (`text`, `destination`); empty: nowhere.",
        secret=True,
    )
    alert_mail_to: str = _setting(
        "", some_text, "Who gets alerts on deliveries by mail, comma-separated; empty: nobody."
    )
    alert_mail_from: str = _setting(
        "open311@localhost", some_text, "Sender of the mails of this server itself."
    )
    smtp_url: str = _setting(
        "",
        smtp_address,
        "Mail server for alerts: `smtp://USER:PASSWORD@HOST:587` (with STARTTLS) or `smtps://…`.",
        secret=True,
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read every `OPEN311_*` key of an environment.

        `OPEN311_X_FILE` names a file that holds the value of `OPEN311_X`, for
        secrets; an empty variable counts as absent.

        Raises:
            ConfigurationError: all faults at once: unknown keys, wrong values,
                values that contradict each other.
        """
        faults = _unknown_keys(environ)
        values: dict[str, Any] = {}
        for each in fields(cls):
            try:
                values.update(_value(each, environ))
            except ValueError as error:
                faults.append(f"{environment_key(each.name)} : {error}.")
        settings = cls(**values)
        # A value that could not be read stands at its default: it contradicts nothing.
        faults = faults or settings._contradictions()
        if faults:
            raise ConfigurationError(faults)
        return settings

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite, which takes one server process."""
        return self.database_url.startswith("sqlite")

    @property
    def accepts_loss(self) -> bool:
        """Whether durability was given up on purpose, for an experiment."""
        return self.is_sqlite and self.sqlite_synchronous not in {"FULL", "EXTRA"}

    @property
    def thread_count(self) -> int:
        """Threads per server process, decided."""
        return self.threads or (16 if self.is_sqlite else 4)

    def worker_count(self, cores: int) -> int:
        """Server processes, decided for a machine of that many cores."""
        return self.workers or (1 if self.is_sqlite else cores)

    def warnings(self) -> list[str]:
        """What is allowed but dangerous: to be said loudly at start, in French."""
        said = []
        if self.accepts_loss:
            said.append(
                f"OPEN311_SQLITE_SYNCHRONOUS={self.sqlite_synchronous} : une coupure de courant "
                "PERDRA des signalements déjà accusés. Réservé aux essais de durabilité."
            )
        public = urlsplit(self.public_url)
        if public.scheme == "http" and public.hostname not in LOOPBACK:
            said.append(
                f"OPEN311_PUBLIC_URL={self.public_url} : les clés et les coordonnées des "
                "usagers circuleront en clair ; publiez le service en https."
            )
        return said

    def _contradictions(self) -> list[str]:
        faults = []
        if self.is_sqlite and self.workers > 1:
            faults.append(
                f"OPEN311_WORKERS : SQLite n'admet qu'un processus serveur, {self.workers} "
                "demandés ; mettez 1, ou passez à PostgreSQL (OPEN311_DATABASE_URL)."
            )
        if self.trusted_proxies and self.host not in LOOPBACK:
            faults.append(
                f"OPEN311_TRUSTED_PROXIES : le serveur écoute sur {self.host}, où chacun peut "
                "forger X-Forwarded-For ; écoutez sur 127.0.0.1 (OPEN311_HOST) ou mettez 0."
            )
        if self.alert_mail_to and not self.smtp_url:
            faults.append("OPEN311_ALERT_MAIL_TO : il faut aussi OPEN311_SMTP_URL.")
        return faults


def environment_key(name: str) -> str:
    """The environment variable of one field: `port` gives `OPEN311_PORT`."""
    return PREFIX + name.upper()


def settings_table() -> str:
    """The Markdown table of every setting, as the documentation shows it."""
    rows = ["| key | default | unit | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{environment_key(each.name)}` | `{_written(each.default)}` "
        f"| {each.metadata['unit']} | {each.metadata['help']} |"
        for each in fields(Settings)
    ]
    return "\n".join(rows) + "\n"


def _written(default: Any) -> str:
    """A default as one would write it in the environment: `1.0` as `1`."""
    return f"{default:g}" if isinstance(default, float) else str(default)


def _value(each: DataclassField[Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The value that the environment gives to one field, if it gives one."""
    key = environment_key(each.name)
    raw, path = environ.get(key, "").strip(), environ.get(f"{key}_FILE", "").strip()
    if raw and path:
        raise ValueError(f"donnez {key} ou {key}_FILE, pas les deux")
    if path:
        raw = _secret(path)
    return {each.name: each.metadata["read"](raw)} if raw or path else {}


def _secret(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"le fichier {path} ne peut pas être lu ({type(error).__name__})"
        ) from error


def _unknown_keys(environ: Mapping[str, str]) -> list[str]:
    known = [environment_key(each.name) for each in fields(Settings)]
    known += [f"{key}_FILE" for key in known]
    faults = []
    for key in sorted(environ):
        if not key.startswith(PREFIX) or key.startswith(FOREIGN_PREFIXES) or key in known:
            continue
        close = get_close_matches(key, known, n=1)
        hint = f" ; vouliez-vous dire {close[0]} ?" if close else "."
        faults.append(f"{key} : réglage inconnu{hint}")
    return faults
