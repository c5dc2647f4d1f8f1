"""Keys and certificates: bytes and the time in, bytes out. The only room that imports cryptography.

Its modules import it at once, so who needs them only sometimes imports them inside functions: a
fleet without certificates never pays.
"""
