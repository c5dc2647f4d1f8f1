"""The virtual charging station. Pure: no I/O, no clock of its own, no randomness of its own."""
