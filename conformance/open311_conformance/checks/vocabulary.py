"""The names of the standard: roots, elements and fields of each resource."""

SERVICE_FIELDS = (
    "service_code", "service_name", "description", "metadata", "type", "keywords", "group",
)  # fmt: skip
ATTRIBUTE_FIELDS = (
    "variable", "code", "datatype", "required", "datatype_description", "order", "description",
    "values",
)  # fmt: skip
DATATYPES = ("string", "number", "datetime", "text", "singlevaluelist", "multivaluelist")
LIST_DATATYPES = ("singlevaluelist", "multivaluelist")
REQUEST_FIELDS = (
    "service_request_id", "status", "status_notes", "service_name", "service_code", "description",
    "agency_responsible", "service_notice", "requested_datetime", "updated_datetime",
    "expected_datetime", "address", "address_id", "zipcode", "lat", "long", "media_url",
)  # fmt: skip
# The four that the standard says "may not be returned".
OPTIONAL_REQUEST_FIELDS = frozenset(
    {"status_notes", "agency_responsible", "service_notice", "expected_datetime"}
)
POSTED_FIELDS = ("service_request_id", "token", "service_notice", "account_id")
ROOTS = {"services": "services", "requests": "service_requests", "tokens": "service_requests"}
ITEMS = {"services": "service", "service_requests": "request", "errors": "error"}
# Every element that v2 names, with its containers.
KNOWN_ELEMENTS = frozenset(
    {
        "services", "service", "service_definition", "attributes", "attribute", "value", "key",
        "name", "service_requests", "request", "errors", "error", "token", "account_id",
        *SERVICE_FIELDS, *ATTRIBUTE_FIELDS, *REQUEST_FIELDS,
    }
)  # fmt: skip
