"""Profiles of kind `soap`: a WSDL file that lies here, and what is called in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import jmespath
from jmespath.exceptions import JMESPathError

from open311.adapters.contract import Adapter
from open311.adapters.profile import Field, Filled, Profile, ProfileFaults, Setting
from open311.adapters.profile_fields import Known, Shape, read_fields
from open311.adapters.profile_file import Kind, optional_table, subtables
from open311.adapters.vocabulary import FILE_NAMES, NOTE_NAMES, RECEIPT_NAMES, STATUS_NAMES
from open311.adapters.wire import HTTP_SETTINGS, Limits
from open311.domain.checked_table import Table, suggestion
from open311.domain.delivery import Destination

_SHIPPED = files("open311.adapters") / "wsdl"
#: What each operation of ours may say, beside the ticket.
_NAMES: Mapping[str, frozenset[str]] = {
    "probe": frozenset(),
    "create": frozenset(),
    "lookup": frozenset({"key"}),
    "attach": RECEIPT_NAMES | FILE_NAMES,
    "comment": RECEIPT_NAMES | NOTE_NAMES,
    "set_status": RECEIPT_NAMES | STATUS_NAMES,
    "read": RECEIPT_NAMES,
}
_ANSWERS = ("ticket_id", "number", "url", "status", "note", "told")
_SETTINGS = {
    **HTTP_SETTINGS,
    "user": Setting("compte (HTTP Basic)"),
    "password": Setting("mot de passe de ce compte", secret=True),
    "wsdl": Setting("fichier WSDL de l'outil, au lieu de celui du profil", pattern=r"/.+"),
}


@dataclass(frozen=True, slots=True)
class SoapOperation:
    """One operation of ours as a call of the WSDL.

    Attributes:
        fields: arguments; all of them go, in this order, when arguments are positional.
        answer: where to find what, as JMESPath over the answer (`@` is the whole).
    """

    call: str
    fields: tuple[Field, ...] = ()
    answer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SoapBlock:
    """The block of a profile of kind `soap`.

    Attributes:
        wsdl: name of a shipped file, or an absolute path; None = the setting `wsdl` says it.
        path: what follows `base_url`.
        refusals: fault codes by which the tool refuses for good (`Server.userException`).
    """

    operations: Mapping[str, SoapOperation]
    wsdl: str | None = None
    service: str | None = None
    port: str | None = None
    path: str = ""
    positional: bool = False
    refusals: tuple[str, ...] = ()
    limits: Limits = Limits()  # noqa: RUF009 - frozen


def wsdl_file(block: SoapBlock, filled: Filled) -> Path | None:
    """Where the WSDL lies: the destination's own, else the profile's."""
    told = filled.get("wsdl") or block.wsdl
    if told is None:
        return None
    return Path(told) if told.startswith("/") else Path(str(_SHIPPED / told))


def _read(table: Table, known: Known) -> SoapBlock | None:
    soap = table.table("soap")
    operations = {
        name: _operation(table, name, each, known)
        for name, each in subtables(table, "operations").items()
    }
    if soap is None:
        return None
    for required in ("probe", "create"):
        if required not in operations:
            table.fault(f"operations.{required}", "opération obligatoire, absente.")
    block = SoapBlock(
        operations=operations,
        wsdl=_wsdl(soap),
        service=soap.text("service"),
        port=soap.text("port"),
        path=soap.text("path", pattern="/.*", told="une adresse sous base_url commence par « / »")
        or "",
        positional=soap.choice("arguments", ("named", "positional")) == "positional",
        refusals=tuple(soap.texts("refusals")),
        limits=_limits(soap),
    )
    soap.close()
    return block


def _wsdl(soap: Table) -> str | None:
    told = soap.text("wsdl")
    if told is not None and not told.startswith("/") and not (_SHIPPED / told).is_file():
        soap.fault("wsdl", f"« {told} » n'est ni un WSDL livré ni un chemin absolu.")
    return told


def _limits(soap: Table) -> Limits:
    connect, read = soap.whole("connect_timeout_s", 1, 60), soap.whole("read_timeout_s", 1, 300)
    read_s = read or Limits().read_timeout_s
    return Limits(connect or Limits().connect_timeout_s, read_s, max(60, 2 * read_s))


def _operation(table: Table, name: str, inner: Table, known: Known) -> SoapOperation:
    if name not in _NAMES:
        table.fault(f"operations.{name}", f"opération inconnue{suggestion(name, _NAMES)}.")
    answer = optional_table(inner, "answer")
    operation = SoapOperation(
        call=inner.text("call", required=True) or "",
        fields=read_fields(
            inner, "fields", known.plus(_NAMES.get(name, frozenset())), Shape.NESTED
        ),
        answer={} if answer is None else _answer(answer),
    )
    if name in ("create", "lookup") and "ticket_id" not in operation.answer:
        inner.fault("answer.ticket_id", "il faut dire où est l'identifiant du ticket.")
    inner.close()
    return operation


def _answer(table: Table) -> dict[str, str]:
    found = {name: text for name in _ANSWERS if (text := table.text(name)) is not None}
    for name, text in found.items():
        try:
            jmespath.compile(text)
        except JMESPathError as error:
            table.fault(name, f"JMESPath illisible : {error}".splitlines()[0])
    table.close()
    return found


def _make(profile: Profile, destination: Destination, filled: Filled) -> Adapter:
    # zeep is an extra: who has no SOAP tool does without.
    from open311.adapters.soap import SoapAdapter, WsdlFault  # noqa: PLC0415

    try:
        return SoapAdapter(profile, destination, filled)
    except WsdlFault as error:
        raise ProfileFaults(f"destination {destination.name}", [str(error)]) from error


SOAP = Kind(read=_read, make=_make, settings=_SETTINGS)
