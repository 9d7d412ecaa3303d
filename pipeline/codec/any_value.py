"""Plain Python values as OTLP's AnyValue (``model/any_value.py``)."""

from pipeline.model.any_value import any_value, key_values

__all__ = ["any_value", "key_values"]
