"""The yardstick of the whole path: the same servers as Weir's, which read a request and throw it away.

python -m benchmarks.discard grpc 4317
"""

from __future__ import annotations
