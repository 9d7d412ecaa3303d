"""Grafana dashboards: made from ``source`` with ``python -m dashboards.build``, kept in ``compiled``, given out by
``weir dashboards export``.
"""
