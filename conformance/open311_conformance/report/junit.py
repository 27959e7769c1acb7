"""The report as JUnit XML, for continuous integration."""

from __future__ import annotations

import re

from lxml import etree

from open311_conformance.report.findings import Findings

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(found: Findings) -> str:
    """One test case per clause; not tested is skipped, broken is an error."""
    verdicts = found["verdicts"]
    suite = etree.Element(
        "testsuite",
        name=f"open311-conformance {found['target']['url']}",
        tests=str(len(found["clauses"])),
        failures=str(verdicts["failed"]),
        errors=str(verdicts["broken"]),
        skipped=str(verdicts["not tested"]),
        time=str(found["seconds"]),
        timestamp=found["started"].rstrip("Z"),
    )
    for clause in found["clauses"]:
        _case(suite, clause)
    root = etree.Element("testsuites")
    root.append(suite)
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def _case(suite: etree._Element, clause: Findings) -> None:
    case = etree.SubElement(
        suite,
        "testcase",
        classname=f"{clause['section']}.{clause['level']}",
        name=f"{clause['id']} {clause['rule']}",
        time=str(clause["seconds"]),
    )
    kinds = {"failed": "failure", "broken": "error", "not tested": "skipped"}
    if kind := kinds.get(clause["verdict"]):
        told = etree.SubElement(case, kind, message=_clean(clause["message"]))
        if kind != "skipped":
            told.text = _clean(_evidence(clause))
    if clause["warnings"]:
        etree.SubElement(case, "system-out").text = _clean("\n".join(clause["warnings"]))


def _evidence(clause: Findings) -> str:
    lines = [clause["advice"], clause["source"]]
    for exchange in clause["evidence"]:
        lines.append(f"{exchange['method']} {exchange['url']}\n{exchange['sent_body']}")
        lines.append(f"{exchange['status']} {exchange['failure']}\n{exchange['received']}")
    return "\n".join(lines)


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)
