"""Debian's nginx before a really started server, both as the documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import City, open_city
from tests.acceptance.mailed_links import MAILBOX, SECRET
from tests.nginx.front import NGINX, Front

#: The real ones make a test wait for half a minute.
IMPATIENT = {
    "client_header_timeout 10s;": "client_header_timeout 2s;",
    "client_body_timeout 8s;": "client_body_timeout 2s;",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if NGINX is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="SKIPPED LOUDLY: nginx is not installed"))


#: A mailbox, and tools that tell us things at `/hooks/…`; no worker speaks to them here.
DESTINATIONS = (
    MAILBOX
    + """
[[destinations]]
name = "signe"
profile = "roundup"
settings = {{ base_url = "https://outil.example/", user = "u", hook_scheme = "hub-sha256" }}
secrets = {{ password = "file:{secret}", hook_secret = "file:{secret}" }}

[[destinations]]
name = "chemin"
profile = "roundup"
settings.base_url = "https://outil.example/"
settings.user = "u"
settings.hook_scheme = "path"
settings.hook_networks = "127.0.0.0/8"
secrets = {{ password = "file:{secret}", hook_secret = "file:{secret}" }}

[[destinations]]
name = "ailleurs"
profile = "roundup"
settings.base_url = "https://outil.example/"
settings.user = "u"
settings.hook_scheme = "path"
settings.hook_networks = "10.0.0.0/8"
secrets = {{ password = "file:{secret}", hook_secret = "file:{secret}" }}

[[destinations]]
name = "publik"
profile = "roundup"
settings = {{ base_url = "https://outil.example/", user = "u", hook_scheme = "publik" }}
secrets = {{ password = "file:{secret}", hook_secret = "file:{secret}" }}
"""
)


@pytest.fixture(scope="session")
def proxied_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Gentilly on SQLite, as it runs behind nginx."""
    folder = tmp_path_factory.mktemp("proxied")
    secret = folder / "secret"
    secret.write_text(SECRET)
    city = open_city(
        folder,
        f"sqlite:///{folder / 'open311.sqlite3'}",
        destinations=DESTINATIONS.format(secret=secret),
        OPEN311_TRUSTED_PROXIES="1",
        OPEN311_PUBLIC_URL="https://open311.example.fr",
    )
    yield city
    city.server.kill()


@pytest.fixture(scope="session")
def front(proxied_city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    port = urlsplit(proxied_city.base).port
    assert port
    with Front(tmp_path_factory.mktemp("nginx"), port, IMPATIENT) as front:
        yield front
