"""An Open311 GeoReport v2 server for communes and their groupings."""

__version__ = "0.1.0"
