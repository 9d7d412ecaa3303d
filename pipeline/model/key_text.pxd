# What other native modules see of key_text.py.

cdef Py_ssize_t put_text(
    unsigned char* dst, Py_ssize_t d, const unsigned char* src, Py_ssize_t s, Py_ssize_t n, Py_ssize_t limit
) noexcept nogil
cdef Py_ssize_t put_decimal(unsigned char* dst, Py_ssize_t d, unsigned long long value, bint signed) noexcept nogil
cdef Py_ssize_t put_absent(unsigned char* b, Py_ssize_t p) noexcept nogil
