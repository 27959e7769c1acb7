"""Services and their definitions (GeoReport v2, Service List and Service Definition)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ServiceType(StrEnum):
    """What a POST for this service answers (clauses C-102 to C-104)."""

    REALTIME = "realtime"
    BATCH = "batch"
    BLACKBOX = "blackbox"


class Datatype(StrEnum):
    """The six kinds of attribute values (Service Definition)."""

    STRING = "string"
    NUMBER = "number"
    DATETIME = "datetime"
    TEXT = "text"
    SINGLEVALUELIST = "singlevaluelist"
    MULTIVALUELIST = "multivaluelist"

    @property
    def is_list(self) -> bool:
        """Whether answers are keys chosen from `values`."""
        return self in (Datatype.SINGLEVALUELIST, Datatype.MULTIVALUELIST)


@dataclass(frozen=True, slots=True)
class Localized:
    """One text in the jurisdiction's language, and its translations by language code."""

    default: str = ""
    translations: Mapping[str, str] = field(default_factory=dict)

    def into(self, locale: str) -> str:
        """The text in `locale` (`en`, `fr`…), in the jurisdiction's language when missing."""
        return self.translations.get(locale, self.default)


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """One choice of a list attribute."""

    key: str
    name: Localized


@dataclass(frozen=True, slots=True)
class Attribute:
    """One question of a service definition.

    `order` counts from 1 inside the service (C-079). `variable=False` is a text
    shown to the reporter: it takes no answer (C-122) and is never required (C-086).
    `public` says whether answers appear under `extensions=true`.
    """

    code: str
    datatype: Datatype
    order: int
    description: Localized
    datatype_description: Localized = Localized()
    required: bool = False
    variable: bool = True
    values: tuple[AttributeValue, ...] = ()
    automated: str | None = None
    public: bool = True

    def value_name(self, key: str) -> str:
        """The name of a list value in the jurisdiction's language, or the key itself."""
        return next((value.name.default for value in self.values if value.key == key), key)


@dataclass(frozen=True, slots=True)
class Service:
    """One thing that can be reported.

    Attributes:
        category: the public competence it belongs to (`roads`, `lighting`…).
        expected_hours: usual time to answer, giving `expected_datetime`; None if unknown.
        moderated: True or False overrides the jurisdiction's policy.
        territories: ids of the territories where it can be reported; empty = everywhere
            in the jurisdiction (extension X-07).
        withdrawn: it left the file: old requests keep it, new ones cannot use it.
    """

    service_code: str
    service_name: Localized
    description: Localized
    type: ServiceType = ServiceType.REALTIME
    keywords: tuple[str, ...] = ()
    group: Localized = Localized()
    attributes: tuple[Attribute, ...] = ()
    category: str = ""
    agency_responsible: str | None = None
    service_notice: Localized = Localized()
    expected_hours: int | None = None
    moderated: bool | None = None
    territories: tuple[str, ...] = ()
    withdrawn: bool = False

    @property
    def metadata(self) -> bool:
        """Whether the definition holds anything (C-087)."""
        return bool(self.attributes)
