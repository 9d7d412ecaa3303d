# What other native modules see of utf8.py. Short functions are here to be inlined; their uncompiled counterparts stand
# in utf8.py.

from pipeline.memory cimport load

cdef int sequence_size(unsigned char* b, Py_ssize_t at, Py_ssize_t end) noexcept nogil
cdef bint are_sequences(unsigned char* b, Py_ssize_t p, Py_ssize_t e) noexcept nogil

cdef inline bint is_utf8(unsigned char* b, Py_ssize_t p, Py_ssize_t e) noexcept nogil:
    # Most texts are ASCII: eight bytes at a time.
    cdef unsigned long long high_bits = 0x8080808080808080
    while e - p >= 8:
        if load(b, p) & high_bits:
            return are_sequences(b, p, e)
        p += 8
    while p < e:
        if b[p] >= 0x80:
            return are_sequences(b, p, e)
        p += 1
    return True
