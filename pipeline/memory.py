# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What the native modules share: pointers into arrays, loads, copies, and a hash.

Other native modules import it by ``cython.cimports`` where they are compiled (``memory.pxd`` says what they see) and as
an ordinary module where they are not. Words are loaded little-endian, as protobuf writes them.
"""

import cython

if not cython.compiled:

    def fetch(b, p):
        """The byte at p will be looked at soon."""

    def load(b, p):
        """Eight bytes at p as one word."""
        return int.from_bytes(b[p : p + 8], "little")

    def store(b, p, word):
        """The bytes of one word to p."""
        b[p : p + 8] = word.to_bytes(8, "little")

    def copy_bytes(target, t, source, s, n):
        """``target[t:t+n] = source[s:s+n]``"""
        target[t : t + n] = source[s : s + n]

    def move_bytes(target, t, s, n):
        """``target[t:t+n] = target[s:s+n]``, which may overlap"""
        target[t : t + n] = bytes(target[s : s + n])

    def new_bytes(size):
        """Room for a bytes object of at most that size, which ``cut_bytes`` must be given."""
        return bytearray(size)

    def bytes_in(whole):
        """Where the bytes are written to."""
        return memoryview(whole)

    def cut_bytes(whole, size):
        """The first bytes as an object, without a copy."""
        return bytes(whole[:size])

    def same_bytes(a, p, b, q, n):
        """``a[p:p+n] == b[q:q+n]``"""
        return a[p : p + n] == b[q : q + n]


@cython.cfunc
def bytes_at(array: object) -> cython.p_uchar:
    """Base of a uint8 array, which the caller keeps alive."""
    view: cython.const[cython.uchar][::1] = array
    return cython.cast(cython.p_uchar, cython.address(view[0])) if cython.compiled else memoryview(array)


@cython.cfunc
def ints_at(array: object) -> cython.p_int:
    """Base of an int32 array, which the caller keeps alive."""
    view: cython.const[cython.int][::1] = array
    return cython.cast(cython.p_int, cython.address(view[0])) if cython.compiled else memoryview(array)


@cython.cfunc
def uints_at(array: object) -> cython.p_uint:
    """Base of a uint32 array, which the caller keeps alive."""
    view: cython.const[cython.uint][::1] = array
    return cython.cast(cython.p_uint, cython.address(view[0])) if cython.compiled else memoryview(array)


@cython.cfunc
def longs_at(array: object) -> cython.p_longlong:
    """Base of an int64 array, which the caller keeps alive."""
    view: cython.const[cython.longlong][::1] = array
    return cython.cast(cython.p_longlong, cython.address(view[0])) if cython.compiled else memoryview(array)


@cython.cfunc
def words_at(array: object) -> cython.p_ulonglong:
    """Base of a uint64 array, which the caller keeps alive."""
    view: cython.const[cython.ulonglong][::1] = array
    return cython.cast(cython.p_ulonglong, cython.address(view[0])) if cython.compiled else memoryview(array)


@cython.cfunc
def doubles_at(array: object) -> cython.p_double:
    """Base of a float64 array, which the caller keeps alive."""
    view: cython.const[cython.double][::1] = array
    return cython.cast(cython.p_double, cython.address(view[0])) if cython.compiled else memoryview(array)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def mix(h: cython.ulonglong, k: cython.ulonglong) -> cython.ulonglong:
    """One round of MurmurHash64A."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    m: cython.ulonglong = 0xC6A4A7935BD1E995
    k = (k * m) & full
    k ^= k >> 47
    k = (k * m) & full
    return ((h ^ k) * m) & full


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hash_bytes(
    b: cython.pointer[cython.const[cython.uchar]], p: cython.Py_ssize_t, n: cython.Py_ssize_t, seed: cython.ulonglong
) -> cython.ulonglong:
    """64-bit hash of ``b[p:p+n]`` (Appleby, MurmurHash64A). Not secret: a seed that nobody knows makes it hard to
    choose texts that collide.
    """
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    m: cython.ulonglong = 0xC6A4A7935BD1E995
    h: cython.ulonglong = seed ^ ((cython.cast(cython.ulonglong, n) * m) & full)
    k: cython.ulonglong
    x: cython.ulonglong
    i: cython.Py_ssize_t
    while n >= 8:
        h = mix(h, load(b, p))
        p += 8
        n -= 8
    if n:
        k = 0
        for i in range(n):
            x = b[p + i]
            k |= x << (8 * i)
        h = mix(h, k)
    h ^= h >> 47
    h = (h * m) & full
    return h ^ (h >> 47)
