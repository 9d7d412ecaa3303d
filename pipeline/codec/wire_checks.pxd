# What other native modules see of wire_checks.py.

cdef bint is_too_deep(unsigned char* b, Py_ssize_t p, Py_ssize_t e, int most) noexcept nogil
cdef bint packed_ok(unsigned char* b, Py_ssize_t p, Py_ssize_t e, int size) noexcept nogil
