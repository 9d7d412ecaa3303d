"""PromQL over Weir's own metric names: what dashboards and rules share."""
