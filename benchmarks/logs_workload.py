"""Payloads to measure with: seeded ``ExportLogsServiceRequest`` bytes like the log lines of the shop's services.

Bodies are texts, some two hundred bytes with what was done and how it went; five attributes a record; two in three
records belong to a trace; one in thirty is an error with a stack trace. ``python -m benchmarks.logs_workload`` prints
what they are like.
"""

from __future__ import annotations

import functools
import random

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs, SeverityNumber

from benchmarks.workload import (
    BEGIN_UNIX_NANO,
    OPERATIONS,
    PAYLOADS,
    SERVICES,
    STACK_TRACE,
    USER_AGENTS,
    resource_attributes,
    set_attributes,
)

PROCESSES = 4
"""Resources in one request."""


@functools.cache
def logs_payloads(records: int, count: int = PAYLOADS) -> tuple[bytes, ...]:
    """Return ``count`` requests of exactly ``records`` records each; always the same ones."""
    generator = Generator(seed=records)
    return tuple(generator.request(records).SerializeToString() for _ in range(count))


class Generator:
    """Draws requests."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = BEGIN_UNIX_NANO

    def request(self, count: int) -> ExportLogsServiceRequest:
        """Return one request of ``count`` records."""
        request = ExportLogsServiceRequest()
        envelopes: dict[str, ScopeLogs] = {}
        services = self.random.sample(SERVICES, PROCESSES)
        for _ in range(count):
            service = self.random.choice(services)
            if service not in envelopes:
                resource_logs = request.resource_logs.add()
                set_attributes(resource_logs.resource.attributes, resource_attributes(service, 0))
                envelopes[service] = resource_logs.scope_logs.add()
                envelopes[service].scope.name = "app.orders"
            self._record(envelopes[service].log_records.add(), service)
        return request

    def _record(self, record: LogRecord, service: str) -> None:
        chance = self.random
        method, route = chance.choice(OPERATIONS[service].routes)
        self.now += chance.randrange(1000, 2_000_000)
        failed = chance.random() < 1 / 30
        record.time_unix_nano, record.observed_time_unix_nano = self.now, self.now + 150_000
        record.severity_number = SeverityNumber.SEVERITY_NUMBER_ERROR if failed else SeverityNumber.SEVERITY_NUMBER_INFO
        record.severity_text = "ERROR" if failed else "INFO"
        if chance.random() < 2 / 3:
            record.trace_id, record.span_id, record.flags = chance.randbytes(16), chance.randbytes(8), 1
        size, status = chance.randrange(60_000), 500 if failed else 200
        path = route.replace("{id}", str(size))
        record.body.string_value = (
            f'10.{chance.randrange(256)}.{chance.randrange(256)}.7 "{method} {path} HTTP/1.1" '
            f'{status} {size} "{chance.choice(USER_AGENTS)}" rt={chance.random():.3f}'
        )
        set_attributes(
            record.attributes,
            (
                ("http.request.method", method),
                ("http.route", route),
                ("http.response.status_code", status),
                ("thread.name", f"worker-{chance.randrange(16)}"),
                ("code.function.name", chance.choice(OPERATIONS[service].functions)),
            ),
        )
        if failed:
            set_attributes(
                record.attributes, (("exception.type", "TimeoutError"), ("exception.stacktrace", STACK_TRACE))
            )


def main() -> None:
    """Print what the payloads are like."""
    for size in (100, 512):
        made = logs_payloads(size)
        print(f"{len(made)} requests of {size} records: {sum(map(len, made)) / len(made) / size:.0f} bytes a record")


if __name__ == "__main__":
    main()
