"""Settings from the environment."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.config.errors import ConfigurationError
from open311.config.settings import Settings, environment_key, settings_table


def faults_of(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(environ)
    return caught.value.faults


def test_an_empty_environment_gives_defaults_that_suit_a_trial() -> None:
    settings = Settings.from_environment({"PATH": "/bin", "OPEN311_PORT": "  "})
    assert settings == Settings()
    assert settings.database_url == "sqlite:///open311.sqlite3"
    assert settings.max_body_bytes == 41 * 1024 * 1024
    assert settings.warnings() == []


@pytest.mark.parametrize(
    ("key", "raw", "read"),
    [
        ("DATABASE_URL", "postgresql://u:p@h/d", "postgresql://u:p@h/d"),
        ("DATABASE_URL", "postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("DATABASE_URL", "sqlite:////var/lib/o.sqlite3", "sqlite:////var/lib/o.sqlite3"),
        ("MEDIA_URL", "s3://photos/prod", "s3://photos/prod"),
        ("PUBLIC_URL", "https://signaler.example/", "https://signaler.example"),
        ("PUBLIC_URL", "http://[::1]:8311", "http://[::1]:8311"),
        ("PORT", "0", 0),
        ("PORT", "65535", 65535),
        ("LOG_FORMAT", "TEXT", "text"),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("CONFIGURATION_REFRESH_S", "0", 0.0),
        ("CONFIGURATION_REFRESH_S", "2.5", 2.5),
        ("SQLITE_SYNCHRONOUS", "normal", "NORMAL"),
        ("WIDE_SPAN", "clamp", "clamp"),
        ("TRUSTED_PROXIES", "1", 1),
    ],
)
def test_a_good_value_is_read(key: str, raw: str, read: object) -> None:
    settings = Settings.from_environment({f"OPEN311_{key}": raw})
    assert getattr(settings, key.lower()) == read


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("DATABASE_URL", "mysql://u:p@h/d"),
        ("DATABASE_URL", "open311.sqlite3"),
        ("PUBLIC_URL", "signaler.example"),
        ("PUBLIC_URL", "http://[bad"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://u:p@signaler.example"),
        ("PUBLIC_URL", "https://signaler.example/?a=1"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "٣"),
        ("PORT", "9" * 5000),
        ("THREADS", "4.5"),
        ("IDEMPOTENCY_HOURS", "0"),
        ("LOCK_WAIT_S", "nan"),
        ("LOCK_WAIT_S", "1e9"),
        ("LOG_FORMAT", "xml"),
        ("SQLITE_SYNCHRONOUS", "maybe"),
        ("WIDE_SPAN", "ignore"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(key: str, raw: str) -> None:
    (fault,) = faults_of({f"OPEN311_{key}": raw})
    assert fault.startswith(f"OPEN311_{key} : ")
    assert fault.endswith(".")


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(
        {"OPEN311_PORT": "x", "OPEN311_THREAD": "4", "OPEN311_WIDE_SPAN": "no", "OPEN311_ZZ": "1"}
    )
    assert [fault.partition(" :")[0] for fault in faults] == [
        "OPEN311_THREAD",
        "OPEN311_ZZ",
        "OPEN311_PORT",
        "OPEN311_WIDE_SPAN",
    ]
    assert "OPEN311_THREADS" in faults[0]


def test_keys_of_the_sister_programs_are_let_be() -> None:
    assert Settings.from_environment({"OPEN311_TEST_X": "1", "OPEN311_CONFORMANCE_Y": "2"})


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://u:p@h/d\n")
    settings = Settings.from_environment({"OPEN311_DATABASE_URL_FILE": str(secret)})
    assert settings.database_url == "postgresql://u:p@h/d"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_secret_file_that_gives_nothing_is_told(tmp_path: Path, content: bytes | None) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    (fault,) = faults_of({"OPEN311_DATABASE_URL_FILE": str(secret)})
    assert fault.startswith("OPEN311_DATABASE_URL : ")


def test_a_value_and_its_file_together_are_refused(tmp_path: Path) -> None:
    (fault,) = faults_of({"OPEN311_PORT": "1", "OPEN311_PORT_FILE": str(tmp_path)})
    assert "pas les deux" in fault


def test_passwords_are_never_shown() -> None:
    url = "postgresql://u:s3cr3t@h/d"
    settings = Settings.from_environment({"OPEN311_DATABASE_URL": url, "OPEN311_MEDIA_URL": url})
    assert "s3cr3t" not in repr(settings)
    wrong = "mysql://u:s3cr3t@h/d"
    assert "s3cr3t" not in "".join(faults_of({"OPEN311_DATABASE_URL": wrong}))


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"OPEN311_WORKERS": "2"}, "OPEN311_WORKERS"),
        (
            {"OPEN311_TRUSTED_PROXIES": "1", "OPEN311_HOST": "0.0.0.0"},
            "OPEN311_TRUSTED_PROXIES",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(environ: dict[str, str], key: str) -> None:
    (fault,) = faults_of(environ)
    assert fault.startswith(f"{key} : ")


def test_an_unreadable_value_is_not_said_to_contradict_another() -> None:
    environ = {"OPEN311_DATABASE_URL": "postgres:/oops", "OPEN311_WORKERS": "2"}
    (fault,) = faults_of(environ)
    assert fault.startswith("OPEN311_DATABASE_URL : ")


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"OPEN311_SQLITE_SYNCHRONOUS": "NORMAL"}, "PERDRA"),
        ({"OPEN311_PUBLIC_URL": "http://signaler.example"}, "https"),
    ],
)
def test_what_is_dangerous_is_said_loudly(environ: dict[str, str], word: str) -> None:
    (said,) = Settings.from_environment(environ).warnings()
    assert word in said


@pytest.mark.parametrize(
    ("environ", "threads", "workers"),
    [
        ({}, 16, 1),
        ({"OPEN311_DATABASE_URL": "postgresql://h/d"}, 4, 8),
        ({"OPEN311_DATABASE_URL": "postgresql://h/d", "OPEN311_WORKERS": "3"}, 4, 3),
        ({"OPEN311_THREADS": "5"}, 5, 1),
    ],
)
def test_threads_and_processes_suit_the_database(
    environ: dict[str, str], threads: int, workers: int
) -> None:
    settings = Settings.from_environment(environ)
    assert (settings.thread_count, settings.worker_count(cores=8)) == (threads, workers)


def test_the_table_documents_every_setting_on_one_line() -> None:
    rows = settings_table().splitlines()
    assert len(rows) == 2 + len(fields(Settings))
    for each, row in zip(fields(Settings), rows[2:], strict=True):
        assert row.startswith(f"| `{environment_key(each.name)}` | `")
        assert row.endswith(". |")
        assert each.metadata["unit"] or not isinstance(each.default, int | float)


keys = st.sampled_from([environment_key(each.name) for each in fields(Settings)])


@given(st.dictionaries(keys, st.text(max_size=20), max_size=4))
def test_any_environment_is_read_or_refused_with_sentences(environ: dict[str, str]) -> None:
    try:
        Settings.from_environment(environ)
    except ConfigurationError as error:
        told = error.faults
    else:
        told = ()
    assert all(fault.startswith("OPEN311_") for fault in told)
