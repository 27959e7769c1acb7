"""A real Redmine (Debian packages redmine, redmine-sqlite and thin) on a database of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.adapters.tools.processes import free_port, run, served

_HOME = Path("/usr/share/redmine")
_SEED = """
Setting.rest_api_enabled = '1'
Setting.default_language = 'en'
project = Project.create!(name: 'Voirie', identifier: 'voirie', is_public: true)
project.trackers = Tracker.all
fields = {'open311_id' => 'string', 'lat' => 'float', 'lon' => 'float'}.map do |name, format|
  field = IssueCustomField.create!(name: name, field_format: format, is_for_all: true,
                                   is_filter: true, trackers: Tracker.all)
  [name, field.id]
end
told = {fields: fields.to_h}
%w(open311 agent).each do |login|
  user = User.new(firstname: login, lastname: 'Voirie', mail: "#{login}@voirie.test",
                  language: 'en', status: 1)
  user.login = login
  user.admin = true
  user.password = user.password_confirmation = 'a-long-password-1'
  user.save!
  told[login] = {id: user.id.to_s, key: user.api_key}
end
File.write(ENV['SEED_ANSWER'], told.to_json)
"""


def missing() -> str | None:
    """Why Redmine cannot be started here, or None."""
    if not (_HOME / "config.ru").exists() or shutil.which("bundle") is None:
        return "Redmine is not installed (apt install redmine redmine-sqlite thin)"
    if os.geteuid() != 0:
        return "starting Debian's Redmine needs root, to become its user www-data"
    return None


@dataclass(frozen=True)
class Redmine:
    """A Redmine with one project and two accounts: `open311` (ours) and `agent`."""

    url: str
    fields: dict[str, int]
    account_id: str
    key: str
    agent_key: str

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Speak to Redmine as an agent would, beside our adapter."""
        headers = {"X-Redmine-API-Key": self.agent_key}
        answer = requests.request(
            method, f"{self.url}{path}", headers=headers, timeout=60, **kwargs
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content.strip() else None


@contextlib.contextmanager
def running_redmine(folder: Path) -> Iterator[Redmine]:
    """Make a database in `folder`, serve it with thin, and stop it at the end.

    The database that Debian's package made is not touched.
    """
    shutil.chown(folder, "www-data", "www-data")
    folder.parent.chmod(0o755)
    env = {
        **os.environ,
        "HOME": str(folder),
        "RAILS_ENV": "production",
        "X_DEBIAN_SITEID": "default",
        "REDMINE_LANG": "en",
        "DATABASE_URL": f"sqlite3:{folder / 'redmine.db'}",
        "SEED_ANSWER": str(folder / "seed.json"),
        "SCHEMA": str(folder / "schema.rb"),  # where migrating writes it
        "RUBYOPT": "-W0",
    }
    user = ["setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups"]
    bundle = [*user, "bundle"]
    run([*bundle, "install", "--local"], cwd=_HOME, env=env)
    run([*bundle, "exec", "rake", "db:migrate"], cwd=_HOME, env=env)
    run([*bundle, "exec", "rake", "redmine:load_default_data"], cwd=_HOME, env=env)
    run([*bundle, "exec", "bin/rails", "runner", _SEED], cwd=_HOME, env=env)
    told = json.loads((folder / "seed.json").read_text(encoding="utf-8"))
    port = free_port()
    serve = [*bundle, "exec", "thin", "start", "-e", "production", "-a", "127.0.0.1"]
    serve += ["-p", str(port), "-P", str(folder / "thin.pid"), "-l", str(folder / "thin.log")]
    url = f"http://127.0.0.1:{port}"
    with served(serve, cwd=_HOME, env=env, url=url, log=folder / "server.log"):
        yield Redmine(
            url, told["fields"], told["open311"]["id"], told["open311"]["key"],
            told["agent"]["key"],
        )  # fmt: skip
