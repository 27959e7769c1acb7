"""flask-smorest on our terms: one view, one literal route for each format, our own answers.

flask-smorest documents the routes (OpenAPI 3.1 out of marshmallow schemas); reading
and answering stay ours, since GeoReport answers XML too and its errors have a shape
of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Response
from flask_smorest import Api, Blueprint

from open311.formats.documents import CONTENT_TYPES
from open311.formats.schemas import GeoReportSchema
from open311.http.response_headers import VERSIONED, Described, of_error

View = Callable[..., Response]

_ERROR_STATUSES = {
    "400": "A parameter is missing or wrong.",
    "403": "The key is missing, wrong, or has not this right.",
    "404": "No such jurisdiction, service, request or token.",
    "409": "The same Idempotency-Key is being served.",
    "413": "The body is too large.",
    "415": "The body is not a form.",
    "422": "The Idempotency-Key was used for another body.",
    "500": "An internal error; it was recorded.",
    "503": "Nothing can be read or stored right now, or this read costs the server too much.",
}
_READING_ERRORS = ("400", "404", "500", "503")
_POSTING_ERRORS = tuple(_ERROR_STATUSES)


class GeoReportApi(Api):  # type: ignore[misc]
    """The Api without its JSON error handlers: ours answer in the asked format."""

    def _register_error_handlers(self) -> None:
        """Leave errors to http.errors (the one private method that is overridden)."""


class GeoReportBlueprint(Blueprint):  # type: ignore[misc]
    """A blueprint whose views are served at `RULE.xml` and `RULE.json`."""

    def at(
        self,
        rule: str,
        *,
        root: str,
        query: type[GeoReportSchema] | None = None,
        body: type[GeoReportSchema] | None = None,
        formats: tuple[str, ...] = ("xml", "json"),
        parameters: list[dict[str, Any]] | None = None,
        headers: Described | None = None,
        name: str | None = None,
    ) -> Callable[[View], View]:
        """Serve a view at one literal route for each format, and document it.

        Args:
            rule: path without suffix, as `/requests/<string:service_request_id>`.
            root: name of the answer's root element, as in schemas/.
            query: parameters of the query string.
            body: parameters of a form body; makes the route a POST.
            parameters: headers of the request, in OpenAPI's words.
            headers: of the answer; with an ETag, it may be 304.
            name: of the operation, for a view that is served at several rules.
        """
        method = "POST" if body else "GET"

        def register(view: View) -> View:
            for format_ in formats:
                bound: Any = partial(view)
                bound.__name__ = f"{name or view.__name__}_{format_}"
                bound.__doc__ = view.__doc__
                bound._apidoc = _documentation(  # noqa: SLF001
                    bound.__name__, root, format_, query, body, parameters or [], headers or {}
                )
                self.add_url_rule(
                    f"{rule}.{format_}",
                    bound.__name__,
                    bound,
                    methods=[method],
                )
            return view

        return register


def _documentation(
    operation_id: str,
    root: str,
    format_: str,
    query: type[GeoReportSchema] | None,
    body: type[GeoReportSchema] | None,
    parameters: list[dict[str, Any]],
    headers: Described,
) -> dict[str, Any]:
    statuses = _POSTING_ERRORS if body else _READING_ERRORS
    error_type = CONTENT_TYPES["xml" if format_ == "xml" else "json"].split(";")[0]
    document = f"{root}_geojson" if format_ == "geojson" else root
    content = {CONTENT_TYPES[format_].split(";")[0]: _content(document, format_)}
    operation: dict[str, Any] = {
        "operationId": operation_id,
        "parameters": list(parameters),
        "responses": {
            "200": {"description": "Done.", "content": content} | _headed(headers),
            **{
                status: {
                    "description": _ERROR_STATUSES[status],
                    "content": {error_type: _content("errors", format_)},
                }
                | _headed(of_error(status))
                for status in statuses
            },
        },
    }
    if query:
        operation["parameters"].append({"in": "query", "schema": _instance(query)})
    if body:
        schema = {"schema": _instance(body)}
        kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
        # Everything may stand in the query instead: a body is not required.
        operation["requestBody"] = {"required": False, "content": dict.fromkeys(kinds, schema)}
        operation["security"] = [{}, {"key": []}]
    if "ETag" in headers:
        told = {"description": "What the client holds is still right."} | _headed(VERSIONED)
        operation["responses"]["304"] = told
    return {"manual_doc": operation}


def _headed(headers: Described) -> dict[str, Any]:
    return {"headers": headers} if headers else {}


def _content(document: str, format_: str) -> dict[str, Any]:
    """The schema of a document: JSON Schema for JSON; XML is described by its XSD."""
    if format_ == "xml":
        return {"schema": {"type": "string", "description": f"See schemas/xsd ({document})."}}
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{document}"}
    if document == "service_requests":  # extensions=true gives the other one
        schema = {"anyOf": [schema, {"$ref": f"#/components/schemas/{document}_extended"}]}
    return {"schema": schema}


def _instance(schema: type[GeoReportSchema]) -> GeoReportSchema:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only the documentation needs it here

    return schema(ZoneInfo("UTC"))
