"""``slo``: error budgets and burn rates from the spans themselves."""

from processors.slo.processor import Slo as Slo
