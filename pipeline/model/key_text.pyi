FIXED_TEXTS: bytes
OVERFLOW_VALUE: bytes

def label_bytes(text: bytes, limit: int) -> bytes: ...
