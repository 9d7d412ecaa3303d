# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Where the texts of a span's labels stand, and the hash of the key that they make.

Nothing is copied. What a label is for all spans of a scope (one of its attributes, one of its resource, the default) is
looked up when the scope changes; the labels that are not settled by then take the cells of each span::

    unsettled = label, first source, end of sources, default, secret, word with its text …     six int64 per label

Levels and kinds in a plan, and the types of attributes, are the numbers of ``Level``, ``Kind`` and ``ValueType``.

Cython in pure Python mode: compiled and uncompiled give the same results. Pointers are base plus index, so that
memoryviews take their place uncompiled. Words are loaded little-endian, as the decoder writes them.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, fetch, load, longs_at, store, words_at
    from cython.cimports.pipeline.model.key_hash import differ, finish, product, text_sum
    from cython.cimports.pipeline.model.key_index import KeyIndex
    from cython.cimports.pipeline.model.key_text import put_absent, put_decimal, put_text
else:
    from pipeline.memory import bytes_at, fetch, load, longs_at, store, words_at
    from pipeline.model.key_hash import differ, finish, product, text_sum
    from pipeline.model.key_index import KeyIndex
    from pipeline.model.key_text import put_absent, put_decimal, put_text

_no_text = cython.declare(cython.ulonglong, 0xFFFFFFFF)
_unformatted = cython.declare(cython.ulonglong, 0xFFFFFFFE)

NO_TEXT = _no_text
"""Instead of a range of bytes: the label is absent."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_digits(b: cython.p_uchar, p: cython.Py_ssize_t, value: cython.ulonglong) -> cython.Py_ssize_t:
    """Write the decimal digits of a number below 10^8, all at once and without a branch; returns how many. Eight bytes
    are written.
    """
    ascii_zeros: cython.ulonglong = 0x3030303030303030
    digits: cython.ulonglong = value // 10000 | (value % 10000) << 32
    halves: cython.ulonglong = 0x0000007F0000007F
    quarters: cython.ulonglong = 0x000F000F000F000F
    part: cython.ulonglong
    n: cython.Py_ssize_t = 1
    part = ((digits * 10486) >> 20) & halves  # hundreds of each four digits; what is below goes 16 bits up
    digits = part | ((digits - 100 * part) << 16)
    part = ((digits * 103) >> 10) & quarters  # tens of each two; what is below goes 8 bits up
    digits = part | ((digits - 10 * part) << 8)
    n += (value > 9) + (value > 99) + (value > 999) + (value > 9999)
    n += (value > 99999) + (value > 999999) + (value > 9999999)
    store(b, p, (digits | ascii_zeros) >> (64 - 8 * n))
    return n


@cython.final
@cython.cclass
class LabelCells:
    """The texts of the labels of one span after the other.

    A text is a range, ``offset << 32 | length``: of the payload if the highest bit is set, else of the ``texts`` of the
    plan. ``NO_TEXT``: the label is absent.

    Args:
        index: Whose secret the hash takes.
        labels: Number of labels.
        limit: The longest label value.

    Attributes:
        tag: Hash of the span's key, where it is ``plain``: all texts stand as they stand in keys, with bytes to spare.
        bare: Whether the span has nothing that its scope has not settled, so that its key is that of all such spans.
        source: The source whose cell has to be formatted first.
    """

    def __init__(self, index: KeyIndex, labels: int, limit: int) -> None:
        cells = np.zeros(labels + 1, np.uint64)
        unsettled = np.zeros(6 * labels + 6, np.int64)
        self._kept = {"index": index, "cells": cells, "unsettled": unsettled}
        self._secret = index.secret
        self._stride = index.stride
        self._window = index.window
        self._labels = labels
        self._limit = limit
        self._cells = words_at(cells)
        self._unsettled = longs_at(unsettled)
        self._is_slow = False
        if not cython.compiled:
            self._row, self._at = [0, 0, 0], [0, 0, 0]

    def use(self, plan: object, texts: object) -> None:
        """Follow a plan: int64 and uint8 of ``LabelPlan``. Digits are written into the texts."""
        self._kept["plan"] = (plan, texts)
        self._plan = longs_at(plan)
        self._texts = bytes_at(texts)
        self._is_slow = False

    def set_slow(self, first: object, words: object, texts: object) -> None:
        """Formatted cells: per source the index in ``words`` (-1: none), ranges per row of the source's table, uint8
        texts that begin with those of the plan.
        """
        self._kept["slow"] = (first, words, texts)
        self._slow_first = longs_at(first)
        self._slow_words = words_at(words)
        self._texts = bytes_at(texts)
        self._is_slow = True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def begin(self, payload: cython.p_uchar, size: cython.Py_ssize_t, words: cython.p_ulonglong) -> cython.void:
        """Look at the bytes and words of another batch."""
        self._payload = payload
        self._size = size
        self._words = words
        self._unsettled_count = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def enter(
        self,
        number: cython.ulonglong,
        resource: cython.Py_ssize_t,
        resource_at: cython.Py_ssize_t,
        scope: cython.Py_ssize_t,
        scope_at: cython.Py_ssize_t,
    ) -> cython.bint:
        """Turn to the spans of a scope: rows of resource and scope, and where they begin in the words. ``number`` is
        what keys say of the resource. False: a value has to be formatted first.
        """
        p: cython.Py_ssize_t = 2
        end: cython.Py_ssize_t
        count: cython.Py_ssize_t = 0
        label: cython.Py_ssize_t
        level: cython.longlong
        text: cython.ulonglong
        self._number = number
        self._row[0], self._row[1] = resource, scope
        self._at[0], self._at[1] = resource_at, scope_at
        self._sum_above = product(number + self._secret[0], self._secret[1])
        self._sum_above += self._secret[self._stride * (self._labels + 1)]
        self._plain_above = True
        for label in range(self._labels):
            text = _no_text
            level = 0
            end = p + 2 + 6 * self._plan[p]
            self._unsettled[6 * count] = label
            self._unsettled[6 * count + 3] = self._plan[p + 1]
            p += 2
            while p < end and text == _no_text:
                level = self._plan[p]
                if level == 2:
                    break
                text = self._read(label, p, self._row[level], self._at[level])
                p += 6
            if text == _unformatted:
                return False
            if level == 2:
                self._unsettled[6 * count + 1] = p
                self._unsettled[6 * count + 2] = end
                self._unsettled[6 * count + 4] = self._stride * (label + 1)
                self._unsettled[6 * count + 5] = self._plan[p + 1] + (self._plan[p + 2] == 7)
                count += 1
            else:
                if text == _no_text:
                    text = self._unsettled[6 * count + 3]
                self._cells[label] = text
                if self._is_plain(text):
                    self._sum_above += self._sum(self._stride * (label + 1), text)
                else:
                    self._plain_above = False
            p = end
        self._unsettled_count = count
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def locate(self, item: cython.Py_ssize_t, item_at: cython.Py_ssize_t) -> cython.bint:
        """Find the texts of a span of the scope, and the hash of its key if they are plain. False: a value has to be
        formatted first.
        """
        unsettled: cython.p_longlong = self._unsettled
        plan: cython.p_longlong = self._plan
        payload: cython.p_uchar = self._payload
        secret: cython.p_ulonglong = self._secret
        no_text: cython.ulonglong = 0xFFFFFFFF
        low31: cython.ulonglong = 0x7FFFFFFF
        h: cython.ulonglong = self._sum_above
        plain: cython.bint = self._plain_above
        bare: cython.bint = True
        i: cython.Py_ssize_t
        p: cython.Py_ssize_t
        s: cython.Py_ssize_t
        label: cython.Py_ssize_t
        size: cython.Py_ssize_t
        text: cython.ulonglong
        at: cython.ulonglong
        self._row[2], self._at[2] = item, item_at
        for i in range(self._unsettled_count):
            label = unsettled[6 * i]
            p = unsettled[6 * i + 1]
            s = unsettled[6 * i + 4]
            text = self._read(label, p, item, item_at)
            while text == no_text:
                p += 6
                if p == unsettled[6 * i + 2]:
                    text = unsettled[6 * i + 3]
                    break
                text = self._read(label, p, self._row[plan[p]], self._at[plan[p]])
            self._cells[label] = text
            if text == no_text:
                h += secret[s]
                continue
            bare = False
            size = text & no_text
            at = text >> 32 & low31
            if size > self._limit:
                if text == _unformatted:
                    return False
                plain = False
            elif text >> 63 == 0:
                h += text_sum(self._texts, at, size, secret, s, self._window)
            elif at + size + 32 <= self._size:
                h += text_sum(payload, at, size, secret, s, self._window)
            else:
                plain = False
        self.tag = finish(h)
        self.plain = plain
        self.bare = bare
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def fetch(self, item_at: cython.Py_ssize_t) -> cython.void:
        """Have the texts of a span at hand that comes soon. What is no text does no harm."""
        i: cython.Py_ssize_t
        for i in range(self._unsettled_count):
            fetch(self._payload, self._words[item_at + self._unsettled[6 * i + 5]] >> 32)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def make(self, key: cython.pointer[cython.const[cython.uchar]], p: cython.Py_ssize_t) -> cython.bint:
        """Whether the texts, which are plain, make the key that begins at p. Another length ends the comparison, so it
        stays within the key.
        """
        low: cython.ulonglong = 0xFFFFFFFF
        label: cython.Py_ssize_t
        text: cython.ulonglong
        size: cython.Py_ssize_t
        length: cython.Py_ssize_t
        if load(key, p) & low != self._number:
            return False
        p += 4
        for label in range(self._labels):
            text = self._cells[label]
            length = key[p] | (cython.cast(cython.Py_ssize_t, key[p + 1]) << 8)
            p += 2
            if text == low:
                if length != 0xFFFF:
                    return False
                continue
            size = text & low
            if length != size:
                return False
            text >>= 32
            if differ(key, p, self._payload if text >> 31 else self._texts, text & 0x7FFFFFFF, size, self._window):
                return False
            p += size
        return key[p] == 0xFF and key[p + 1] == 0xFF

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write(self, key: cython.p_uchar) -> cython.Py_ssize_t:
        """Write the key; returns its length."""
        low: cython.ulonglong = 0xFFFFFFFF
        d: cython.Py_ssize_t = 4
        i: cython.Py_ssize_t
        text: cython.ulonglong
        size: cython.Py_ssize_t
        for i in range(4):
            key[i] = (self._number >> (8 * i)) & 0xFF
        for i in range(self._labels):
            text = self._cells[i]
            size = text & low
            text >>= 32
            if size == _no_text:
                d = put_absent(key, d)
            elif text >> 31:
                d = put_text(key, d, self._payload, text & 0x7FFFFFFF, size, self._limit)
            else:
                d = put_text(key, d, self._texts, text, size, self._limit)
        return put_absent(key, d)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _is_plain(self, text: cython.ulonglong) -> cython.bint:
        """Whether a text can be hashed and compared where it stands."""
        low: cython.ulonglong = 0xFFFFFFFF
        size: cython.Py_ssize_t = text & low
        text >>= 32
        if size > self._limit:
            return size == _no_text
        return text >> 31 == 0 or (text & 0x7FFFFFFF) + size + 32 <= self._size

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _sum(self, s: cython.Py_ssize_t, text: cython.ulonglong) -> cython.ulonglong:
        """The summand of a plain text; the words of its secret begin at ``s``."""
        low: cython.ulonglong = 0xFFFFFFFF
        size: cython.Py_ssize_t = text & low
        if text == low:
            return self._secret[s]
        text >>= 32
        return text_sum(
            self._payload if text >> 31 else self._texts, text & 0x7FFFFFFF, size, self._secret, s, self._window
        )

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _read(
        self, label: cython.Py_ssize_t, source: cython.Py_ssize_t, row: cython.Py_ssize_t, at: cython.Py_ssize_t
    ) -> cython.ulonglong:
        """The text of a source in a row of its table, which begins at ``at``; ``NO_TEXT`` where the cell is absent."""
        received: cython.ulonglong = 0x8000000000000000
        kind: cython.longlong = self._plan[source + 2]
        value: cython.ulonglong
        at += self._plan[source + 1]
        value = self._words[at]
        if kind == 7:
            if value == 1:
                return self._words[at + 1] | received
            return _no_text if value == 0 else self._attribute(label, source, row, value, self._words[at + 1])
        if kind == 1:
            return value | received
        if kind == 4:
            if value >= cython.cast(cython.ulonglong, self._plan[source + 5]):
                value = 0
            return self._plan[self._plan[source + 4] + cython.cast(cython.Py_ssize_t, value)]
        return self._decimal(label, value, False)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _attribute(
        self,
        label: cython.Py_ssize_t,
        source: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        kind: cython.ulonglong,
        value: cython.ulonglong,
    ) -> cython.ulonglong:
        """The text of an attribute that is no string."""
        first: cython.Py_ssize_t
        if kind == 3:
            return self._decimal(label, value, True)
        if kind == 2:
            return 4 if value else (4 << 32) | 5
        if kind == 8:
            return 0
        self.source = self._plan[source + 3]
        first = self._slow_first[self.source] if self._is_slow else -1
        return _unformatted if first < 0 else self._slow_words[first + row]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _decimal(self, label: cython.Py_ssize_t, value: cython.ulonglong, signed: cython.bint) -> cython.ulonglong:
        """The text of a number, written where the plan has room for that of the label."""
        at: cython.Py_ssize_t = self._plan[1] + 32 * label
        few: cython.ulonglong = 100000000
        size: cython.ulonglong
        size = put_digits(self._texts, at, value) if value < few else put_decimal(self._texts, at, value, signed)
        return cython.cast(cython.ulonglong, at) << 32 | size
