# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From a span to the number of its label set, without building its labels anew: a memo of what was found before.

A label takes the first of several attributes that is there, of the resource or of the span. So the label set of a span
follows from its resource's attributes and from the attributes of its own that are taken. Both are keys of words::

    of a resource: all ones      │ attribute │ attribute …              every one that a label could take
    of a span:     its resource  │ attribute │ attribute …              of each label the one that is taken
    attribute:     0 where it is absent │ type << 32 │ value │ type << 32 | length │ text, padded with zeros

A resource is looked up once per batch. A span of which no attribute is taken, the most frequent case, costs a look at
its words; any other a hash (``word_hash.py``) and a comparison with the words in the memo, so the answer is exact. The
series table stays the authority: what is not here it answers, and what it freed is forgotten here.

A memo has a fixed size, of which memory is touched only as it fills. A full one is emptied and learns again.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import secrets

import cython
import numpy as np

from processors.service_graph.word_hash import secret_words

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, ints_at, load, words_at
    from cython.cimports.processors.service_graph.word_hash import finish, product
else:
    from pipeline.memory import bytes_at, ints_at, load, words_at
    from processors.service_graph.word_hash import finish, product

    # Words of a key, places of the hash table, entries, words of the arena.
    KEY_WORDS, PLACES, ENTRIES, ARENA = 128, 1 << 16, 1 << 15, 1 << 18

# ``ValueType`` (pipeline/model/records.py) of values that are ranges of the payload.
_STRING = cython.declare(cython.ulonglong, 1)
_ARRAY = cython.declare(cython.ulonglong, 5)
_BYTES = cython.declare(cython.ulonglong, 7)

USED = 2
"""Flag of a label set: a span has had it since the flag was cleared."""
_used = cython.declare(cython.uchar, 2)

_no_resource = cython.declare(cython.int, -1)
_unknown = cython.declare(cython.int, -2)


@cython.final
@cython.cclass
class LabelMemo:
    """See the module. Its numbers are those that ``learn`` was given, from 0 on."""

    def __init__(self) -> None:
        key = np.zeros(KEY_WORDS, np.uint64)
        secret = secret_words(secrets.randbits(62), KEY_WORDS)
        slots = np.zeros(PLACES, np.uint64)
        arena = np.zeros(ARENA, np.uint64)
        offsets, sizes, numbers = (np.zeros(ENTRIES, np.int32) for _ in range(3))
        self._kept = [key, secret, slots, arena, offsets, sizes, numbers, None]
        self.key = words_at(key)
        self.secret = words_at(secret)
        self.slots = words_at(slots)
        self.arena = words_at(arena)
        self.offsets = ints_at(offsets)
        self.sizes = ints_at(sizes)
        self.numbers = ints_at(numbers)
        self.entries = 0
        self.arena_used = 0
        self.hash = 0
        self._ids = np.zeros(0, np.int32)

    def bind_flags(self, flags: object) -> None:
        """Use these flags: uint8 by number."""
        self._kept[7] = flags
        self.flags = bytes_at(flags)

    def clear(self) -> None:
        """Forget everything: numbers have been given to others."""
        self._kept[2][:] = 0
        self.entries = 0
        self.arena_used = 0

    def begin(self, payload: bytes, words: object, shape: tuple, resources: cython.Py_ssize_t, plan: object) -> None:
        """A new batch.

        Args:
            payload, words: Of its records.
            shape: First word and width of resource rows, then of scope rows.
            resources: How many resource rows there are.
            plan: int32, see ``memo_plan``.
        """
        if 4 * self.entries > 3 * ENTRIES or 4 * self.arena_used > 3 * ARENA:
            self.clear()
        if resources > len(self._ids):
            self._ids = np.zeros(2 * resources, np.int32)
            self.ids = ints_at(self._ids)
        self._batch = (payload, words, plan)
        self.payload = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload)) if cython.compiled else payload
        self.size = len(payload)
        self.words = words_at(words)
        self.plan = ints_at(plan)
        self.first_resource, self.resource_width, self.first_scope, self.scope_width = shape
        i: cython.Py_ssize_t
        for i in range(resources):
            self.ids[i] = _unknown
        self.scope = 0xFFFFFFFFFFFFFFFF

    def learn(
        self, first: cython.Py_ssize_t, width: cython.Py_ssize_t, rows: object, numbers: object, never: cython.int
    ) -> None:
        """Note the label sets of spans of the batch that ``number_of`` did not know.

        Args:
            first, width: The words of row r begin at ``first + r * width``.
            rows, numbers: int32[n].
            never: A number that is not noted: the overflow series, into which spans come for want of room.
        """
        i: cython.Py_ssize_t
        row: cython.p_int = ints_at(rows)
        number: cython.p_int = ints_at(numbers)
        for i in range(len(rows)):
            if number[i] != never:
                learn_one(self, first + row[i] * width, number[i])


def memo_plan(resource: list[int], labels: list[list[tuple[bool, int]]]) -> np.ndarray:
    """int32: what a memo looks at.

    ::

        plan  = resource words | word … | labels | label …
        label = candidates | is of the span, word …                 in the order in which they are tried

    Args:
        resource: Words of the attributes of resources that labels take.
        labels: Of each label that may take an attribute of the span, all its candidates: whether it is the span's, and
            its word.
    """
    codes = [len(resource), *resource, len(labels)]
    for candidates in labels:
        codes.append(len(candidates))
        for of_span, word in candidates:
            codes += [int(of_span), word]
    return np.array(codes, np.int32)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def load_last(b: cython.p_uchar, p: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.ulonglong:
    """The n < 9 bytes at p, padded with zeros, where nothing behind them can be read."""
    word: cython.ulonglong = 0
    byte: cython.ulonglong
    i: cython.Py_ssize_t
    for i in range(n):
        byte = b[p + i]
        word |= byte << (8 * i)
    return word


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_cell(memo: LabelMemo, n: cython.Py_ssize_t, cell: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Append an attribute to the key; returns the words of the key, -1 where it would become too long."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    low: cython.ulonglong = 0xFFFFFFFF
    kind: cython.ulonglong = memo.words[cell]
    value: cython.ulonglong = memo.words[cell + 1]
    begin: cython.Py_ssize_t
    length: cython.Py_ssize_t
    i: cython.Py_ssize_t
    word: cython.ulonglong
    if n + 2 > KEY_WORDS:
        return -1
    if kind != _STRING and (kind < _ARRAY or kind > _BYTES):
        memo.key[n] = kind << 32
        memo.key[n + 1] = value
        memo.hash += product(kind << 32, memo.secret[n]) + product(value, memo.secret[n + 1])
        return n + 2
    begin = value >> 32
    length = value & low
    if n + 2 + (length >> 3) > KEY_WORDS or begin + length > memo.size:
        return -1
    word = (kind << 32) | cython.cast(cython.ulonglong, length)
    memo.key[n] = word
    memo.hash += product(word, memo.secret[n])
    n += 1
    for i in range(0, length, 8):
        if begin + i + 8 <= memo.size:
            word = load(memo.payload, begin + i)
            if length - i < 8:
                word &= full >> (64 - 8 * (length - i))
        else:
            word = load_last(memo.payload, begin + i, length - i)
        memo.key[n] = word
        memo.hash += product(word, memo.secret[n])
        n += 1
    return n


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_key(memo: LabelMemo, n: cython.Py_ssize_t) -> cython.int:
    """The entry of the key of n words, or -1."""
    low: cython.ulonglong = 0xFFFFFFFF
    tag: cython.ulonglong = finish(memo.hash)
    p: cython.ulonglong = tag & (PLACES - 1)
    entry: cython.Py_ssize_t
    at: cython.Py_ssize_t
    i: cython.Py_ssize_t
    while memo.slots[p]:
        if memo.slots[p] >> 32 == tag:
            entry = cython.cast(cython.Py_ssize_t, memo.slots[p] & low) - 1
            if memo.sizes[entry] == n:
                at = memo.offsets[entry]
                i = 0
                while i < n and memo.arena[at + i] == memo.key[i]:
                    i += 1
                if i == n:
                    return cython.cast(cython.int, entry)
        p = (p + 1) & (PLACES - 1)
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_key(memo: LabelMemo, n: cython.Py_ssize_t, number: cython.int, spare: cython.Py_ssize_t) -> cython.int:
    """Give the key of n words an entry, with a few words to spare behind it in the arena; -1 where there is no room."""
    tag: cython.ulonglong = finish(memo.hash)
    p: cython.ulonglong = tag & (PLACES - 1)
    entry: cython.Py_ssize_t = memo.entries
    i: cython.Py_ssize_t
    if entry == ENTRIES or memo.arena_used + n + spare > ARENA:
        return -1
    while memo.slots[p]:
        p = (p + 1) & (PLACES - 1)
    memo.slots[p] = (tag << 32) | cython.cast(cython.ulonglong, entry + 1)
    memo.offsets[entry] = cython.cast(cython.int, memo.arena_used)
    memo.sizes[entry] = cython.cast(cython.int, n)
    memo.numbers[entry] = number
    for i in range(n):
        memo.arena[memo.arena_used + i] = memo.key[i]
    memo.arena_used += n + spare
    memo.entries += 1
    return cython.cast(cython.int, entry)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def resource_of(memo: LabelMemo, row: cython.Py_ssize_t) -> cython.int:
    """The entry of a resource, made where there is none; its number is that of the label set of its spans without
    attributes. Behind its key stands how many candidates of each label come before one that it has itself.
    """
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    at: cython.Py_ssize_t = memo.first_resource + row * memo.resource_width
    count: cython.Py_ssize_t = memo.plan[0]
    p: cython.Py_ssize_t = count + 2
    labels: cython.Py_ssize_t = memo.plan[count + 1]
    n: cython.Py_ssize_t = 1
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    entry: cython.int
    memo.key[0] = full
    memo.hash = product(memo.key[0], memo.secret[0])
    for i in range(count):
        n = put_cell(memo, n, at + memo.plan[1 + i])
        if n < 0:
            return _no_resource
    entry = find_key(memo, n)
    if entry >= 0:
        return entry
    entry = add_key(memo, n, -1, labels)
    if entry < 0:
        return _no_resource
    for i in range(labels):
        j = 0
        while j < memo.plan[p]:
            if not memo.plan[p + 1 + 2 * j] and memo.words[at + memo.plan[p + 2 + 2 * j]]:
                break
            j += 1
        memo.arena[memo.offsets[entry] + n + i] = j
        p += 1 + 2 * memo.plan[p]
    return entry


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def enter_scope(memo: LabelMemo, scope: cython.ulonglong) -> cython.void:
    """Take the resource of another scope."""
    row: cython.Py_ssize_t
    row = memo.words[memo.first_scope + cython.cast(cython.Py_ssize_t, scope) * memo.scope_width]
    if memo.ids[row] == _unknown:
        memo.ids[row] = resource_of(memo, row)
    memo.resource = memo.ids[row]
    memo.scope = scope


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def build_key(memo: LabelMemo, item: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Write the key of a span; its words, 0 where it takes none of the span's own attributes, -1 where it is too
    long.
    """
    p: cython.Py_ssize_t = memo.plan[0] + 2
    labels: cython.Py_ssize_t = memo.plan[p - 1]
    tries: cython.Py_ssize_t = memo.offsets[memo.resource] + memo.sizes[memo.resource]
    n: cython.Py_ssize_t = 1
    taken: cython.bint = False
    label: cython.Py_ssize_t
    j: cython.Py_ssize_t
    end: cython.Py_ssize_t
    memo.key[0] = memo.resource
    memo.hash = product(memo.key[0], memo.secret[0])
    for label in range(labels):
        j = p + 1
        end = j + 2 * cython.cast(cython.Py_ssize_t, memo.arena[tries + label])
        while j < end and not (memo.plan[j] and memo.words[item + memo.plan[j + 1]]):
            j += 2
        if j < end:
            taken = True
            n = put_cell(memo, n, item + memo.plan[j + 1])
        elif n < KEY_WORDS:
            memo.key[n] = 0
            memo.hash += product(0, memo.secret[n])
            n += 1
        else:
            n = -1
        if n < 0:
            return -1
        p += 1 + 2 * memo.plan[p]
    return n if taken else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def number_of(memo: LabelMemo, item: cython.Py_ssize_t) -> cython.int:
    """The number of the label set of the span whose words begin at ``item``, which is noted as used; -1 where the memo
    does not know it.
    """
    n: cython.Py_ssize_t
    entry: cython.int
    number: cython.int
    if memo.words[item] != memo.scope:
        enter_scope(memo, memo.words[item])
    if memo.resource == _no_resource:
        return -1
    n = build_key(memo, item)
    if n < 0:
        return -1
    entry = memo.resource if n == 0 else find_key(memo, n)
    if entry < 0:
        return -1
    number = memo.numbers[entry]
    if number >= 0:
        memo.flags[number] |= _used
    return number


@cython.cfunc
@cython.exceptval(check=False)
def learn_one(memo: LabelMemo, item: cython.Py_ssize_t, number: cython.int) -> cython.void:
    """Note the label set of one span."""
    n: cython.Py_ssize_t
    memo.flags[number] |= _used
    enter_scope(memo, memo.words[item])
    if memo.resource == _no_resource:
        return
    n = build_key(memo, item)
    if n == 0:
        memo.numbers[memo.resource] = number
    elif n > 0 and find_key(memo, n) < 0:
        add_key(memo, n, number, 0)
