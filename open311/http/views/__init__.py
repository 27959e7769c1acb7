"""The GeoReport methods, one small file per noun."""
