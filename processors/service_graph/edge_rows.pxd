# What other native modules see of edge_rows.py.

cdef class RowCache:
    cdef object _keys
    cdef object _rows
    cdef Py_ssize_t _count
    cdef unsigned long long* keys
    cdef int* rows
    cdef unsigned long long mask

cdef Py_ssize_t find_rows(
    RowCache cache, unsigned long long* edges, Py_ssize_t n, unsigned long long* keys, int* rows
) noexcept nogil
