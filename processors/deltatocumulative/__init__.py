"""``deltatocumulative``: adds up what applications send as differences."""

from processors.deltatocumulative.processor import DeltaToCumulative

__all__ = ["DeltaToCumulative"]
