"""The dashboards as they look: hours of a shop in a minute, a real Prometheus, one HTML page, a screenshot.

    scenario ─ spans ─▶ replica (Weir, compressed time) ─ remote write ─▶ Prometheus ◀─ recorded rules
                                                                             │
                          page ◀─ drawing ◀─ frames ◀─ asking (as Grafana) ──┘

Grafana itself is not needed and not imitated in every detail: units, thresholds, legends, joins of tables and the
interpolation of variables are as Grafana has them, so that an empty panel or a wrong unit shows here.
"""
