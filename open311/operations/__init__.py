"""One function per GeoReport method and per use-case."""
