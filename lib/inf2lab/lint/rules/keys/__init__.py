"""Rules about the names of keys."""
