"""A real Roundup 2.6 tracker, installed, configured and served (PyPI: roundup)."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.adapters.tools.processes import free_port, need_package, run, served

PASSWORD = "correct-horse-battery"
_ACCOUNTS = """
from roundup.password import Password
db.status.create(name="waiting-for-parts", order="9")
db.user.create(username="open311", password=Password("{0}", config=db.config), roles="User",
               address="open311@voirie.test")
db.user.create(username="agent", password=Password("{0}", config=db.config), roles="User",
               address="agent@voirie.test")
"""


@dataclass(frozen=True)
class Roundup:
    """A tracker with two accounts: `open311` (ours) and `agent` (a person of the service)."""

    url: str
    public_url: str

    def call(self, method: str, path: str, *, user: str = "agent", **kwargs: Any) -> Any:
        """Speak to the tracker as a person of the service would, beside our adapter."""
        headers = {"X-Requested-With": "rest", "Referer": self.public_url + "/"}
        headers |= {"Origin": self.public_url, "Host": urlsplit(self.public_url).netloc}
        headers |= kwargs.pop("headers", {})
        answer = requests.request(
            method,
            f"{self.url}/rest/data{path}",
            headers=headers,
            auth=(user, PASSWORD),
            timeout=30,
            **kwargs,
        )
        assert answer.ok, answer.text
        return answer.json()["data"]

    def issues(self, key: str) -> list[dict[str, Any]]:
        """The issues whose `open311_id` contains a text, with the fields that matter here."""
        fields = "title,status,open311_id,lat,lon,messages,files"
        query = {"@fields": fields, "@verbose": "2", "open311_id": key}
        return list(self.call("GET", "/issue", params=query)["collection"])

    def message(self, message_id: str) -> str:
        """The text of a message."""
        return str(self.call("GET", f"/msg/{message_id}?@verbose=3")["attributes"]["content"])

    def patch(self, issue_id: str, *, user: str = "agent", **changes: str) -> None:
        """Change an issue as `user`."""
        etag = self.call("GET", f"/issue/{issue_id}", user=user)["@etag"]
        self.call("PATCH", f"/issue/{issue_id}", user=user, json={**changes, "@etag": etag})

    def say(self, issue_id: str, text: str, *, user: str = "agent") -> None:
        """Add a message to an issue as `user`."""
        author = self.call("GET", f"/user?username={user}", user=user)["collection"][0]["id"]
        content = {"content": text, "author": author, "date": "."}
        message = self.call("POST", "/msg", user=user, json=content)["id"]
        self._link(issue_id, message, user)

    def _link(self, issue_id: str, message: str, user: str) -> None:
        etag = self.call("GET", f"/issue/{issue_id}", user=user)["@etag"]
        change = {"@op": "add", "messages": message, "@etag": etag}
        self.call("PATCH", f"/issue/{issue_id}", user=user, json=change)


@contextlib.contextmanager
def running_roundup(folder: Path, *, public_url: str) -> Iterator[Roundup]:
    """Install a tracker in `folder`, serve it, and stop it at the end.

    Args:
        public_url: what the tracker believes its address to be (a proxy before it).
    """
    need_package("roundup")
    port = free_port()
    home = folder / "voirie"
    scripts = Path(sys.executable).parent
    admin = [str(scripts / "roundup-admin"), "-i", str(home)]
    run([*admin, "install", "classic", "sqlite"], cwd=folder)
    _configure(home, public_url)
    run([*admin, "initialise", PASSWORD], cwd=folder)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-P", str(Path(__file__).with_name("roundup_wsgi.py"))]
    with served([*command, str(home), str(port)], cwd=folder, url=url + "/"):
        yield Roundup(url, public_url)


def _configure(home: Path, public_url: str) -> None:
    config = (home / "config.ini").read_text(encoding="utf-8")
    changes = {
        "tracker": {"web": f"{public_url}/"},
        "main": {"password_pbkdf2_default_rounds": "1000"},  # every call checks the password
        "mail": {"domain": "voirie.test", "host": "localhost", "debug": str(home / "mail.txt")},
    }
    for section, values in changes.items():
        before, mark, after = config.partition(f"\n[{section}]\n")
        for key, value in values.items():
            after = re.sub(rf"(?m)^#?\s*{key} =.*$", f"{key} = {value}", after, count=1)
        config = before + mark + after
    (home / "config.ini").write_text(config, encoding="utf-8")
    schema = (home / "schema.py").read_text(encoding="utf-8")
    fields = 'open311_id=String(indexme="yes"), lat=Number(), lon=Number(),'
    schema = schema.replace(
        'issue = IssueClass(db, "issue",', f'issue = IssueClass(db, "issue", {fields}'
    )
    (home / "schema.py").write_text(schema, encoding="utf-8")
    with (home / "initial_data.py").open("a", encoding="utf-8") as data:
        data.write(_ACCOUNTS.format(PASSWORD))
