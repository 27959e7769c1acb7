"""Import: requests with their own past, judged one by one, written a batch at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from sqlalchemy import Connection

from open311.domain.attributes import validate_attributes
from open311.domain.errors import InvalidFields, InvalidRequest, NotAllowed, Open311Error
from open311.domain.history import type_of_step
from open311.domain.media_url import check_media_url
from open311.domain.request import Answer, RequestUpdate, ServiceRequest, StoredRequest
from open311.domain.search import fold
from open311.domain.service import Service, ServiceType
from open311.domain.status import Stage, Visibility, is_open
from open311.domain.transfer import TransferRecord
from open311.operations.draft_rules import Faults, check_description, check_object, check_place
from open311.operations.installation import Installation, Side
from open311.operations.publishing import publish_document
from open311.operations.read_service_requests import read_service_request_id
from open311.storage import receipts, requests, transfer, updates
from open311.storage.database import Database

BATCH = 500
#: Between batches, so that the reports of citizens find the database free.
_PAUSE_S = 0.05
#: Clocks differ: what lies a little ahead is not the future yet.
_TOLERANCE = timedelta(hours=1)

Numbered = tuple[int, TransferRecord | Open311Error]
#: Told of each record refused: its number, its reference, why.
Refusal = Callable[[int, str | None, Open311Error], None]


@dataclass(frozen=True)
class ImportRules:
    """What an import does beside storing requests.

    Attributes:
        source: where the file comes from: a reference is taken once from each source.
        keep_ids: requests keep the id they have in the file.
        deliver: tell the business tools of each request.
        moderate: requests wait for an agent before they are public.
        dry_run: judge, write nothing.
    """

    source: str | None = None
    keep_ids: bool = False
    deliver: bool = False
    moderate: bool = False
    dry_run: bool = False

    @property
    def api_key_id(self) -> str:
        """Stands where the key of a POST stands; no key can have this id."""
        return f"import:{self.source}" if self.source else "import"


@dataclass
class ImportTotals:
    """What became of the records: written, already there, refused."""

    imported: int = 0
    already: int = 0
    refused: int = 0


@dataclass(frozen=True)
class _Judged:
    """A record that every rule has passed."""

    number: int
    record: TransferRecord
    service: Service
    answers: tuple[Answer, ...]
    kept_id: int | None


@dataclass
class Import:
    """One import into one side of a jurisdiction.

    Args:
        refused: told of each refusal, as it is found.
    """

    installation: Installation
    side: Side
    rules: ImportRules
    refused: Refusal
    totals: ImportTotals = field(default_factory=ImportTotals)

    def run(self, records: Iterable[Numbered]) -> ImportTotals:
        """Take records until there are no more; each batch is durable before the next."""
        remaining = iter(records)
        while batch := list(islice(remaining, BATCH)):
            judged = list(self._judge_all(batch))
            self._reserve_ids(judged)
            self._database.write(partial(self._take, judged=judged))
            if not self.rules.dry_run:
                time.sleep(_PAUSE_S)
        return self.totals

    @property
    def _database(self) -> Database:
        return self.installation.database

    def _judge_all(self, batch: Iterable[Numbered]) -> Iterator[_Judged]:
        for number, record in batch:
            if isinstance(record, Open311Error):
                self._refuse(number, None, record)
                continue
            try:
                yield self._judge(number, record)
            except Open311Error as error:
                self._refuse(number, record.reference, error)

    def _judge(self, number: int, record: TransferRecord) -> _Judged:
        """Hold a record against the catalogue, the territory and the calendar."""
        faults, now = Faults(), self.installation.now()
        service: Service | None = None
        answers: tuple[Answer, ...] = ()
        kept_id: int | None = None
        with faults.gathered():
            service = service_of(self.side, record)
            answers = _answers(self.side, service, record)
        with faults.gathered():
            check_place(self.side, record.draft, None, self._names_at)
        for check in (check_description, check_object):
            with faults.gathered():
                check(record.draft)
        for url in record.draft.media_urls:
            with faults.gathered():
                check_media_url(url)
        with faults.gathered():
            _check_dates(record, now)
        with faults.gathered():
            kept_id = _kept_id(record) if self.rules.keep_ids else None
        if faults or service is None:
            raise InvalidFields(list(faults))
        return _Judged(number, record, service, answers, kept_id)

    def _names_at(self, lat: float, long: float) -> list[str]:
        return self.installation.names_at(lat, long, self.side.scope.environment)

    def _reserve_ids(self, judged: Sequence[_Judged]) -> None:
        """Have the sequence pass the batch's ids first, so that no POST takes one of them."""
        highest = max((each.kept_id or 0 for each in judged), default=0)
        if not highest or self.rules.dry_run:
            return
        with self._database.connect() as connection:
            if transfer.last_id(connection) >= highest:
                return
        self._database.write(lambda connection: transfer.move_ids_past(connection, highest))

    def _take(self, connection: Connection, judged: Sequence[_Judged]) -> None:
        for each in judged:
            if self._is_known(connection, each):
                self.totals.already += 1
            elif each.kept_id is not None and transfer.id_is_taken(connection, each.kept_id):
                self._refuse(each.number, each.record.reference, _taken(each.kept_id))
            else:
                self.totals.imported += 1
                if not self.rules.dry_run:
                    self._write(connection, each)

    def _is_known(self, connection: Connection, judged: _Judged) -> bool:
        if self.rules.source is None:
            return False
        claim = self._claim(judged)
        key = self.rules.api_key_id
        return receipts.find_receipt(connection, key, claim) is not None

    def _write(self, connection: Connection, judged: _Judged) -> None:
        side, now = self.side, self.installation.now()
        id_ = judged.kept_id or requests.next_service_request_id(connection)
        stored = _stored_request(id_, side, judged, self.rules)
        history = list(_history(stored.request, judged.record, self.rules.api_key_id))
        requests.insert_request(connection, side.scope, stored)
        if judged.record.draft.reporter:
            requests.insert_reporter(connection, side.scope, id_, judged.record.draft.reporter)
        for entry in history:
            updates.insert_update(connection, side.scope, entry)
        publish_document(
            connection, side, stored, public_url=self.installation.public_url, history=history
        )
        if self.rules.deliver:
            payload = {"service_code": stored.request.service_code}
            receipts.enqueue(connection, side.scope, id_, kind="create", payload=payload, now=now)
        if self.rules.source is not None:
            self._remember(connection, judged, id_, now)

    def _remember(self, connection: Connection, judged: _Judged, id_: int, now: datetime) -> None:
        """Keep the reference for ever, apart from the request.

        It outlives an erasure: the same file must not bring an erased person back.
        """
        key, claim = self.rules.api_key_id, self._claim(judged)
        if not receipts.claim_answer(connection, key, claim, "", now=now, expired=None):
            raise NotAllowed(f"Un autre import de « {self.rules.source} » est en cours.")
        receipts.put_receipt(connection, key, claim, None, {"service_request_id": id_})

    def _claim(self, judged: _Judged) -> str:
        given = judged.record.reference or repr(judged.record)
        digest = hashlib.sha256(given.encode(errors="replace")).hexdigest()
        return f"reference:{self.side.scope.jurisdiction_key}:{digest}"

    def _refuse(self, number: int, reference: str | None, error: Open311Error) -> None:
        self.totals.refused += 1
        self.refused(number, reference, error)


def service_of(side: Side, record: TransferRecord) -> Service:
    """The service of a record by its code, else by its name; withdrawn ones included.

    Raises:
        InvalidRequest: none is named, or it is unknown here.
    """
    services, code = side.jurisdiction.services, record.draft.service_code
    if code:
        found = services.get(code)
    else:
        name = fold(record.service_name or "")
        found = next((each for each in services.values() if name in _names(each)), None)
    if found is not None:
        return found
    given = code or record.service_name
    if not given:
        raise InvalidRequest("service_code : cette valeur est obligatoire.", field="service_code")
    raise InvalidRequest(
        f"service_code : « {given[:80]} » n'existe pas dans « {side.jurisdiction.jurisdiction_id} »"
        " ; donnez-lui un équivalent avec --map-services.",
        field="service_code",
    )


def _names(service: Service) -> set[str]:
    name = service.service_name
    return {fold(text) for text in (name.default, *name.translations.values()) if text}


def _answers(side: Side, service: Service, record: TransferRecord) -> tuple[Answer, ...]:
    """The answers that the service still knows; none is required of an old request."""
    lenient = tuple(replace(attribute, required=False) for attribute in service.attributes)
    return validate_attributes(
        replace(service, attributes=lenient),
        record.draft.attributes,
        timezone=side.jurisdiction.timezone,
    )


def _check_dates(record: TransferRecord, now: datetime) -> None:
    for name in ("requested_datetime", "updated_datetime", "closed_datetime"):
        moment = getattr(record, name)
        if moment is not None and moment > now + _TOLERANCE:
            raise InvalidRequest(f"{name} : cette date est dans l'avenir.", field=name)


def _kept_id(record: TransferRecord) -> int:
    id_ = read_service_request_id(record.reference or "")
    if id_ is None:
        raise InvalidRequest(
            "service_request_id : pour être conservé, un identifiant est un nombre entier "
            f"de 1 à 2147483647 ; reçu « {(record.reference or '')[:40]} ».",
            field="service_request_id",
        )
    return id_


def _taken(id_: int) -> NotAllowed:
    return NotAllowed(
        f"service_request_id : la demande {id_} existe déjà ici.", field="service_request_id"
    )


def _stored_request(id_: int, side: Side, judged: _Judged, rules: ImportRules) -> StoredRequest:
    record, draft, service = judged.record, judged.record.draft, judged.service
    request = ServiceRequest(
        service_request_id=id_,
        stage=record.stage,
        visibility=_visibility(record, service, rules),
        status_notes=record.status_notes,
        service_name=service.service_name.default,
        service_code=service.service_code,
        description=draft.description,
        agency_responsible=record.agency_responsible or side.jurisdiction.agency_for(service),
        service_notice=record.service_notice,
        requested_datetime=_whole(record.requested_datetime),
        updated_datetime=_last_change(record),
        expected_datetime=record.expected_datetime,
        address=draft.address,
        address_id=draft.address_id,
        zipcode=draft.zipcode,
        lat=draft.lat,
        long=draft.long,
        title=draft.title,
        detailed_status_datetime=_stage_reached(record),
        kind=draft.kind,
        is_staff=record.is_staff,
        service_object_id=draft.service_object_id,
        service_object_type=draft.service_object_type,
        channel=draft.channel,
        attributes=tuple(answer for answer in judged.answers if answer.public),
    )
    return StoredRequest(request, (), draft.media_urls, judged.answers, rules.api_key_id)


def _visibility(record: TransferRecord, service: Service, rules: ImportRules) -> Visibility:
    if service.type is ServiceType.BLACKBOX:
        return Visibility.PRIVATE
    if rules.moderate:
        return Visibility.PENDING
    return record.visibility or Visibility.PUBLIC


def _history(
    request: ServiceRequest, record: TransferRecord, api_key_id: str
) -> Iterator[RequestUpdate]:
    """What a file tells of a request's life: that it was made, and where it stands."""
    made = RequestUpdate(
        service_request_id=request.service_request_id,
        type="submitted",
        stage=Stage.RECEIVED,
        updated_datetime=request.requested_datetime,
        author="staff" if request.is_staff else "resident",
        api_key_id=api_key_id,
    )
    yield made
    if record.stage is not Stage.RECEIVED or record.status_notes:
        yield replace(
            made,
            type=type_of_step(Stage.RECEIVED, record.stage),
            stage=record.stage,
            updated_datetime=_stage_reached(record),
            description=record.status_notes,
            author="staff",
        )


def _stage_reached(record: TransferRecord) -> datetime:
    """When a request came to its stage, as far as the file tells."""
    if record.stage is Stage.RECEIVED and not record.status_notes:
        return _whole(record.requested_datetime)
    if record.closed_datetime is None or is_open(record.stage):
        return _last_change(record)
    return _whole(max(record.closed_datetime, record.requested_datetime))


def _last_change(record: TransferRecord) -> datetime:
    """The latest date of all: files of other servers contradict themselves."""
    dates = (record.requested_datetime, record.updated_datetime, record.closed_datetime)
    return _whole(max(each for each in dates if each is not None))


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
