"""Llama on the emulated device."""
