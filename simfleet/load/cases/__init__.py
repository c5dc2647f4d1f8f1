"""Scripted cases: steps for single chargers, and a verdict per case.

`fields.py` is how they are written, `where.py` what is expected of a message, `frames.py` the
messages of a charger, `player.py` one case on one charger, `stage.py` all of them, `outcome.py`
what came of it.
"""
