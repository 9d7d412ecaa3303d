# What other native modules see of pairing.py.

from processors.service_graph.half_slots cimport HalfSlots

cdef class Pairing(HalfSlots):
    cdef object _fates
    cdef long long* fates_at
    cdef unsigned long long* out
    cdef Py_ssize_t out_count
    cdef long long ttl
    cdef Py_ssize_t remembered

cdef void add_halves(
    Pairing store, unsigned long long* halves, Py_ssize_t n, unsigned long long* tags, long long now
) noexcept nogil
cdef void expire_halves(Pairing store, long long now, Py_ssize_t limit) noexcept nogil
cdef void load_half(Pairing store, unsigned long long* half, Py_ssize_t at, long long deadline) noexcept
