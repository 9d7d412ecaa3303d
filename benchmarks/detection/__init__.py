"""Detection measured on recorded streams with known faults: ``python -m benchmarks.detection.run --kit DIR``."""
