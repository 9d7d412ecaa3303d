"""Which attributes a half keeps, and the labels of an edge that follow from its two halves.

| edge | client | server | connection_type |
|---|---|---|---|
| both sides sent a span | service | service | `` `` or ``messaging_system`` (either side) |
| client span with a database attribute | service | database | ``database`` |
| client span alone, after ttl | service | first peer attribute | ``virtual_node`` |
| server span without parent | ``user`` | service | ``virtual_node`` |
| other server span alone, after ttl | no edge | | |

The originals differ: a client span without peer attribute leads to ``unknown`` (otelcol) or to no edge (tempo); the
client of a server without parent is ``user`` (otelcol) or its first peer attribute, else ``user`` (tempo); a database
is called by its name (otelcol) or by peer.service, server.address, network.peer.address[:port], its name, the first
that is there (tempo). Sources: opentelemetry-collector-contrib ``connector/servicegraphconnector/connector.go``;
grafana/tempo ``modules/generator/processor/servicegraphs/servicegraphs.go``.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.api import Label
from processors.service_graph.config import Config
from processors.service_graph.names import CLIENT, CONNECTION_TYPE, FAILED, SERVER, VIRTUAL_NODE_LABEL

UNKNOWN_SERVICE = "unknown_service"
"""Service of a resource without service.name (semantic conventions 1.27, service.name)."""
USER = "user"
UNKNOWN = "unknown"
MESSAGING_SYSTEM, DATABASE, VIRTUAL_NODE = "messaging_system", "database", "virtual_node"

Half = Mapping[str, str]
"""Labels of a half by the names below; absent ones are left out."""

SERVICE, PEER, DATABASE_NAME = "service", "peer", "database"
ADDRESSES = ("peer.service", "server.address", "network.peer.address", "network.peer.port")
"""What Tempo calls a database by, from the resource or the span (semantic conventions 1.34)."""
_DIMENSION = "dimension."


class Nodes:
    """Labels, by configuration.

    Attributes:
        client_labels, server_labels: What a half of each side keeps.
        series_labels: Labels of the metrics.
    """

    def __init__(self, config: Config) -> None:
        self._tempo = config.tempo
        self._dimensions = config.dimensions
        self._prefixed = config.prefixed_dimensions
        self._virtual_label = config.virtual_node_label
        self._virtual_nodes = bool(config.peers) or config.tempo
        service = Label(SERVICE, ("resource.service.name",), UNKNOWN_SERVICE)
        peer = (Label(PEER, tuple(f"span.{key}" for key in config.peers)),) if config.peers else ()
        dimensions = tuple(Label(_DIMENSION + key, _scopes(key)) for key in config.dimensions)
        database = Label(DATABASE_NAME, tuple(column for key in config.database_names for column in _scopes(key)))
        addresses = tuple(Label(key, _scopes(key)) for key in ADDRESSES) if self._tempo else ()
        self.client_labels = (service, database, *peer, *addresses, *dimensions)
        self.server_labels = (service, *(peer if self._tempo else ()), *dimensions)
        self.series_labels = (
            CLIENT,
            SERVER,
            CONNECTION_TYPE,
            *(() if self._tempo else (FAILED,)),
            *((VIRTUAL_NODE_LABEL,) if self._virtual_label else ()),
            *self._dimension_labels(),
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of all labels."""
        return tuple(dict.fromkeys(c for label in self.client_labels + self.server_labels for c in label.columns))

    def needs_no_server(self, client: Half) -> bool:
        """Whether a client half is an edge by itself: a call to a database."""
        return bool(client.get(DATABASE_NAME))

    def series(self, edge: str, client: Half, server: Half, failed: bool) -> tuple[str | None, ...] | None:
        """Values of ``series_labels`` for an edge of a type (``edge_rows.TYPES``), or None where there is no edge.

        A side without span is empty.
        """
        names = self._names(edge, client, server)
        if names is None:
            return None
        empty = None if self._tempo else ""  # the Collector writes empty labels, Tempo leaves them out
        virtual = {"virtual_server": "server", "virtual_client": "client"}.get(edge, empty)
        return (
            *names,
            _CONNECTION_TYPES.get(edge, empty),
            *(() if self._tempo else ("true" if failed else "false",)),
            *((virtual,) if self._virtual_label else ()),
            *self._dimension_values(client, server),
        )

    def _names(self, edge: str, client: Half, server: Half) -> tuple[str, str] | None:
        if edge == "orphan":
            return None
        if edge == "database":
            return _service(client), self._database(client)
        if edge == "virtual_server":
            peer = client.get(PEER) or (None if self._tempo else UNKNOWN)
            return (_service(client), peer) if peer and self._virtual_nodes else None
        if edge == "virtual_client":
            caller = (server.get(PEER) if self._tempo else None) or USER
            return (caller, _service(server)) if self._virtual_nodes else None
        return _service(client), _service(server)

    def _database(self, client: Half) -> str:
        name = client[DATABASE_NAME]
        if not self._tempo:
            return name
        peer, server, address, port = (client.get(key) for key in ADDRESSES)
        return peer or server or (address and (f"{address}:{port}" if port else address)) or name

    def _dimension_labels(self) -> tuple[str, ...]:
        if self._prefixed:
            return tuple(f"{side}_{key}" for key in self._dimensions for side in ("client", "server"))
        return self._dimensions

    def _dimension_values(self, client: Half, server: Half) -> list[str | None]:
        pairs = [(client.get(_DIMENSION + key), server.get(_DIMENSION + key)) for key in self._dimensions]
        if self._prefixed:
            return [value for pair in pairs for value in pair]
        return [mine if theirs is None else theirs for mine, theirs in pairs]


_CONNECTION_TYPES = {
    "messaging": MESSAGING_SYSTEM,
    "database": DATABASE,
    "virtual_server": VIRTUAL_NODE,
    "virtual_client": VIRTUAL_NODE,
}


def _service(half: Half) -> str:
    return half.get(SERVICE) or UNKNOWN_SERVICE


def _scopes(key: str) -> tuple[str, str]:
    """Where an attribute is looked up, in order: both originals take the resource's first."""
    return f"resource.{key}", f"span.{key}"
