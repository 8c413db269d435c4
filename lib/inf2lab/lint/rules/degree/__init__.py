"""Rules about degree, memory and copies."""
