"""Hostile bytes against the native modules: ``python -m tests.fuzz``."""
