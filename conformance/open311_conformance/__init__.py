"""A conformance suite for Open311 GeoReport v2 servers."""

__version__ = "0.1.0"
