"""GeoReport on the wire: reading and writing."""
