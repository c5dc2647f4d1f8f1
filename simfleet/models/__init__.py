"""The catalogue of charger models: what a device is, what it can do, and what it does its own way.

A model is a YAML file, `builtin/<brand>/<model>.yaml` or a user's; `docs/models.md` is the
reference. `schema` says what a file may hold, `reading` reads one, `catalogue` finds them, and
`model` makes the spec and the factory settings of a station.
"""
