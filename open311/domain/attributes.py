"""Answers to the questions of a service definition: read, checked, normalised."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from open311.domain.errors import InvalidFields, InvalidRequest, Open311Error
from open311.domain.request import Answer
from open311.domain.service import Attribute, Datatype, Service

MAX_STRING = 1000
MAX_TEXT = 4000
MAX_NUMBER = 40
MAX_SHOWN_KEYS = 50

# Plain ASCII decimals: no exponent, no NaN, no digits of other scripts. The comma is French.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)")
# A `+` of a zone that was sent unencoded in a form arrives as a space (clause C-181).
_LOST_PLUS = re.compile(r"^(.+:.+) ([0-9]{2}:?[0-9]{2})$")


def validate_attributes(
    service: Service, given: Mapping[str, list[str]], *, timezone: ZoneInfo
) -> tuple[Answer, ...]:
    """Check the answers of a report against the definition of its service.

    Blank values count as no answer: forms send their empty fields. Values for
    texts without answer (`variable=false`, C-122), for what the server sets itself
    (`automated=server_set`, X-15) and for unknown codes (C-121) are ignored.

    Args:
        service: the service reported, with its attributes.
        given: raw values by attribute code, as `attribute[CODE]` carried them.
        timezone: zone of datetimes that state none.

    Returns:
        The answers in the order of the definition, one per chosen key of a
        multivaluelist. Numbers carry a decimal point, datetimes are UTC
        (`2026-03-01T07:30:00Z`), strings are one line.

    Raises:
        InvalidFields: every fault at once, each naming its code (C-114, C-115,
            C-119, C-120).
    """
    answers: list[Answer] = []
    errors: list[Open311Error] = []
    for attribute in sorted(service.attributes, key=lambda each: each.order):
        if not takes_answers(attribute):
            continue
        try:
            answers += _answers(attribute, given.get(attribute.code, ()), timezone)
        except InvalidRequest as error:
            errors.append(error)
    if errors:
        raise InvalidFields(errors)
    return tuple(answers)


def unknown_codes(service: Service, given: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The attribute codes that the service does not define: ignored, worth a log line (C-121)."""
    known = {attribute.code for attribute in service.attributes}
    return tuple(sorted(code for code in given if code not in known))


def takes_answers(attribute: Attribute) -> bool:
    """Whether a client may answer: not a mere text, not set by the server."""
    return attribute.variable and attribute.automated != "server_set"


def _answers(attribute: Attribute, raw: Iterable[str], timezone: ZoneInfo) -> list[Answer]:
    values = list(dict.fromkeys(value.strip() for value in raw if value.strip()))
    if not values and attribute.required:
        raise _fault(
            attribute,
            f"Le champ « {attribute.description.default} » est obligatoire "
            f"({attribute.code} required)",
        )
    if len(values) > 1 and attribute.datatype is not Datatype.MULTIVALUELIST:
        raise _fault(
            attribute, f"{attribute.code} : une seule valeur est acceptée, {len(values)} reçues."
        )
    read = list(dict.fromkeys(_read(attribute, value, timezone) for value in values))
    return [_answer(attribute, value) for value in read]


def _answer(attribute: Attribute, value: str) -> Answer:
    return Answer(
        code=attribute.code,
        label=attribute.description.default,
        name=attribute.value_name(value),
        value=value,
        public=attribute.public,
    )


def _read(attribute: Attribute, value: str, timezone: ZoneInfo) -> str:
    match attribute.datatype:
        case Datatype.NUMBER:
            return _number(attribute, value)
        case Datatype.DATETIME:
            return _datetime(attribute, value, timezone)
        case Datatype.STRING:
            return _bounded(attribute, " ".join(value.splitlines()), MAX_STRING)
        case Datatype.TEXT:
            return _bounded(attribute, "\n".join(value.splitlines()), MAX_TEXT)
        case Datatype.SINGLEVALUELIST | Datatype.MULTIVALUELIST:
            return _key(attribute, value)


def _number(attribute: Attribute, value: str) -> str:
    if len(value) > MAX_NUMBER or not _NUMBER.fullmatch(value):
        raise _fault(
            attribute,
            f"{attribute.code} : « {_shown(value)} » n'est pas un nombre ; "
            "écrivez par exemple 12 ou 3,5.",
        )
    return value.replace(",", ".")


def _datetime(attribute: Attribute, value: str, timezone: ZoneInfo) -> str:
    try:
        read = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", value))
        aware = read if read.tzinfo else read.replace(tzinfo=timezone)
        utc = aware.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _fault(
            attribute,
            f"{attribute.code} : « {_shown(value)} » n'est pas une date ISO 8601 ; "
            "écrivez par exemple 2026-03-01T08:30:00+01:00.",
        ) from error
    return utc.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _bounded(attribute: Attribute, value: str, limit: int) -> str:
    if len(value) > limit:
        raise _fault(
            attribute,
            f"{attribute.code} : {len(value)} caractères reçus, {limit} au plus sont acceptés.",
        )
    return value


def _key(attribute: Attribute, value: str) -> str:
    keys = [choice.key for choice in attribute.values]
    if value in keys:
        return value
    more = ", …" if len(keys) > MAX_SHOWN_KEYS else ""
    raise _fault(
        attribute,
        f"{attribute.code} : la valeur « {_shown(value)} » n'est pas dans la liste ; "
        f"valeurs acceptées : {', '.join(keys[:MAX_SHOWN_KEYS])}{more}.",
    )


def _shown(value: str) -> str:
    """A value as a message may quote it: one line, not long."""
    line = " ".join(value.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _fault(attribute: Attribute, message: str) -> InvalidRequest:
    return InvalidRequest(message, field=f"attribute[{attribute.code}]")
