# What other native modules see of accumulate.py.

cdef Py_ssize_t add_loop(
    double* values, int* rows, double* amounts, Py_ssize_t step, Py_ssize_t n, bint monotonic
) noexcept nogil

cdef Py_ssize_t histogram_loop(
    double* counts,
    unsigned long long* sums,
    double* bounds,
    Py_ssize_t bound_count,
    double per_unit,
    int* rows,
    double* values,
    double* weights,
    Py_ssize_t step,
    int* buckets,
    Py_ssize_t n,
) noexcept nogil
