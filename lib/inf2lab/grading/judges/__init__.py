"""The judges of the exercises, one a file; each knows the truth from the planner, the linter or the catalog."""
