# What other native modules see of trace_counters.py.

cdef class TraceCounters:
    cdef object _counts
    cdef object _secret
    cdef int* counts
    cdef unsigned long long* secret
    cdef unsigned long long mask
    cdef void clear(self) noexcept nogil
    cdef int add(self, unsigned long long* half, Py_ssize_t at, int by) noexcept nogil
