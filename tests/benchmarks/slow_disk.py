"""Target 12 (placeholder until written)."""
def measure_slow_disk(engine, report): pass
