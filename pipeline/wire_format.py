"""Protobuf's wire format for native modules: varints, lengths, and fields to pass over (Encoding, protobuf.dev).

What is compiled stands in ``wire_format.pxd``, so that it can be inlined; here is what runs where it is not.
"""

import cython

if not cython.compiled:

    def read_varint(b, p, e):
        """Position after the varint and its value modulo 2^64, as the official parser; -1 when it is cut off or longer
        than ten bytes.
        """
        value = 0
        for shift in range(0, 70, 7):
            if p >= e:
                break
            part = b[p]
            p += 1
            value |= (part & 0x7F) << shift
            if part < 0x80:
                return p, value & 0xFFFFFFFFFFFFFFFF
        return -1, 0

    def read_length(b, p, e):
        """Position after a length prefix and the length, which fits before ``e``; position -1 otherwise."""
        p, value = read_varint(b, p, e)
        return (-1, 0) if p < 0 or value > e - p else (p, value)

    def skip_field(b, p, e, tag):
        """Position after the field whose tag has been read, -1 where there is no such field (groups, field number 0,
        cut off).
        """
        wire_type = tag & 7
        if tag < 8 or tag >> 32:
            return -1
        if wire_type == 2:
            p, length = read_length(b, p, e)
            return -1 if p < 0 else p + length
        if wire_type == 0:
            return read_varint(b, p, e)[0]
        length = {1: 8, 5: 4}.get(wire_type, e - p + 1)
        return -1 if e - p < length else p + length

    def varint_size(value):
        """Bytes of a varint."""
        return max(1, (value.bit_length() + 6) // 7)

    def put_varint(out, at, value):
        """Write a varint; position after it."""
        while value > 0x7F:
            out[at] = (value & 0x7F) | 0x80
            value >>= 7
            at += 1
        out[at] = value
        return at + 1
