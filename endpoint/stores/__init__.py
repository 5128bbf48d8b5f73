"""Connections to what keeps jobs, keys and usage: an SQLite file, or Redis. Each of them has statements of its own."""
