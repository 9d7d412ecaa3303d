# What other native modules see of memory.py. Short functions are here to be inlined; their uncompiled counterparts
# stand in memory.py.

from cpython.object cimport PyObject
from libc.string cimport memcmp, memcpy, memmove

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define weir_fetch(b, p) __builtin_prefetch((b) + (p))
    #else
    #define weir_fetch(b, p)
    #endif
    """
    void fetch "weir_fetch" (const void* b, unsigned long long p) noexcept nogil

cdef inline unsigned long long load(const unsigned char* b, Py_ssize_t p) noexcept nogil:
    cdef unsigned long long word
    memcpy(&word, b + p, 8)
    return word

cdef inline void store(unsigned char* b, Py_ssize_t p, unsigned long long word) noexcept nogil:
    memcpy(b + p, &word, 8)

cdef inline void copy_bytes(
    unsigned char* target, Py_ssize_t t, const unsigned char* source, Py_ssize_t s, Py_ssize_t n
) noexcept nogil:
    memcpy(target + t, source + s, n)

cdef inline void move_bytes(unsigned char* target, Py_ssize_t t, Py_ssize_t s, Py_ssize_t n) noexcept nogil:
    memmove(target + t, target + s, n)

cdef inline bint same_bytes(
    const unsigned char* a, Py_ssize_t p, const unsigned char* b, Py_ssize_t q, Py_ssize_t n
) noexcept nogil:
    return memcmp(a + p, b + q, n) == 0

cdef extern from "Python.h":
    PyObject* _new_bytes "PyBytes_FromStringAndSize" (const char*, Py_ssize_t) except NULL
    int _resize "_PyBytes_Resize" (PyObject**, Py_ssize_t) except -1
    char* _chars "PyBytes_AS_STRING" (PyObject*) noexcept nogil
    void _release "Py_DECREF" (PyObject*)

cdef inline void* new_bytes(Py_ssize_t size) except NULL:
    return _new_bytes(NULL, size)

cdef inline unsigned char* bytes_in(void* whole) noexcept nogil:
    return <unsigned char*>_chars(<PyObject*>whole)

cdef inline bytes cut_bytes(void* whole, Py_ssize_t size):
    cdef PyObject* cut = <PyObject*>whole
    _resize(&cut, size)
    result = <bytes>cut
    _release(cut)
    return result

cdef unsigned char* bytes_at(object array)
cdef int* ints_at(object array)
cdef unsigned int* uints_at(object array)
cdef long long* longs_at(object array)
cdef unsigned long long* words_at(object array)
cdef double* doubles_at(object array)

cdef unsigned long long mix(unsigned long long h, unsigned long long k) noexcept nogil
cdef unsigned long long hash_bytes(
    const unsigned char* b, Py_ssize_t p, Py_ssize_t n, unsigned long long seed
) noexcept nogil
