from processors.service_graph.half_slots import HalfSlots

FATES: tuple[str, ...]

class Pairing(HalfSlots):
    def __init__(self, max_items: int, ttl_nano: int, max_items_per_trace: int) -> None: ...
