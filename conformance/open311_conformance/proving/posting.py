"""What the reference server makes of a POST."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from open311_conformance.proving import city
from open311_conformance.proving.messages import Ask, Pairs
from open311_conformance.proving.refusals import NotFound, Refusal

Row = dict[str, Any]
NUMBER = re.compile(r"-?\d+(\.\d+)?")
ATTRIBUTE = re.compile(r"attribute\[([^\]]*)\](\[\d*\])?")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
PART = re.compile(
    rb'name="([^"]*)"(; filename="[^"]*")?(?:\r\n[^\r\n]+)*\r\n\r\n(.*)\r\n\Z', re.DOTALL
)


@dataclass
class Draft:
    """A valid request before it has a number."""

    service: Row
    values: dict[str, str]
    photo: str | None

    @property
    def kind(self) -> str:
        """The type of the service."""
        return str(self.service["type"])

    @property
    def account_id(self) -> str | None:
        """What the client called its account; told in the answer to the POST only."""
        return self.values.get("account_id") or None

    def public(self) -> Row:
        """The fields that everybody may read."""
        values = self.values
        place = {
            name: float(values[name]) if values.get(name) else None for name in ("lat", "long")
        }
        return {
            "description": values.get("description") or None,
            "media_url": self.photo or values.get("media_url") or None,
            "address": values.get("address_string") or None,
            "address_id": values.get("address_id") or None,
            "expected_datetime": None,
            **place,
        }


def field(ask: Ask, name: str) -> str:
    """A field of body or query, body first."""
    for key, value in (*ask.form, *_parts(ask)[0], *ask.query):
        if key == name and value:
            return value
    return ""


def _parts(ask: Ask) -> tuple[Pairs, bool]:
    """Text fields of a multipart body, and whether it holds a file."""
    kind = ask.headers.get("content-type", "")
    if "boundary=" not in kind:
        return [], False
    boundary = b"--" + kind.split("boundary=")[1].encode()
    found, photo = [], False
    for part in ask.body.split(boundary)[1:-1]:
        if match := PART.search(part):
            if match[2]:
                photo = True
            else:
                found.append((match[1].decode(), match[3].decode("utf-8", "replace")))
    return found, photo


def form_of(ask: Ask) -> Pairs:
    """All fields, those of the body before those of the query.

    Raises:
        Refusal: the body is of a type that is not read.
    """
    kind = ask.headers.get("content-type", "").split(";")[0]
    if ask.body and kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise Refusal(400, ["le type du corps n'est pas géré"])
    parts, photo = _parts(ask)
    in_body = [*ask.form, *parts]
    named = {name for name, _ in in_body}
    pairs = in_body + [pair for pair in ask.query if pair[0] not in named]
    pairs = [(name, clean(value)) for name, value in pairs]
    return [*pairs, ("_photo", "1")] if photo else pairs


def clean(value: str) -> str:
    """LF line ends, forbidden characters replaced."""
    return CONTROL.sub("�", value.replace("\r\n", "\n").replace("\r", "\n"))


def validated(form: Pairs) -> Draft:
    """A draft, or all that is wrong with the form.

    Raises:
        NotFound: the service_code is unknown.
        Refusal: something is missing or wrong, one text per field.
    """
    values = {name: value for name, value in form if value and not name.startswith("attribute")}
    faults = [*place_faults(values), *text_faults(values)]
    code = values.get("service_code")
    if not code:
        raise Refusal(400, ["service_code est obligatoire", *faults])
    found = [row for row in city.CATALOGUE if row["service_code"] == code]
    if not found:
        raise NotFound("ce service_code est inconnu")
    faults += attribute_faults(code, form)
    if faults:
        raise Refusal(400, faults)
    photo = "https://www.example.org/stored.jpg" if "_photo" in values else None
    return Draft(found[0], values, photo)


def place_faults(values: dict[str, str]) -> list[str]:
    """What is wrong with the location."""
    faults = []
    for name, limit in (("lat", 90), ("long", 180)):
        given = values.get(name)
        if given and not (NUMBER.fullmatch(given) and abs(float(given)) <= limit):
            faults.append(f"{name} n'est pas une coordonnée")
    if values.get("address_string") or values.get("address_id"):
        return faults
    missing = [name for name in ("lat", "long") if not values.get(name)]
    if len(missing) == 1:
        faults.append(f"{missing[0]} est obligatoire avec l'autre coordonnée")
    if len(missing) == 2:
        faults.append("une localisation est obligatoire : lat et long, ou une adresse")
    if values.get("lat") == values.get("long") == "0":
        faults.append("ce point est hors du territoire")
    return faults


def text_faults(values: dict[str, str]) -> list[str]:
    """What is wrong with the description."""
    if len(values.get("description", "")) > 4000:
        return ["description dépasse 4000 caractères"]
    return []


def attribute_faults(code: str, form: Pairs) -> list[str]:
    """What is wrong with the attributes."""
    given: dict[str, list[str]] = {}
    for name, value in form:
        if (match := ATTRIBUTE.fullmatch(name)) and value:
            given.setdefault(match[1], []).append(value)
    faults = []
    for attribute in city.DEFINITIONS.get(code, []):
        faults += fault_of(attribute, given.get(attribute["code"], []))
    return faults


def fault_of(attribute: Row, values: list[str]) -> list[str]:
    """What is wrong with the answer to one attribute."""
    code, datatype = attribute["code"], attribute["datatype"]
    if not attribute["variable"]:
        return []
    if not values:
        return [f"réponse obligatoire ({code} required)"] if attribute["required"] else []
    if len(values) > 1 and datatype != "multivaluelist":
        return [f"{code} n'a qu'une valeur"]
    keys = {option["key"] for option in attribute.get("values", [])}
    if keys and not set(values) <= keys:
        return [f"{code} n'a pas cette valeur"]
    wrong = (datatype == "number" and not NUMBER.fullmatch(values[0])) or (
        datatype == "datetime" and not _is_date(values[0])
    )
    return [f"{code} n'est pas de type {datatype}"] if wrong else []


def _is_date(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def update_of(ask: Ask, known: set[str]) -> Row:
    """A posted update.

    Raises:
        Refusal: a field is missing.
        NotFound: the request is unknown.
    """
    values = dict(ask.form)
    wanted = ("service_request_id", "update_id", "status", "updated_datetime", "description")
    missing = [name for name in wanted if not values.get(name)]
    if missing:
        raise Refusal(400, [f"{name} est obligatoire" for name in missing])
    if values["service_request_id"] not in known:
        raise NotFound("cette demande est inconnue")
    row = {name: values[name] for name in wanted} | {"media_url": None}
    return row | {"status": values["status"].lower()}
