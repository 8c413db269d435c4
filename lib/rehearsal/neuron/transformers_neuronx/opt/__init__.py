"""OPT on the emulated device."""
