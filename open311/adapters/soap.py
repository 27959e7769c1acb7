"""The engine `soap`: SOAP 1.1 and 1.2 by a WSDL file that lies here (zeep).

The WSDL is never fetched, nor anything it names elsewhere; documents with a DTD or
entities are refused; the way out is `Wire`, as for every tool reached over HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from lxml import etree
from requests import Request
from zeep import Client, Settings
from zeep.exceptions import Error as ZeepError
from zeep.exceptions import Fault
from zeep.helpers import serialize_object
from zeep.transports import Transport

from open311.adapters.contract import DeniedMethods
from open311.adapters.destination_settings import reporter_fields
from open311.adapters.mapping import document, mapped
from open311.adapters.outcomes import failure_of, unreadable
from open311.adapters.profile import AttachmentMode, Filled, Profile, UnmappedValue
from open311.adapters.soap_kind import SoapBlock, SoapOperation, wsdl_file
from open311.adapters.transforms import Means, as_text, is_empty, no_resolver
from open311.adapters.vocabulary import (
    REPORTER_FIELDS,
    allowed_reporter,
    file_values,
    receipt_values,
    ticket_values,
)
from open311.adapters.wire import Reply, Wire
from open311.domain.delivery import (
    Attachment,
    AttachmentRefused,
    Capabilities,
    Destination,
    Exchange,
    OutcomeUnknown,
    Ticket,
    TicketReceipt,
    ToolBusy,
    ToolError,
    ToolRefused,
)
from open311.domain.told_text import told_id

#: SOAP says both with 200 and 500 that there is a document to read.
_WITH_DOCUMENT = (200, 202, 500)
#: Faults of our message: it was not acted upon (SOAP 1.1, 4.4.1; SOAP 1.2 part 1, 5.4.6).
_OURS = ("Client", "Sender", "MustUnderstand", "VersionMismatch", "DataEncodingUnknown")


class WsdlFault(Exception):
    """The WSDL cannot be read, or has not what the profile calls."""


@dataclass
class _Call:
    """One call on its way: what `Wire` must know, and what came back."""

    safe: bool
    persons: tuple[str, ...] = ()
    reply: Reply | None = None


@dataclass(frozen=True)
class _Response:
    """A reply in the words of `requests`, which zeep reads."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    encoding: str | None = "utf-8"


class _GuardedTransport(Transport):
    """Posts through `Wire`; loads files of the WSDL's own folder and nothing else."""

    def __init__(self, wire: Wire, folder: Path, auth: tuple[str, str] | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._wire = wire
        self._folder = folder.resolve()
        self._auth = auth
        self._local = threading.local()

    @contextmanager
    def calling(self, call: _Call) -> Iterator[_Call]:
        """Make this thread's next post part of a call."""
        self._local.call = call
        try:
            yield call
        finally:
            del self._local.call

    def load(self, url: str) -> bytes:
        path = Path(url).resolve()
        if "://" in url or not path.is_relative_to(self._folder):
            raise WsdlFault(f"wsdl : « {url} » n'est pas dans le dossier du WSDL ; copiez-le là.")
        return path.read_bytes()

    def post_xml(self, address: str, envelope: Any, headers: Mapping[str, str]) -> _Response:
        call: _Call = self._local.call
        body = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
        request = Request("POST", address, data=body, headers=dict(headers), auth=self._auth)
        reply = self._wire.send(request, safe=call.safe, persons=call.persons)
        call.reply = reply
        if reply.status not in _WITH_DOCUMENT:
            raise failure_of(reply, reply.words(reply.text), safe=call.safe)
        return _Response(reply.status, reply.headers, reply.content)


class SoapAdapter(DeniedMethods):
    """One destination that speaks SOAP; see `contract.Adapter`.

    Raises:
        WsdlFault: the WSDL is not there, cannot be read, or lacks an operation.
    """

    # What its capabilities deny:
    # lookup_attachment: no SOAP tool that we know lists its files.
    # lookup_comment: no SOAP tool that we know lists its notes.
    # changes: no SOAP tool that we know has a feed: tickets are read one by one.

    def __init__(self, profile: Profile, destination: Destination, settings: Filled) -> None:
        self._profile = profile
        self._block: SoapBlock = profile.engine
        self._allowed = reporter_fields(profile, settings)
        self._means = Means(profile.tables, no_resolver)
        self._settings = {f"settings.{name}": each for name, each in settings.values.items()}
        self._wire = Wire(destination, settings, self._block.limits)
        path = wsdl_file(self._block, settings)
        if path is None:
            raise WsdlFault("settings.wsdl : ce profil demande le fichier WSDL de l'outil.")
        user, password = settings.get("user"), settings.get("password")
        auth = (user, password or "") if user else None
        self._transport = _GuardedTransport(self._wire, path.parent, auth)
        self._client = _client(path, self._transport)
        address = settings.values["base_url"].rstrip("/") + self._block.path
        self._service = _service(self._client, self._block, address)

    @property
    def capabilities(self) -> Capabilities:
        """What the profile describes."""
        has = self._block.operations.__contains__
        by_call = self._profile.attachments.mode is AttachmentMode.CALL
        return Capabilities(
            idempotency=self._profile.idempotency,
            attach=by_call and has("attach"),
            comment=has("comment"),
            set_status=has("set_status"),
            read=has("read"),
            status_note=self._says_notes(),
        )

    def probe(self) -> str:
        """Call what the profile says is harmless."""
        found, _ = self._called("probe", {}, safe=True)
        return f"{self._profile.title} répond ({found.get('told') or 'sans texte'})."

    def lookup(self, key: str) -> TicketReceipt | None:
        """The ticket that carries our key."""
        found, reply = self._called("lookup", {"key": key}, safe=True)
        return _receipt(found, reply) if found.get("ticket_id") else None

    def create(self, ticket: Ticket) -> TicketReceipt:
        """Create the ticket."""
        found, reply = self._called("create", self._values(ticket))
        if not found.get("ticket_id"):
            raise unreadable(reply, "l'identifiant du ticket n'y est pas", safe=False)
        return _receipt(found, reply)

    def attach(self, ticket: Ticket, receipt: TicketReceipt, attachment: Attachment) -> Exchange:
        """Add one photo; a photo that the tool refuses goes as a link."""
        rules = self._profile.attachments
        if attachment.media_type not in rules.media_types:
            raise AttachmentRefused(f"{attachment.name} : {attachment.media_type} n'est pas admis.")
        if len(attachment.content) > rules.max_bytes:
            raise AttachmentRefused(f"{attachment.name} : plus de {rules.max_bytes} octets.")
        values = self._values(ticket) | receipt_values(receipt) | file_values(attachment)
        try:
            _, reply = self._called("attach", values)
        except ToolRefused as error:
            raise AttachmentRefused(error.message, exchange=error.exchange) from error
        return reply.exchange

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Add a note."""
        note = {"note.text": text, "note.key": key}
        return self._called("comment", self._step(ticket, receipt, note))[1].exchange

    def set_status(
        self, ticket: Ticket, receipt: TicketReceipt, stage: str, note: str | None
    ) -> Exchange:
        """Move the ticket to what `status_out` calls our stage."""
        status = {"status.stage": stage, "status.note": note}
        return self._called("set_status", self._step(ticket, receipt, status))[1].exchange

    def read(self, receipt: TicketReceipt) -> TicketReceipt:
        """The ticket as it stands now."""
        found, reply = self._called("read", receipt_values(receipt), safe=True)
        return _receipt(found | {"ticket_id": receipt.ticket_id}, reply)

    def stage_of(self, status: str) -> str | None:
        """Our stage for a status of the tool, by the table `status_in`."""
        return self._profile.stage_of(status)

    def preview(self, ticket: Ticket) -> str:
        """The envelope of a create."""
        operation = self._block.operations["create"]
        args, kwargs = self._arguments(operation, {**self._settings, **self._values(ticket)})
        envelope = self._client.create_message(self._service, operation.call, *args, **kwargs)
        return self._wire.masker(etree.tostring(envelope, pretty_print=True, encoding="unicode"))

    def close(self) -> None:
        """Let connections go."""
        self._wire.close()

    def _values(self, ticket: Ticket) -> dict[str, Any]:
        return ticket_values(allowed_reporter(ticket, self._allowed))

    def _step(
        self, ticket: Ticket, receipt: TicketReceipt, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**self._values(ticket), **receipt_values(receipt), **more}

    def _says_notes(self) -> bool:
        """Whether the words of a status go with it."""
        operation = self._block.operations.get("set_status")
        fields = () if operation is None else operation.fields
        return any(each.asks_for("status.note") for each in fields)

    def _called(
        self, name: str, values: Mapping[str, Any], *, safe: bool = False
    ) -> tuple[dict[str, str | None], Reply]:
        operation = self._block.operations[name]
        args, kwargs = self._arguments(operation, {**self._settings, **values})
        persons = [values.get(f"reporter.{each}") for each in REPORTER_FIELDS]
        call = _Call(safe, tuple(each for each in persons if each))
        with self._transport.calling(call):
            try:
                answer = self._service[operation.call](*args, **kwargs)
            except Fault as error:
                raise self._fault(error, call) from error
            except (ZeepError, etree.XMLSyntaxError, TypeError, ValueError) as error:
                raise _unusable(error, call) from error
        assert call.reply is not None
        return _found(operation, answer, call.reply, safe=safe), call.reply

    def _arguments(
        self, operation: SoapOperation, values: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        try:
            pairs = mapped(operation.fields, values, self._means)
        except UnmappedValue as error:
            raise ToolRefused(error.message) from error
        if self._block.positional:
            given = dict(pairs)
            return [given.get(field.to) for field in operation.fields], {}
        return [], document(pairs)

    def _fault(self, fault: Fault, call: _Call) -> ToolError:
        """Whose fault it is says what follows: a server that failed may have done its work.

        zeep takes any page with the status 500 for a fault, one without a code.
        """
        if call.reply is None or not fault.code:
            return _unusable(fault, call)
        exchange, code = call.reply.exchange, str(fault.code).rpartition(":")[2]
        words = call.reply.words(str(fault.message))
        message = f"L'outil répond par une erreur SOAP ({code}) : {words}"
        if code.startswith(_OURS) or code in self._block.refusals:
            return ToolRefused(message, exchange=exchange)
        certain = ToolBusy if call.safe else OutcomeUnknown
        return certain(message, exchange=exchange)


def _client(path: Path, transport: Transport) -> Client:
    settings = Settings(forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        return Client(str(path), transport=transport, settings=settings)
    except (ZeepError, OSError, etree.XMLSyntaxError) as error:
        raise WsdlFault(f"wsdl : {path} ne peut pas être lu ({error}).") from error


def _service(client: Client, block: SoapBlock, address: str) -> Any:
    try:
        bound = client.bind(block.service, block.port)
        service = client.create_service(bound._binding.name, address)  # noqa: SLF001
    except ValueError as error:
        raise WsdlFault(f"soap.service : {error}.") from error
    for name, operation in block.operations.items():
        try:
            service[operation.call]
        except AttributeError as error:
            raise WsdlFault(f"operations.{name}.call : {error}.") from error
    return service


def _found(
    operation: SoapOperation, answer: Any, reply: Reply, *, safe: bool
) -> dict[str, str | None]:
    plain = serialize_object(answer, dict)
    try:
        values = {name: jmespath.search(path, plain) for name, path in operation.answer.items()}
    except JMESPathError as error:
        raise unreadable(reply, str(error), safe=safe) from error
    found = {name: None if is_empty(each) else as_text(each) for name, each in values.items()}
    try:
        if found.get("ticket_id"):
            found["ticket_id"] = told_id(values["ticket_id"])
    except ValueError as error:
        raise unreadable(reply, str(error), safe=safe) from error
    return found


def _receipt(found: Mapping[str, str | None], reply: Reply) -> TicketReceipt:
    return TicketReceipt(
        ticket_id=found["ticket_id"] or "",
        number=found.get("number"),
        url=found.get("url"),
        status=found.get("status"),
        note=found.get("note"),
        exchange=reply.exchange,
    )


def _unusable(error: Exception, call: _Call) -> ToolError:
    """What zeep could not write was never sent; what it could not read is no answer."""
    if call.reply is None:
        return ToolRefused(f"Le WSDL ne laisse pas dire cela : {error}")
    if call.reply.status >= 500:
        return failure_of(call.reply, call.reply.words(call.reply.text), safe=call.safe)
    return unreadable(call.reply, call.reply.words(str(error)), safe=call.safe)
