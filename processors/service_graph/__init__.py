"""Service graph: which service calls which, how often, how slowly, with how many failures.

::

    spans ─ halves ─▶ half_reader ─ numbers of label sets ─▶ edge_store ─▶ edge_rows ─▶ edge_recorder ─▶ instruments
            which are a side      (SeriesTable, nodes)       pairing       row of its   durations, failures
            of a call                                        half_slots    series       (edge_metrics)

``layout.py`` says what passes between them, ``processor.py`` connects them.
"""

from processors.service_graph.processor import ServiceGraph

__all__ = ["ServiceGraph"]
