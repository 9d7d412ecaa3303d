# What other native modules see of key_index.py.

cdef class KeyIndex:
    cdef object _kept
    cdef unsigned long long* secret
    cdef Py_ssize_t stride
    cdef unsigned char* window
    cdef unsigned long long* slots
    cdef unsigned long long mask
    cdef unsigned char* arena
    cdef unsigned long long* offsets
    cdef unsigned int* lengths
    cdef Py_ssize_t row_of(self, const unsigned char* key, Py_ssize_t n) noexcept nogil
    cdef unsigned long long _tag(self, Py_ssize_t row) noexcept nogil
    cdef void _enter(self, unsigned long long tag, Py_ssize_t row) noexcept nogil
    cdef void _leave(self, Py_ssize_t row) noexcept nogil
