# What other native modules see of number_text.py.

cdef Py_ssize_t write_number(unsigned char* out, Py_ssize_t p, unsigned long long bits) noexcept nogil
cdef Py_ssize_t write_seconds(unsigned char* out, Py_ssize_t p, long long nano) noexcept nogil
