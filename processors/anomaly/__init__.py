"""``anomaly``: incidents with a root cause, from online models of exclusive times, gaps, rates and errors."""

from processors.anomaly.processor import Anomaly

__all__ = ["Anomaly"]
