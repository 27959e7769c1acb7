"""Keys and personal data are masked before anything is shown or stored."""

from __future__ import annotations

import re

MASK = "•••"
_PERSONAL = "api_key|email|phone|first_name|last_name|device_id|account_id"
_MAIL = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\d.,-])(?:\+|%2B|00)?\d{1,3}(?:[ .]?\d{2}){4}(?![\d.])")
_FORM = re.compile(rf"\b((?:{_PERSONAL})=)[^&\s\"'<]+", re.IGNORECASE)
_XML = re.compile(rf"(<({_PERSONAL})>)[^<]+(</\2>)", re.IGNORECASE)
_JSON = re.compile(rf'("(?:{_PERSONAL})"\s*:\s*)"[^"]+"', re.IGNORECASE)
_MULTIPART = re.compile(rf'(name="(?:{_PERSONAL})"\r?\n\r?\n)[^\r\n]+', re.IGNORECASE)
_BEARER = re.compile(r"(Bearer\s+)\S{8,}", re.IGNORECASE)


def mask(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Replace keys, e-mail addresses, telephone numbers and values of personal fields."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = _FORM.sub(rf"\g<1>{MASK}", text)
    text = _XML.sub(rf"\g<1>{MASK}\g<3>", text)
    text = _JSON.sub(rf'\g<1>"{MASK}"', text)
    text = _MULTIPART.sub(rf"\g<1>{MASK}", text)
    text = _BEARER.sub(rf"\g<1>{MASK}", text)
    return _PHONE.sub(MASK, _MAIL.sub(MASK, text))
