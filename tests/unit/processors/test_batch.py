"""batch is accepted and does nothing."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.testing import Harness, span_batch
from processors.batch import Batch, BatchConfig


def test_every_batch_passes_at_once() -> None:
    run = Harness(Batch, timeout="5s", send_batch_size=10)
    assert len(run.traces(span_batch(3))) == 3


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"send_batch_size": 10, "send_batch_max_size": 5}, "greater or equal to send_batch_size"),
        ({"metadata_keys": ["a", "A"]}, "duplicate entry"),
        ({"timeout": "-1s"}, "greater than or equal to 0"),
    ],
)
def test_what_the_collector_refuses_is_refused(config: Any, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        BatchConfig.model_validate(config)
