"""Tables, queries by noun, durable writes."""
