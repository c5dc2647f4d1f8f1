"""The embedded central system (CSMS): the default target of a run, and a mock in its own right.

`session.py` is one station's conversation, `behaviour.py` how well it is held, `book.py` what is
remembered; all three are pure. `server.py` puts sessions on sockets, `control.py` lets another
process ask and command, and `embedded.py` is that other process's side.
"""
