"""DJLServing 0.25's HTTP contract in front of DJL's own Python worker; start it with `python -m rehearsal.server`."""
