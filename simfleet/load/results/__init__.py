"""What is made of a finished run: its files for people, for CI and for other tools."""
