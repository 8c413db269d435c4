"""GPT2 on the emulated device."""
