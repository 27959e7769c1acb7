"""Reports: terminal, JSON, JUnit XML, one HTML page, a badge."""
