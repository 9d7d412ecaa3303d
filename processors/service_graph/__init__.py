"""Service graph: which service calls which, how often, how slowly, with how many failures."""

from processors.service_graph.processor import ServiceGraph

__all__ = ["ServiceGraph"]
