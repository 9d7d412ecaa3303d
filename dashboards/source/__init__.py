"""What the dashboards say, in Python. Needs grafana-foundation-sdk, a development dependency."""
