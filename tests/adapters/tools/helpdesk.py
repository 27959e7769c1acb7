"""A real django-helpdesk 2.6 (PyPI), its database migrated, its API served."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.adapters.tools.processes import free_port, need_package, run, served

_SETTINGS = """
import os
SECRET_KEY = "of-a-test-that-lives-a-minute"
DEBUG = True
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "Europe/Paris"
ROOT_URLCONF = "site_urls"
SITE_ID = 1
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = os.path.join(os.path.dirname(__file__), "media")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3",
                         "OPTIONS": {"timeout": 20}}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.sites", "django.contrib.messages", "django.contrib.humanize",
    "django.contrib.admin", "django.contrib.staticfiles",
    "rest_framework", "rest_framework.authtoken", "helpdesk",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
              "OPTIONS": {"context_processors": [
                  "django.template.context_processors.request",
                  "django.contrib.auth.context_processors.auth",
                  "django.contrib.messages.context_processors.messages"]}}]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [
    "rest_framework.authentication.TokenAuthentication"]}
HELPDESK_TEAMS_MODE_ENABLED = False
HELPDESK_ACTIVATE_API_ENDPOINT = True
HELPDESK_GET_FOLLOWUP_WEBHOOK_URLS = lambda: json.loads(os.environ["FOLLOWUP_WEBHOOKS"])
HELPDESK_GET_NEW_TICKET_WEBHOOK_URLS = lambda: []
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
import json
"""
_URLS = """
from django.urls import include, path
urlpatterns = [path("", include("helpdesk.urls"))]
"""
_SEED = """
import json
from django.contrib.auth import get_user_model
from rest_framework.authtoken.models import Token
from helpdesk.models import CustomField, Queue
queue = Queue.objects.create(title="Voirie", slug="voirie")
CustomField.objects.create(name="open311_id", label="Open311", data_type="varchar",
                           max_length=200, required=False)
for name in ("lat", "lon"):
    CustomField.objects.create(name=name, label=name, data_type="decimal", max_length=12,
                               decimal_places=6, required=False)
told = {"queue": str(queue.pk)}
for name in ("open311", "agent"):
    user = get_user_model().objects.create_user(
        name, f"{name}@voirie.test", "x", is_staff=True, is_superuser=True)
    told[name] = {"id": str(user.pk), "token": Token.objects.create(user=user).key}
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Helpdesk:
    """A helpdesk with one queue and two accounts: `open311` (ours) and `agent`."""

    url: str
    queue: str
    account_id: str
    token: str
    agent_token: str

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Speak to the helpdesk as an agent would, beside our adapter."""
        headers = {"Authorization": f"Token {self.agent_token}"}
        answer = requests.request(
            method, f"{self.url}/api{path}", headers=headers, timeout=30, **kwargs
        )
        assert answer.ok, answer.text
        return answer.json()

    def tickets(self) -> list[dict[str, Any]]:
        """Every ticket."""
        return list(self.call("GET", "/tickets/?page_size=1000")["results"])

    def follow_up(self, ticket_id: str, **content: Any) -> Any:
        """An agent writes a follow-up: a comment, a new status, or both."""
        return self.call(
            "POST", "/followups/", json={"ticket": int(ticket_id), "title": "Suivi", **content}
        )


@contextlib.contextmanager
def running_helpdesk(folder: Path, webhooks: tuple[str, ...] = ()) -> Iterator[Helpdesk]:
    """Make a Django project in `folder`, serve it, and stop it at the end."""
    need_package("helpdesk")
    (folder / "site_settings.py").write_text(_SETTINGS, encoding="utf-8")
    (folder / "site_urls.py").write_text(_URLS, encoding="utf-8")
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "PYTHONPATH": str(folder),
        "PYTHONWARNINGS": "ignore",
        "FOLLOWUP_WEBHOOKS": json.dumps(webhooks),
    }
    django = [sys.executable, "-m", "django"]
    run([*django, "migrate", "--no-input", "-v", "0"], cwd=folder, env=env)
    told = json.loads(run([*django, "shell", "-v", "0", "-c", _SEED], cwd=folder, env=env))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = [*django, "runserver", "--noreload", "--insecure", f"127.0.0.1:{port}"]
    with served(serve, cwd=folder, env=env, url=f"{url}/api/"):
        yield Helpdesk(
            url, told["queue"], told["open311"]["id"], told["open311"]["token"],
            told["agent"]["token"],
        )  # fmt: skip
