"""Exchanges recorded from the real DJLServing, replayed against the rehearsal server."""
