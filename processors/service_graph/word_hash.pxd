# What other native modules see of word_hash.py: the definitions are here to be inlined; their uncompiled counterparts
# stand in word_hash.py.

cdef inline unsigned long long product(unsigned long long word, unsigned long long secret) noexcept nogil:
    return ((word + secret) & 0xFFFFFFFFULL) * (((word >> 32) + (secret >> 32)) & 0xFFFFFFFFULL)

cdef inline unsigned long long finish(unsigned long long h) noexcept nogil:
    return ((h ^ (h >> 32)) * 0x9E3779B97F4A7C15ULL) >> 32
