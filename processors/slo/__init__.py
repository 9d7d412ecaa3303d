"""``slo``: error budgets and burn rates from the spans themselves."""
