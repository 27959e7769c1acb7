"""(written below)"""

from open311_conformance.report.findings import Findings


def write(found: Findings) -> str:
    return str(found)
