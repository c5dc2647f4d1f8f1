"""The REST API: everything users do over HTTP. The only room that imports quart and hypercorn.

`routes.route` registers a handler with its types; `openapi` describes exactly what is registered.
"""
