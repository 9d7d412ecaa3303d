# What other native modules see of edit_table.py. Short functions are here to be inlined; their uncompiled counterparts
# stand in edit_table.py.

cdef class Table:
    cdef object _keep
    cdef unsigned char* payload
    cdef unsigned char* extra
    cdef Py_ssize_t size
    cdef Py_ssize_t extra_size
    cdef unsigned long long* words
    cdef int* choices
    cdef unsigned char* keys
    cdef int* edits
    cdef unsigned char* touched
    cdef unsigned long long* swaps
    cdef unsigned char* out
    cdef unsigned char* scratch
    cdef long long* seen
    cdef Py_ssize_t first
    cdef Py_ssize_t width
    cdef Py_ssize_t rows
    cdef Py_ssize_t choice_first
    cdef Py_ssize_t choice_width
    cdef Py_ssize_t choice_word
    cdef int count
    cdef int fields
    cdef bint is_swapping
    cdef bint is_listing
    cdef bint is_cumulative
    cdef unsigned char* cumulative
    cdef unsigned long long key_sizes
    cdef unsigned long long element_tag
    cdef unsigned long long nested_tag
    cdef unsigned long long children_tag
    cdef unsigned long long attribute_tag
    cdef Py_ssize_t ordinal
    cdef Py_ssize_t block_begin
    cdef Py_ssize_t block_end
    cdef Py_ssize_t run_end

cdef inline (Py_ssize_t, Py_ssize_t) body_of(Table table, Py_ssize_t row) noexcept nogil:
    cdef unsigned long long where = table.words[table.first + row * table.width + 1]
    cdef Py_ssize_t begin = where >> 32
    return begin, begin + <Py_ssize_t><unsigned int>where

cdef inline Py_ssize_t parent_of(Table table, Py_ssize_t row) noexcept nogil:
    return table.words[table.first + row * table.width]

cdef inline bint is_touched(Table table, Py_ssize_t row) noexcept nogil:
    cdef int i
    for i in range(table.count):
        if table.touched[i * table.rows + row]:
            return True
    return False

cdef void choose(Table table, Py_ssize_t row) noexcept nogil
cdef unsigned long long find_key(unsigned char* b, Py_ssize_t p, Py_ssize_t e) noexcept nogil
cdef int find_edit(Table table, unsigned char* b, unsigned long long key, Py_ssize_t row) noexcept nogil
cdef Py_ssize_t growth_of(Table table, int* rows, Py_ssize_t n, bint is_all) noexcept nogil
cdef Py_ssize_t longest_of(Table table) noexcept nogil
