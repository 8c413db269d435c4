"""The laptop's three nodes: a live cluster, what is done to it, and what was counted."""
