"""Bloom on the emulated device."""
