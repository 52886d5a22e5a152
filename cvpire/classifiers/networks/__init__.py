"""Architectures of networks, written to match the names in the files of their weights."""
