"""GPTJ on the emulated device."""
