"""``transform``: change spans, data points and log records by OTTL statements."""

from processors.transform.processor import Transform

__all__ = ["Transform"]
