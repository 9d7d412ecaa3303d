# What other native modules see of label_memo.py, and its numbers, so that the compiler knows them.

cdef enum:
    KEY_WORDS = 128
    PLACES = 1 << 16
    ENTRIES = 1 << 15
    ARENA = 1 << 18

cdef class LabelMemo:
    cdef object _batch
    cdef object _kept
    cdef object _ids
    cdef unsigned char* payload
    cdef Py_ssize_t size
    cdef unsigned long long* words
    cdef int* plan
    cdef Py_ssize_t first_resource
    cdef Py_ssize_t resource_width
    cdef Py_ssize_t first_scope
    cdef Py_ssize_t scope_width
    cdef int* ids
    cdef unsigned long long* key
    cdef unsigned long long* secret
    cdef unsigned long long* slots
    cdef unsigned long long* arena
    cdef int* offsets
    cdef int* sizes
    cdef int* numbers
    cdef Py_ssize_t entries
    cdef Py_ssize_t arena_used
    cdef unsigned long long scope
    cdef int resource
    cdef unsigned long long hash
    cdef unsigned char* flags

cdef int number_of(LabelMemo memo, Py_ssize_t item) noexcept nogil
