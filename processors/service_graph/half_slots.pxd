# What other native modules see of half_slots.py. Numbers are here so that the compiler knows them; their uncompiled
# counterparts stand in half_slots.py.

from processors.service_graph.trace_counters cimport TraceCounters

cdef enum:
    DEADLINE = 8
    SLOT = 16

cdef enum:
    YOUNGER = 21
    NEXT = 22
    LINKS = 32

cdef class HalfSlots:
    cdef object _keep
    cdef object _slots
    cdef object _index
    cdef unsigned long long* words
    cdef int* links
    cdef long long* deadlines
    cdef unsigned long long* index
    cdef unsigned long long mask
    cdef unsigned long long* secret
    cdef TraceCounters traces
    cdef bint is_counting
    cdef object _ring
    cdef unsigned long long* ring
    cdef long long* ring_deadlines
    cdef Py_ssize_t ring_size
    cdef Py_ssize_t ring_first
    cdef int* unused
    cdef Py_ssize_t unused_count
    cdef int oldest
    cdef int youngest
    cdef Py_ssize_t max_items
    cdef Py_ssize_t max_items_per_trace
    cdef Py_ssize_t used
    cdef Py_ssize_t items
    cdef Py_ssize_t paired_items

cdef inline int slot_at(HalfSlots slots, Py_ssize_t place) noexcept nogil:
    return <int>(slots.index[place] & 0xFFFFFFFFULL) - 1

cdef inline int next_of(HalfSlots slots, int slot) noexcept nogil:
    return slots.links[slot * LINKS + NEXT]

cdef inline long long deadline_of(HalfSlots slots, int slot) noexcept nogil:
    return slots.deadlines[slot * SLOT + DEADLINE]

cdef unsigned long long tag_of(HalfSlots slots, unsigned long long* half, Py_ssize_t at) noexcept nogil
cdef Py_ssize_t find(
    HalfSlots slots, unsigned long long tag, unsigned long long* half, Py_ssize_t at
) noexcept nogil
cdef int put(
    HalfSlots slots,
    unsigned long long* half,
    Py_ssize_t at,
    unsigned long long tag,
    Py_ssize_t place,
    bint is_paired,
    long long deadline,
) noexcept nogil
cdef void move_to_paired(HalfSlots slots, int slot, long long deadline) noexcept nogil
cdef Py_ssize_t place_of(HalfSlots slots, int slot) noexcept nogil
cdef void drop_waiting(HalfSlots slots, Py_ssize_t place) noexcept nogil
cdef void drop_paired(HalfSlots slots) noexcept nogil
cdef bint is_crowded(HalfSlots slots, unsigned long long* half, Py_ssize_t at) noexcept nogil
