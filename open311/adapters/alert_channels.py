"""How alerts reach people: by mail, or as JSON posted to a webhook."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.request
from collections.abc import Sequence
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

_TIMEOUT_S = 15.0
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class MailChannel:
    """Alerts by mail; encrypted, but to a mail server on this machine that asks no password.

    Args:
        url: `smtp://[user:password@]host[:port]` (STARTTLS) or `smtps://…`.
    """

    def __init__(self, url: str, sender: str, recipients: Sequence[str]) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._recipients = list(recipients)

    def __call__(self, destination: str, text: str) -> None:
        """Send one mail.

        Raises:
            OSError: it was not accepted (smtplib's errors are such).
        """
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, ", ".join(self._recipients)
        mail["Subject"] = f"Open311 : {destination} demande votre attention"
        mail.set_content(text)
        with self._connect() as smtp:
            if self._url.username:
                smtp.login(unquote(self._url.username), unquote(self._url.password or ""))
            smtp.send_message(mail)

    def _connect(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "", self._url.port or _PORTS[self._url.scheme]
        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=context)
        smtp = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
        if host not in _LOOPBACK or self._url.username:
            smtp.starttls(context=context)
        return smtp


class WebhookChannel:
    """Alerts as JSON: `{"text": …, "destination": …}`, as chat services take it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, destination: str, text: str) -> None:
        """Post one alert.

        Raises:
            OSError: it was not accepted (urllib's errors are such).
        """
        body = json.dumps({"text": text, "destination": destination}, ensure_ascii=False)
        request = urllib.request.Request(  # noqa: S310 - the setting takes http and https only
            self._url, body.encode(), {"Content-Type": "application/json; charset=utf-8"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
            pass
