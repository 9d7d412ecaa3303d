# What other native modules see of body_writer.py. Short functions are here to be inlined; their uncompiled counterparts
# stand in body_writer.py.

from pipeline.codec.edit_table cimport Table
from pipeline.memory cimport copy_bytes

cdef inline Py_ssize_t put_bytes(
    unsigned char* out, Py_ssize_t at, const unsigned char* b, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    copy_bytes(out, at, b, begin, end - begin)
    return at + end - begin

cdef Py_ssize_t close_element(
    unsigned char* out, Py_ssize_t at, Py_ssize_t body, Py_ssize_t end, unsigned long long tag
) noexcept nogil
cdef Py_ssize_t put_changed(Table table, Py_ssize_t row, long long stamp, Py_ssize_t at) noexcept nogil
