"""Measurements of ``weir run`` in a child process, under load from another."""
