"""Weir: an OpenTelemetry pipeline processor. Start reading at ``pipeline.api``."""

from pipeline import native as native

__version__ = "0.1.0"
