"""Names of recorded SLO series and their labels, as Sloth has them, so that its dashboards show Weir's SLOs too.

Source: sloth ``internal/prometheus/{alert,recording}_rules.go``.
"""

OBJECTIVE = "slo:objective:ratio"
ERROR_BUDGET = "slo:error_budget:ratio"
CURRENT_BURN_RATE = "slo:current_burn_rate:ratio"
PERIOD_BURN_RATE = "slo:period_burn_rate:ratio"
BUDGET_REMAINING = "slo:period_error_budget_remaining:ratio"
PERIOD_DAYS = "slo:time_period:days"
INFO = "sloth_slo_info"

ERROR_RATE = "slo:error:rate5m"
TOTAL_RATE = "slo:total:rate5m"
"""Weir's own: rates that are summed over the period, so that the budget is weighted by traffic. Sloth takes the mean of
ratios, in which a quiet night counts as much as the peak."""

SLOTH_ID, SLOTH_SERVICE, SLOTH_SLO, SLOTH_WINDOW = "sloth_id", "sloth_service", "sloth_slo", "sloth_window"


def error_ratio(window: str) -> str:
    """Share of bad events over a window.

    >>> error_ratio("5m")
    'slo:sli_error:ratio_rate5m'
    """
    return f"slo:sli_error:ratio_rate{window}"
