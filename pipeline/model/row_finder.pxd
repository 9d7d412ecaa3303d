# What other native modules see of row_finder.py.

from pipeline.model.key_index cimport KeyIndex
from pipeline.model.label_cells cimport LabelCells

cdef class RowFinder:
    cdef object _kept
    cdef KeyIndex _index
    cdef KeyIndex _values
    cdef LabelCells _cells
    cdef Py_ssize_t _labels
    cdef Py_ssize_t _limit
    cdef bint _per_resource
    # per row, per resource slot, per label
    cdef long long* _updated
    cdef int* _row_resource
    cdef Py_ssize_t _row_count
    cdef long long* _resource_updated
    cdef int* _overflow_rows
    cdef unsigned char* _resource_full
    cdef unsigned char* _label_full
    cdef long long* _counters
    cdef Py_ssize_t _none
    cdef bint _full
    cdef bint _any_label_full
    # a key where it has to be written, its variant with limited values replaced, one label value
    cdef unsigned char* _key
    cdef unsigned char* _other
    cdef unsigned char* _value
    cdef unsigned char* _overflow_value
    cdef Py_ssize_t _key_length
    cdef bint _replaced
    # the batch
    cdef unsigned long long* _words
    cdef Py_ssize_t[3] _first
    cdef Py_ssize_t[3] _width
    cdef int* _rows
    cdef bint _chosen
    cdef int* _resources
    cdef int* _out
    cdef long long _now
    cdef int _status
    cdef long long _detail
    # the scope: its row, the resource's slot, the row of spans that have nothing of their own
    cdef Py_ssize_t _entered
    cdef Py_ssize_t _resource
    cdef Py_ssize_t _bare_row
    cdef void expect(self, Py_ssize_t item) noexcept nogil
    cdef Py_ssize_t row_at(self, Py_ssize_t item) noexcept nogil
    cdef Py_ssize_t _scan(self, Py_ssize_t at, Py_ssize_t n) noexcept nogil
    cdef Py_ssize_t _enter(self, Py_ssize_t scope) noexcept nogil
    cdef Py_ssize_t _match(self) noexcept nogil
    cdef Py_ssize_t _search(self, Py_ssize_t resource) noexcept nogil
    cdef void _replace_values(self) noexcept nogil
    cdef bint _knows_value(self, Py_ssize_t label, Py_ssize_t p, Py_ssize_t n) noexcept nogil
    cdef void _look_at(
        self, const unsigned char* payload, Py_ssize_t size, const unsigned long long* words, long long now
    ) noexcept nogil
