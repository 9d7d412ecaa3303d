"""``probabilistic_sampler``: keeps a share of the traces or log records, decided alike by every replica."""

from processors.probabilistic_sampler.processor import ProbabilisticSampler

__all__ = ["ProbabilisticSampler"]
