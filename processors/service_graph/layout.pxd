# The numbers of layout.py, so that the compiler knows them. A test compares them.

cdef enum:
    TRACE = 0
    SPAN = 2
    OTHER = 3
    START = 4
    END = 5
    LABEL = 6
    WEIGHT = 7
    HALF = 8
    EDGE = 16

cdef enum:
    SERVER = 1
    MESSAGING = 2
    FAILED = 4
    ALONE = 8
    FILTERED = 16
    WAS_PAIRED = 32
    SETTLED = 64
    KIND = 3
