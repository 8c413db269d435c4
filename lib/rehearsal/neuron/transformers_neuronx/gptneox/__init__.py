"""GPTNeoX on the emulated device."""
