"""YAML that people write: read strictly, every mistake found at once and named with its place.

`nodes` makes a tree in which every value knows where it was written, `kinds` and `fields` say what
a document may hold, `problems` collects what is wrong. Scenarios and charger models are documents.
"""
