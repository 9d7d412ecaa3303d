"""Weir does not run on protobuf's pure Python backend."""

import os
import subprocess
import sys


def test_the_pure_python_backend_is_refused() -> None:
    check = "from pipeline.codec.protobuf_backend import check_protobuf_backend as check; check()"
    for backend, status in (("upb", 0), ("python", 1)):
        environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": backend}
        result = subprocess.run(
            [sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == status, result.stderr
    assert "unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION" in result.stderr
