"""XML that comes from a tool: no entities, no network, no DOCTYPE."""

from __future__ import annotations

from lxml import etree


def parse_xml(content: bytes) -> etree._Element:
    """Parse a document of a tool.

    Raises:
        ValueError: it is not well-formed, or it has a DOCTYPE (entities come that way).
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"XML illisible : {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("XML refusé : il contient un DOCTYPE.")
    return root
