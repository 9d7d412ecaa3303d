"""Labels of the service graph, as Grafana's Tempo data source queries them."""

CLIENT = "client"
SERVER = "server"
CONNECTION_TYPE = "connection_type"
FAILED = "failed"
VIRTUAL_NODE_LABEL = "virtual_node"
