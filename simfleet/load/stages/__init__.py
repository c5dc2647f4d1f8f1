"""How each kind of stage is carried out: `table.py` says which function does."""
