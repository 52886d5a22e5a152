"""The offline evaluation: which images, one JSON line each, tables as pure functions of the lines.

Run it with `python -m eval`: importing this package by name would hide the builtin of that name.
"""
