# What other native modules see of wire_format.py: the definitions are here to be inlined; their uncompiled counterparts
# stand in wire_format.py, and the tests of all users run with both.

cdef inline (Py_ssize_t, unsigned long long) read_varint(
    const unsigned char* b, Py_ssize_t p, Py_ssize_t e
) noexcept nogil:
    cdef unsigned long long value
    cdef unsigned long long part
    cdef int shift = 7
    if p >= e:
        return -1, 0
    value = b[p]
    p += 1
    if value < 0x80:
        return p, value
    value &= 0x7F
    while p < e and shift < 70:
        part = b[p]
        p += 1
        value |= (part & 0x7F) << shift
        if part < 0x80:
            return p, value
        shift += 7
    return -1, 0

cdef inline (Py_ssize_t, Py_ssize_t) read_length(const unsigned char* b, Py_ssize_t p, Py_ssize_t e) noexcept nogil:
    cdef unsigned long long value
    p, value = read_varint(b, p, e)
    if p < 0 or value > <unsigned long long>(e - p):
        return -1, 0
    return p, <Py_ssize_t>value

cdef inline Py_ssize_t skip_field(
    const unsigned char* b, Py_ssize_t p, Py_ssize_t e, unsigned long long tag
) noexcept nogil:
    cdef Py_ssize_t length
    cdef unsigned long long value
    cdef int wire_type = tag & 7
    if tag < 8 or tag >> 32:
        return -1
    if wire_type == 2:
        p, length = read_length(b, p, e)
        return -1 if p < 0 else p + length
    if wire_type == 0:
        p, value = read_varint(b, p, e)
        return p
    length = 8 if wire_type == 1 else 4
    if (wire_type != 1 and wire_type != 5) or e - p < length:
        return -1
    return p + length

cdef inline Py_ssize_t varint_size(unsigned long long value) noexcept nogil:
    cdef Py_ssize_t size = 1
    while value > 0x7F:
        value >>= 7
        size += 1
    return size

cdef inline Py_ssize_t put_varint(unsigned char* out, Py_ssize_t at, unsigned long long value) noexcept nogil:
    while value > 0x7F:
        out[at] = (value & 0x7F) | 0x80
        value >>= 7
        at += 1
    out[at] = value & 0x7F
    return at + 1
