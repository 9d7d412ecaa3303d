# What other native modules see of series_labels.py. Short functions are here to be inlined; their uncompiled counterparts
# stand in series_labels.py.

cdef inline Py_ssize_t put_copy(
    unsigned char* out, Py_ssize_t p, const unsigned char* b, Py_ssize_t at, Py_ssize_t n
) noexcept nogil:
    # Byte by byte: the texts are short, and a label is moved to the front over itself.
    cdef Py_ssize_t i
    for i in range(n):
        out[p + i] = b[at + i]
    return p + n

cdef class Series:
    cdef object _keep
    cdef unsigned char* arena
    cdef unsigned long long* offsets
    cdef unsigned int* lengths
    cdef int* resource
    cdef long long* start
    cdef unsigned char* texts
    cdef long long* resource_at
    cdef long long* label_at
    cdef int* source_at
    cdef int* sources
    cdef long long* other_at
    cdef unsigned char* wins
    cdef long long* places
    cdef Py_ssize_t rows
    cdef Py_ssize_t columns
    cdef Py_ssize_t labels
    cdef bint has_others
    cdef Py_ssize_t fixed
    cdef bint binary
    cdef Py_ssize_t bound(self, Py_ssize_t row) noexcept nogil
    cdef Py_ssize_t write_labels(
        self, unsigned char* out, Py_ssize_t p, Py_ssize_t row, bint constant
    ) noexcept nogil
    cdef Py_ssize_t write_label(
        self, unsigned char* out, Py_ssize_t p, Py_ssize_t label, Py_ssize_t other
    ) noexcept nogil
    cdef Py_ssize_t write_sources(self, unsigned char* out, Py_ssize_t p, Py_ssize_t label) noexcept nogil
