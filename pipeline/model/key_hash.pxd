# What other native modules see of key_hash.py: the definitions are here to be inlined; their uncompiled counterparts,
# with the words that explain them, stand in key_hash.py.

from libc.string cimport memcmp

from pipeline.memory cimport load

cdef extern from *:
    ctypedef unsigned long long wide "unsigned __int128"

cdef inline unsigned long long product(unsigned long long a, unsigned long long b) noexcept nogil:
    cdef wide both = <wide>a * b
    return <unsigned long long>both ^ <unsigned long long>(both >> 64)

cdef inline unsigned long long text_sum(
    const unsigned char* b,
    Py_ssize_t p,
    Py_ssize_t n,
    const unsigned long long* secret,
    Py_ssize_t s,
    const unsigned char* window,
) noexcept nogil:
    cdef const unsigned char* mask = window + 32 - (n if n < 32 else 32)
    cdef unsigned long long full = 0xFFFFFFFFFFFFFFFF
    cdef unsigned long long h
    cdef unsigned long long first
    cdef unsigned long long second
    cdef Py_ssize_t i
    h = product((load(b, p) & load(mask, 0)) + secret[s + 1], (load(b, p + 8) & load(mask, 8)) + secret[s + 2])
    h += product((load(b, p + 16) & load(mask, 16)) + secret[s + 3], (load(b, p + 24) & load(mask, 24)) + secret[s + 4])
    for i in range(32, n, 16):
        first = load(b, p + i)
        second = 0
        if n - i < 8:
            first &= full >> (64 - 8 * (n - i))
        elif n - i > 8:
            second = load(b, p + i + 8)
            if n - i < 16:
                second &= full >> (128 - 8 * (n - i))
        h += product(first + secret[s + 1 + (i >> 3)], second + secret[s + 2 + (i >> 3)])
    return h

cdef inline unsigned long long finish(unsigned long long h) noexcept nogil:
    cdef unsigned long long m = 0x9E3779B97F4A7C15
    h = (h ^ (h >> 32)) * m
    return h >> 32

cdef inline unsigned long long key_tag(
    const unsigned char* key,
    Py_ssize_t p,
    Py_ssize_t n,
    const unsigned long long* secret,
    Py_ssize_t stride,
    const unsigned char* window,
) noexcept nogil:
    cdef unsigned long long low = 0xFFFFFFFF
    cdef unsigned long long h = product((load(key, p) & low) + secret[0], secret[1])
    cdef Py_ssize_t end = p + n
    cdef Py_ssize_t size
    cdef Py_ssize_t s = 0
    p += 4
    while p < end:
        s += stride
        size = key[p] | (<Py_ssize_t>key[p + 1] << 8)
        p += 2
        if size == 0xFFFF:
            h += secret[s]
        else:
            h += text_sum(key, p, size, secret, s, window)
            p += size
    return finish(h)

cdef inline bint differ(
    const unsigned char* a,
    Py_ssize_t p,
    const unsigned char* b,
    Py_ssize_t q,
    Py_ssize_t n,
    const unsigned char* window,
) noexcept nogil:
    cdef const unsigned char* mask = window + 32 - (n if n < 32 else 32)
    cdef unsigned long long found = (load(a, p) ^ load(b, q)) & load(mask, 0)
    found |= (load(a, p + 8) ^ load(b, q + 8)) & load(mask, 8)
    found |= (load(a, p + 16) ^ load(b, q + 16)) & load(mask, 16)
    found |= (load(a, p + 24) ^ load(b, q + 24)) & load(mask, 24)
    if found == 0 and n > 32:
        return memcmp(a + p + 32, b + q + 32, n - 32) != 0
    return found != 0
