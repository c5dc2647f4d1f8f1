"""A WebSocket to a peer: opening, serving, and the contract of an open link.

The only room that knows websockets and trio-websocket. Start at `link.py` for the contract, at
`opening.py` for a client, at `server.py` for a server, at `memory.py` for tests without a network.
"""
