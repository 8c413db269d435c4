"""Which weights speak in the rehearsal: stand-ins, a model's own where they are here, and how those are brought."""
