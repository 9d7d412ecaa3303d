# What other native modules see of label_cells.py.

from pipeline.model.key_index cimport KeyIndex

cdef class LabelCells:
    cdef object _kept
    cdef unsigned long long* _secret
    cdef Py_ssize_t _stride
    cdef unsigned char* _window
    cdef Py_ssize_t _labels
    cdef Py_ssize_t _limit
    cdef long long* _plan
    cdef unsigned char* _texts
    cdef bint _is_slow
    cdef long long* _slow_first
    cdef unsigned long long* _slow_words
    cdef unsigned char* _payload
    cdef unsigned long long _size
    cdef unsigned long long* _words
    # the scope
    cdef unsigned long long _number
    cdef Py_ssize_t[3] _row
    cdef Py_ssize_t[3] _at
    cdef long long* _unsettled
    cdef Py_ssize_t _unsettled_count
    cdef unsigned long long _sum_above
    cdef bint _plain_above
    # the span
    cdef unsigned long long* _cells
    cdef unsigned long long tag
    cdef bint plain
    cdef bint bare
    cdef Py_ssize_t source
    cdef void begin(self, unsigned char* payload, Py_ssize_t size, unsigned long long* words) noexcept nogil
    cdef bint enter(
        self,
        unsigned long long number,
        Py_ssize_t resource,
        Py_ssize_t resource_at,
        Py_ssize_t scope,
        Py_ssize_t scope_at,
    ) noexcept nogil
    cdef bint locate(self, Py_ssize_t item, Py_ssize_t item_at) noexcept nogil
    cdef void fetch(self, Py_ssize_t item_at) noexcept nogil
    cdef bint make(self, const unsigned char* key, Py_ssize_t p) noexcept nogil
    cdef Py_ssize_t write(self, unsigned char* key) noexcept nogil
    cdef unsigned long long _read(
        self, Py_ssize_t label, Py_ssize_t source, Py_ssize_t row, Py_ssize_t at
    ) noexcept nogil
    cdef unsigned long long _attribute(
        self, Py_ssize_t label, Py_ssize_t source, Py_ssize_t row, unsigned long long kind, unsigned long long value
    ) noexcept nogil
    cdef unsigned long long _decimal(self, Py_ssize_t label, unsigned long long value, bint signed) noexcept nogil
    cdef unsigned long long _sum(self, Py_ssize_t s, unsigned long long text) noexcept nogil
    cdef bint _is_plain(self, unsigned long long text) noexcept nogil
