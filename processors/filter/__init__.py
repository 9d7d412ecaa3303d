"""``filter``: drop spans, span events, metrics, data points and log records by OTTL conditions."""

from processors.filter.processor import Filter

__all__ = ["Filter"]
