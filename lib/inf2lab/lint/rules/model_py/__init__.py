"""Rules about model.py."""
