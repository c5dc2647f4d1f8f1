"""The command line: arguments and exit codes, nothing else.

Each command is a module here with `main(arguments) -> int`, imported only when it is called, so
that `simfleet --help` needs nothing beyond the standard library.
"""
