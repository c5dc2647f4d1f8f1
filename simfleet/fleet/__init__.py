"""Chargers as tasks: one actor each, supervised in batches, brought to a wished size and mode."""
