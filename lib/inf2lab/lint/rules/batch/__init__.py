"""Rules about batch and workers."""
