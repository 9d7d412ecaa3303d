"""Prometheus rules: recordings and alerts about services, SLOs and Weir itself, made by ``weir rules generate``."""
