"""The simulated shop: six services, a database, a cache and a queue, as a table of operations.

::

    user -> frontend -> recommendation -> cache
                     -> inventory      -> database
                     -> cart           -> cache
                     -> checkout -> cart, inventory
                                 -> payment -> database
                                 -> (queue) -> inventory
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

AttributeValue = str | int | float | bool


class Transport(Enum):
    """How a service exports its spans."""

    GRPC = "grpc"
    HTTP = "http/protobuf"


SERVICES: dict[str, Transport] = {
    "frontend": Transport.GRPC,
    "cart": Transport.HTTP,
    "checkout": Transport.GRPC,
    "payment": Transport.HTTP,
    "inventory": Transport.GRPC,
    "recommendation": Transport.HTTP,
}


@dataclass(frozen=True)
class Store:
    """A database or cache that is seen only through its clients' spans."""

    system: str
    name: str


DATABASE = Store("postgresql", "shop")
CACHE = Store("redis", "sessions")


@dataclass(frozen=True)
class Query:
    """A client span to a store, which has no spans of its own."""

    store: Store
    name: str
    latency_ms: float
    error_ratio: float = 0.0


@dataclass(frozen=True)
class Operation:
    """What a service does when it is called.

    Attributes:
        name: Span name; ``METHOD route`` for HTTP, ``destination operation`` for the consumer of a queue.
        latency_ms: Median time spent in the service itself, calls not included.
        spread: Sigma of the logarithm of that time.
        error_ratio: How often it fails by itself; a failed call makes it fail too.
        choices: Attributes whose value is drawn for every call.
        queue: The destination if it consumes messages, else empty.
    """

    service: str
    name: str
    latency_ms: float
    spread: float = 0.35
    error_ratio: float = 0.0
    calls: tuple[Operation | Query, ...] = ()
    choices: dict[str, tuple[AttributeValue, ...]] = field(default_factory=dict)
    queue: str = ""


@dataclass(frozen=True)
class Fault:
    """Calls of one operation take longer where an attribute has the guilty value.

    Attributes:
        slower: Factor on the time spent in the service itself.
    """

    service: str
    name: str
    attribute: str
    value: AttributeValue
    slower: float

    def hits(self, operation: Operation, attributes: Mapping[str, AttributeValue]) -> bool:
        """Whether a call is slowed down."""
        return (
            operation.service == self.service
            and operation.name == self.name
            and attributes.get(self.attribute) == self.value
        )


_read_cart = Operation("cart", "GET /cart/{user}", 1.5, calls=(Query(CACHE, "HGETALL", 0.6),))
_add_to_cart = Operation("cart", "POST /cart/{user}/items", 2.0, error_ratio=0.004, calls=(Query(CACHE, "HSET", 0.7),))
_read_stock = Operation("inventory", "GET /stock/{product}", 2.5, calls=(Query(DATABASE, "SELECT stock", 3.0, 0.001),))
_reserve = Operation(
    "inventory", "POST /reservations", 4.0, error_ratio=0.01, calls=(Query(DATABASE, "UPDATE stock", 6.0, 0.002),)
)
_ship = Operation(
    "inventory", "orders process", 15.0, spread=0.5, calls=(Query(DATABASE, "INSERT shipments", 5.0),), queue="orders"
)
_charge = Operation(
    "payment",
    "POST /charges",
    35.0,
    spread=0.3,
    error_ratio=0.02,
    calls=(Query(DATABASE, "INSERT payments", 5.0, 0.001),),
    choices={"app.card_type": ("visa", "visa", "mastercard", "amex", "amex")},
)
_recommend = Operation(
    "recommendation", "GET /recommendations", 12.0, spread=0.6, error_ratio=0.005, calls=(Query(CACHE, "GET", 0.5),)
)
_order = Operation("checkout", "POST /orders", 6.0, calls=(_read_cart, _reserve, _charge, _ship))


FAULT = Fault("payment", "POST /charges", "app.card_type", "amex", slower=15.0)
"""What goes wrong after a while, for ``anomaly`` to find."""
FAULT_LASTS_S = 60.0

ENTRANCES: tuple[tuple[int, Operation], ...] = (
    (45, Operation("frontend", "GET /", 3.0, calls=(_recommend,))),
    (35, Operation("frontend", "GET /product/{product}", 4.0, calls=(_read_stock, _recommend))),
    (14, Operation("frontend", "POST /cart", 3.0, calls=(_add_to_cart,))),
    (25, Operation("frontend", "POST /checkout", 5.0, error_ratio=0.002, calls=(_order,))),
)
"""What users do, with weights."""
