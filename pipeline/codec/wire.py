# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Walk protobuf bytes once and write the wanted fields into rows of words.

The walker knows protobuf's wire format and nothing about OTLP: a *program* (``codec/projection.py``) says for each
message and field number what to do with it. So traces, metrics and logs are tables, and a column that nobody reads
costs one skip. The layout of the rows is that of ``model/records.py``.

Input is hostile. All reads of the payload are in this file and in those that it calls (``codec/wire_checks.py``,
``codec/utf8.py``), and each is preceded by a comparison with the end of the enclosing message; lengths are compared as
unsigned 64-bit numbers before use; rows, counted children and nesting have limits. Bytes that are skipped are not
looked into (docs/decisions/0001), so damage or invalid UTF-8 inside them is not noticed. Groups, which proto3 does not
have, are refused. A field with an unexpected wire type is an unknown field, as in the official parser.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.codec.utf8 import is_utf8
    from cython.cimports.pipeline.codec.wire_checks import is_too_deep, packed_ok
    from cython.cimports.pipeline.memory import load
    from cython.cimports.pipeline.wire_format import read_length, read_varint, skip_field
else:
    from pipeline.codec.utf8 import is_utf8
    from pipeline.codec.wire_checks import is_too_deep, packed_ok
    from pipeline.memory import load
    from pipeline.wire_format import read_length, read_varint, skip_field

# What to do with a field.
OP_SKIP = cython.declare(cython.int, 0)
OP_VARINT = cython.declare(cython.int, 1)
OP_FIXED64 = cython.declare(cython.int, 2)
OP_FIXED32 = cython.declare(cython.int, 3)
OP_STRING = cython.declare(cython.int, 4)
OP_BYTES = cython.declare(cython.int, 5)
OP_ID8 = cython.declare(cython.int, 6)
OP_ID16 = cython.declare(cython.int, 7)
OP_MESSAGE = cython.declare(cython.int, 8)
OP_RAW = cython.declare(cython.int, 9)
OP_ROWS = cython.declare(cython.int, 10)
OP_ATTRIBUTE = cython.declare(cython.int, 11)
OP_COUNT = cython.declare(cython.int, 12)
OP_VALUE = cython.declare(cython.int, 13)
OP_NUMBER = cython.declare(cython.int, 14)
OP_ZIGZAG = cython.declare(cython.int, 15)
OP_PACKED = cython.declare(cython.int, 16)
OP_CHOICE = cython.declare(cython.int, 17)

# Why a walk stopped.
OK = cython.declare(cython.int, 0)
TRUNCATED = cython.declare(cython.int, 1)
BAD_TAG = cython.declare(cython.int, 2)
BAD_UTF8 = cython.declare(cython.int, 3)
TOO_DEEP = cython.declare(cython.int, 4)
TOO_MANY_ROWS = cython.declare(cython.int, 5)
TOO_MANY_CHILDREN = cython.declare(cython.int, 6)
FULL = cython.declare(cython.int, 7)

FIELDS = cython.declare(cython.int, 32)
BUCKETS = cython.declare(cython.int, 64)

LAYOUT = {"fields": 32, "buckets": 64}
"""Shape of a program, for ``codec/projection.py``: field numbers per message, hash buckets per set of attribute
keys."""

OPS = {
    "skip": 0,
    "varint": 1,
    "fixed64": 2,
    "fixed32": 3,
    "string": 4,
    "bytes": 5,
    "id8": 6,
    "id16": 7,
    "message": 8,
    "raw": 9,
    "rows": 10,
    "attribute": 11,
    "count": 12,
    "value": 13,
    "number": 14,
    "zigzag": 15,
    "packed": 16,
    "choice": 17,
}
REASONS = (
    "ok",
    "truncated or over-long field",
    "invalid tag",
    "invalid UTF-8",
    "values nested too deeply",
    "too many items",
    "too many attributes, events or links",
    "full",
)
MALFORMED = (1, 2, 3, 4)
EXCEEDED = (5, 6)
GROW = 7


@cython.final
@cython.cclass
class Program:
    """What to do with each field: built once per projection, shared by all threads.

    Args:
        actions: int32[messages * 32 * 3]; per field number op, word and argument: the child message of ``message`` and
            ``raw`` (-1: do not look inside), the defect bit of ids, 1 for a ``varint`` of 32 bits, the ``ValueType`` of
            a ``number``, the bytes of an element of ``packed`` (1: varints), the word for the extent of all attributes
            of ``attribute`` (0: none). ``rows`` have their child message in place of the word, and their level;
            ``choice`` child message ``<< 8`` | which of the choices it is.
        keys: int32[candidates * 4]; per wanted attribute key offset and length in ``key_bytes``, word, next candidate +
            1.
        buckets: int32[messages * 64]; first candidate + 1.
        key_lengths: uint64[messages]; bit ``length`` is set where a wanted key has that length.
        key_bytes: The wanted keys, joined.
        levels: int32[levels * 2]; per level the words of a row and the level of the parents.
        ids: int32[k * 3]; per required id of an item its word, number of words and defect bit.
        choice: int32[2]; the level of the rows that have a ``choice``, and the first of the words that belong to its
            members.
    """

    _keep: object
    actions: cython.p_int
    keys: cython.p_int
    buckets: cython.p_int
    key_lengths: cython.p_ulonglong
    key_bytes: cython.p_uchar
    levels: cython.p_int
    ids: cython.p_int
    id_count: cython.int
    level_count: cython.int
    choice_level: cython.int
    choice_word: cython.int

    def __init__(  # type: ignore[no-untyped-def]
        self, actions, keys, buckets, key_lengths, key_bytes, levels, ids, choice
    ):
        self._keep = (actions, keys, buckets, key_lengths, key_bytes, levels, ids)
        self.id_count = len(ids) // 3
        self.level_count = len(levels) // 2
        self.choice_level = choice[0]
        self.choice_word = choice[1]
        if cython.compiled:
            ints: cython.int[::1]
            longs: cython.ulonglong[::1]
            chars: cython.const[cython.uchar][::1]
            ints = actions
            self.actions = cython.address(ints[0])
            ints = keys
            self.keys = cython.address(ints[0])
            ints = buckets
            self.buckets = cython.address(ints[0])
            longs = key_lengths
            self.key_lengths = cython.address(longs[0])
            chars = key_bytes
            self.key_bytes = cython.cast(cython.p_uchar, cython.address(chars[0]))
            ints = levels
            self.levels = cython.address(ints[0])
            ints = ids
            self.ids = cython.address(ints[0])
        else:
            self.actions = actions.tolist()
            self.keys = keys.tolist()
            self.buckets = buckets.tolist()
            self.key_lengths = key_lengths.tolist()
            self.key_bytes = key_bytes
            self.levels = levels.tolist()
            self.ids = ids.tolist()


@cython.final
@cython.cclass
class Walk:
    """One walk: where it writes, how far it got, why it stopped."""

    payload: cython.p_uchar
    words: cython.p_ulonglong
    tables: cython.p_longlong
    children: cython.Py_ssize_t
    max_rows: cython.Py_ssize_t
    max_children: cython.Py_ssize_t
    max_depth: cython.int
    defects: cython.Py_ssize_t
    failure: cython.int
    failed_at: cython.Py_ssize_t


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_key(
    program: Program, message: cython.int, b: cython.p_uchar, k: cython.Py_ssize_t, length: cython.Py_ssize_t
) -> cython.int:
    """Word of the wanted attribute whose key is ``b[k:k+length]``, or -1."""
    bit: cython.ulonglong = 1
    at: cython.Py_ssize_t
    i: cython.Py_ssize_t
    c: cython.int
    if length == 0:
        return -1
    at = length if length < 63 else 63
    if not (program.key_lengths[message] >> at) & bit:
        return -1
    c = b[k + length - 1]
    c = (c * 3 + b[k + (length >> 1)] * 5 + length) & (BUCKETS - 1)
    c = program.buckets[message * BUCKETS + c]
    while c:
        c -= 1
        if program.keys[c * 4 + 1] == length:
            at = program.keys[c * 4]
            i = 0
            while i < length and b[k + i] == program.key_bytes[at + i]:
                i += 1
            if i == length:
                return program.keys[c * 4 + 2]
        c = program.keys[c * 4 + 3]
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def read_value(walk: Walk, p: cython.Py_ssize_t, e: cython.Py_ssize_t, cell: cython.Py_ssize_t) -> cython.int:
    """Merge the AnyValue ``payload[p:e]`` into the two words at ``cell``. The last member of the oneof wins."""
    b: cython.p_uchar = walk.payload
    tag: cython.ulonglong
    value: cython.ulonglong
    where: cython.ulonglong
    length: cython.Py_ssize_t
    number: cython.int
    while p < e:
        p, tag = read_varint(b, p, e)
        if p < 0:
            return TRUNCATED
        number = tag >> 3
        if tag == 0x0A or tag == 0x3A or tag == 0x2A or tag == 0x32:
            p, length = read_length(b, p, e)
            if p < 0:
                return TRUNCATED
            if tag == 0x0A and not is_utf8(b, p, p + length):
                return BAD_UTF8
            where = p
            walk.words[cell] = number
            walk.words[cell + 1] = (where << 32) | cython.cast(cython.ulonglong, length)
            p += length
        elif tag == 0x10 or tag == 0x18:
            p, value = read_varint(b, p, e)
            if p < 0:
                return TRUNCATED
            walk.words[cell] = number
            walk.words[cell + 1] = 1 if tag == 0x10 and value != 0 else value
        elif tag == 0x21:
            if e - p < 8:
                return TRUNCATED
            walk.words[cell] = number
            walk.words[cell + 1] = load(b, p)
            p += 8
        else:
            p = skip_field(b, p, e, tag)
            if p < 0:
                return BAD_TAG
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def read_attribute(
    program: Program,
    walk: Walk,
    message: cython.int,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
) -> cython.int:
    """Write one KeyValue into its cell if its key is wanted; the first of equal keys wins."""
    b: cython.p_uchar = walk.payload
    key: cython.Py_ssize_t = p
    key_length: cython.Py_ssize_t = 0
    value: cython.Py_ssize_t = -1
    value_end: cython.Py_ssize_t = -1
    length: cython.Py_ssize_t
    tag: cython.ulonglong
    word: cython.int
    begin: cython.Py_ssize_t = p
    values: cython.int = 1
    # What encoders write: key, then value, both shorter than 128 bytes.
    if e - p >= 4 and b[p] == 0x0A and b[p + 1] < 0x80 and e - p - 4 >= b[p + 1]:
        key = p + 2
        key_length = b[p + 1]
        value = key + key_length
        if b[value] == 0x12 and b[value + 1] < 0x80 and e - value - 2 == b[value + 1]:
            value += 2
            value_end = e
        else:
            key = p
            key_length = 0
            value = -1
    if value < 0:
        values = 0
        while p < e:
            p, tag = read_varint(b, p, e)
            if p < 0:
                return TRUNCATED
            if tag == 0x0A or tag == 0x12:
                p, length = read_length(b, p, e)
                if p < 0:
                    return TRUNCATED
                if tag == 0x0A:
                    key = p
                    key_length = length
                else:
                    value = p
                    value_end = p + length
                    values += 1
                p += length
            else:
                p = skip_field(b, p, e, tag)
                if p < 0:
                    return BAD_TAG
    # A level takes at least four bytes, so that short values cannot be too deep. Other damage to a value that nobody
    # reads is not our affair.
    if value_end - value > 2 * walk.max_depth and is_too_deep(b, value, value_end, walk.max_depth):
        return TOO_DEEP
    word = find_key(program, message, b, key, key_length)
    if word < 0 or walk.words[row + word] != 0:
        return OK
    walk.words[row + word] = 8
    if value < 0:
        return OK
    if values == 1:
        return read_value(walk, value, value_end, row + word)
    return read_values(walk, begin, e, row + word)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def read_values(walk: Walk, p: cython.Py_ssize_t, e: cython.Py_ssize_t, cell: cython.Py_ssize_t) -> cython.int:
    """Merge every value of a KeyValue that has several, which no encoder writes. It has been walked before."""
    b: cython.p_uchar = walk.payload
    tag: cython.ulonglong
    length: cython.Py_ssize_t
    why: cython.int
    while p < e:
        p, tag = read_varint(b, p, e)
        if tag == 0x12:
            p, length = read_length(b, p, e)
            why = read_value(walk, p, p + length, cell)
            if why != OK:
                return why
            p += length
        else:
            p = skip_field(b, p, e, tag)
    return OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def plainly_unwanted(
    program: Program, walk: Walk, message: cython.int, p: cython.Py_ssize_t, length: cython.Py_ssize_t
) -> cython.bint:
    """Whether a KeyValue of the usual form is too short to be nested too deeply and has a key of a length that nobody
    wants. That is most attributes, for which a call would cost more than the look.
    """
    b: cython.p_uchar = walk.payload
    key_length: cython.Py_ssize_t
    bit: cython.ulonglong = 1
    if length < 4 or length > 62 or length > 2 * walk.max_depth or b[p] != 0x0A:
        return False
    key_length = b[p + 1]
    if key_length > length - 4 or b[p + 2 + key_length] != 0x12 or b[p + 3 + key_length] != length - key_length - 4:
        return False
    return ((program.key_lengths[message] >> key_length) & bit) == 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def new_row(program: Program, walk: Walk, level: cython.int, parent: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Index of the first word of a new, empty row of ``level``; -1 where there is no room for it."""
    width: cython.Py_ssize_t = program.levels[level * 2]
    number: cython.Py_ssize_t = walk.tables[level * 3 + 2]
    row: cython.Py_ssize_t
    j: cython.Py_ssize_t
    if number == walk.tables[level * 3 + 1]:
        return -1
    walk.tables[level * 3 + 2] = number + 1
    row = walk.tables[level * 3] + number * width
    for j in range(width):
        walk.words[row + j] = 0
    walk.words[row] = parent
    return row


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def choose(
    program: Program,
    walk: Walk,
    row: cython.Py_ssize_t,
    number: cython.Py_ssize_t,
    word: cython.int,
    choice: cython.int,
    where: cython.ulonglong,
) -> cython.void:
    """Note a member of a oneof of messages. One of another kind takes the place of what came before, whose rows, the
    last of their tables, and words are taken back. No encoder writes that.
    """
    level: cython.int
    above: cython.int
    last: cython.Py_ssize_t
    least: cython.Py_ssize_t
    chosen: cython.ulonglong = choice
    repeated: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    if walk.words[row + word] == chosen:
        walk.words[row + word + 1] = repeated
        return
    if walk.words[row + word] != 0:
        for level in range(program.choice_level + 1, program.level_count):
            above = program.levels[level * 2 + 1]
            least = number if above == program.choice_level else walk.tables[above * 3 + 2]
            last = walk.tables[level * 3 + 2] - 1
            while (
                last >= 0
                and cython.cast(
                    cython.Py_ssize_t, walk.words[walk.tables[level * 3] + last * program.levels[level * 2]]
                )
                >= least
            ):
                last -= 1
            walk.tables[level * 3 + 2] = last + 1
        for level in range(program.choice_word, program.levels[program.choice_level * 2]):
            walk.words[row + level] = 0
    walk.words[row + word] = chosen
    walk.words[row + word + 1] = where


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def extend(walk: Walk, cell: cython.Py_ssize_t, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.void:
    """Take ``begin:end`` into the range at ``cell``; ``REPEATED`` where it does not follow on what is there."""
    where: cython.ulonglong = begin
    size: cython.ulonglong = end - begin
    old: cython.ulonglong = walk.words[cell]
    low32: cython.ulonglong = 0xFFFFFFFF
    repeated: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    if old == 0:
        walk.words[cell] = (where << 32) | size
    elif (old >> 32) + (old & low32) == where:
        walk.words[cell] = old + size
    else:
        walk.words[cell] = repeated


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def note_id_length(walk: Walk, row: cython.Py_ssize_t, defect: cython.int, fits: cython.bint) -> cython.void:
    """Raise or clear the defect bit of an id: where it comes more than once, the last one counts."""
    bit: cython.ulonglong = defect
    walk.words[row + 2] |= bit
    if fits:
        walk.words[row + 2] ^= bit


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def note_zero_ids(program: Program, walk: Walk, row: cython.Py_ssize_t) -> cython.void:
    """Raise the defect bits of required ids that are absent or all zero, and count rows with any defect."""
    i: cython.int
    at: cython.Py_ssize_t
    for i in range(program.id_count):
        at = row + program.ids[i * 3]
        if walk.words[at] == 0 and (program.ids[i * 3 + 1] == 1 or walk.words[at + 1] == 0):
            walk.words[row + 2] |= cython.cast(cython.ulonglong, program.ids[i * 3 + 2])
    if walk.words[row + 2] & 0xFF:
        walk.defects += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def fail(walk: Walk, why: cython.int, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Note the innermost reason and place; -1."""
    if walk.failure == OK:
        walk.failure = why
        walk.failed_at = at
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def walk_message(
    program: Program,
    walk: Walk,
    message: cython.int,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    parent: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Carry out the program of ``message`` on ``payload[p:e]``.

    Args:
        row: Index of the first word of the row that fields are written to.
        parent: Number of that row in its table: what rows below it name as their parent.
    Returns:
        ``e``, or -1 with ``walk.failure`` set.
    """
    b: cython.p_uchar = walk.payload
    actions: cython.p_int = program.actions
    tag: cython.ulonglong
    value: cython.ulonglong
    field: cython.ulonglong
    where: cython.ulonglong
    begin: cython.Py_ssize_t
    length: cython.Py_ssize_t
    child: cython.Py_ssize_t
    number: cython.Py_ssize_t
    at: cython.Py_ssize_t
    wire_type: cython.int
    op: cython.int
    word: cython.int
    argument: cython.int
    why: cython.int
    low32: cython.ulonglong = 0xFFFFFFFF
    while p < e:
        begin = p
        tag = b[p]
        p += 1
        if tag >= 0x80:
            p, tag = read_varint(b, begin, e)
            if p < 0:
                return fail(walk, TRUNCATED, begin)
            if tag >> 32:
                return fail(walk, BAD_TAG, begin)
        field = tag >> 3
        if field == 0:
            return fail(walk, BAD_TAG, begin)
        wire_type = tag & 7
        if field < FIELDS:
            at = (message * FIELDS + cython.cast(cython.Py_ssize_t, field)) * 3
            op = actions[at]
            word = actions[at + 1]
            argument = actions[at + 2]
        else:
            op = OP_SKIP
            word = 0
            argument = 0
        if wire_type == 2:
            if p < e and b[p] < 0x80:
                length = b[p]
                p += 1
                if e - p < length:
                    return fail(walk, TRUNCATED, begin)
            else:
                p, length = read_length(b, p, e)
                if p < 0:
                    return fail(walk, TRUNCATED, begin)
            if op == OP_ATTRIBUTE:
                walk.children += 1
                if not plainly_unwanted(program, walk, message, p, length):
                    why = read_attribute(program, walk, message, p, p + length, row)
                    if why != OK:
                        return fail(walk, why, begin)
                # Attributes follow one another: the next ones that nobody wants are passed over here.
                p += length
                length = 0
                while (
                    e - p >= 2
                    and b[p] == tag
                    and e - p - 2 >= b[p + 1]
                    and plainly_unwanted(program, walk, message, p + 2, b[p + 1])
                ):
                    walk.children += 1
                    p += 2 + b[p + 1]
                if walk.children > walk.max_children:
                    return fail(walk, TOO_MANY_CHILDREN, begin)
                if argument:
                    extend(walk, row + argument, begin, p)
            elif op == OP_ID8:
                value = 0
                if length == 8:
                    value = load(b, p)
                walk.words[row + word] = value
                note_id_length(walk, row, argument, length == 8 or length == 0)
            elif op == OP_ID16:
                value = 0
                where = 0
                if length == 16:
                    value = load(b, p)
                    where = load(b, p + 8)
                walk.words[row + word] = value
                walk.words[row + word + 1] = where
                note_id_length(walk, row, argument, length == 16 or length == 0)
            elif op == OP_STRING or op == OP_BYTES:
                if op == OP_STRING and not is_utf8(b, p, p + length):
                    return fail(walk, BAD_UTF8, p)
                where = p
                walk.words[row + word] = (where << 32) | cython.cast(cython.ulonglong, length)
            elif op == OP_MESSAGE or op == OP_RAW:
                if op == OP_RAW:
                    where = p
                    value = 0xFFFFFFFFFFFFFFFF
                    if walk.words[row + word] == 0:
                        value = (where << 32) | cython.cast(cython.ulonglong, length)
                    walk.words[row + word] = value
                if argument >= 0 and walk_message(program, walk, argument, p, p + length, row, parent) < 0:
                    return -1
            elif op == OP_ROWS:
                number = walk.tables[argument * 3 + 2]
                if number >= walk.max_rows:
                    return fail(walk, TOO_MANY_ROWS, begin)
                child = new_row(program, walk, argument, parent)
                if child < 0:
                    return fail(walk, FULL, begin)
                where = p
                walk.words[child + 1] = (where << 32) | cython.cast(cython.ulonglong, length)
                where = p - begin
                walk.words[child + 2] = where << 8
                if walk_message(program, walk, word, p, p + length, child, number) < 0:
                    return -1
                if argument == 2 and program.id_count:
                    note_zero_ids(program, walk, child)
            elif op == OP_COUNT:
                walk.children += 1
                if walk.children > walk.max_children:
                    return fail(walk, TOO_MANY_CHILDREN, begin)
            elif op == OP_PACKED:
                if not packed_ok(b, p, p + length, argument):
                    return fail(walk, TRUNCATED, begin)
                where = p
                value = 0xFFFFFFFFFFFFFFFF
                if walk.words[row + word] == 0:
                    value = (where << 32) | cython.cast(cython.ulonglong, length)
                walk.words[row + word] = value
            elif op == OP_CHOICE:
                where = begin
                value = (where << 32) | cython.cast(cython.ulonglong, p + length - begin)
                choose(program, walk, row, parent, word, argument & 0xFF, value)
                if walk_message(program, walk, argument >> 8, p, p + length, row, parent) < 0:
                    return -1
            elif op == OP_VALUE:
                if length > 2 * walk.max_depth and is_too_deep(b, p, p + length, walk.max_depth):
                    return fail(walk, TOO_DEEP, begin)
                if word:
                    if walk.words[row + word] == 0:
                        walk.words[row + word] = 8
                    why = read_value(walk, p, p + length, row + word)
                    if why != OK:
                        return fail(walk, why, begin)
            p += length
        elif wire_type == 0:
            p, value = read_varint(b, p, e)
            if p < 0:
                return fail(walk, TRUNCATED, begin)
            if op == OP_VARINT:
                walk.words[row + word] = value & low32 if argument else value
            elif op == OP_ZIGZAG:
                value &= low32
                where = 0
                if value & 1:
                    where = 0xFFFFFFFFFFFFFFFF
                walk.words[row + word] = (value >> 1) ^ where
            elif op == OP_PACKED and argument == 1:
                value = 0xFFFFFFFFFFFFFFFF
                walk.words[row + word] = value
        elif wire_type == 1:
            if e - p < 8:
                return fail(walk, TRUNCATED, begin)
            if op == OP_FIXED64:
                walk.words[row + word] = load(b, p)
            elif op == OP_NUMBER:
                walk.words[row + word] = argument
                walk.words[row + word + 1] = load(b, p)
            elif op == OP_PACKED and argument == 8:
                value = 0xFFFFFFFFFFFFFFFF
                walk.words[row + word] = value
            p += 8
        elif wire_type == 5:
            if e - p < 4:
                return fail(walk, TRUNCATED, begin)
            if op == OP_FIXED32:
                value = b[p]
                where = b[p + 1]
                value |= where << 8
                where = b[p + 2]
                value |= where << 16
                where = b[p + 3]
                walk.words[row + word] = value | (where << 24)
            p += 4
        else:
            return fail(walk, BAD_TAG, begin)
    return p


@cython.ccall
def run(
    program: Program,
    payload: bytes,
    words: object,
    tables: object,
    max_rows: cython.Py_ssize_t,
    max_children: cython.Py_ssize_t,
    max_depth: cython.int,
) -> tuple:
    """Carry out ``program`` on ``payload``, the GIL released.

    Args:
        payload: Message 0 of the program.
        words: uint64 array to write to.
        tables: int64[levels * 3]; per level the index of its first word in ``words``, the rows that fit there, and (in
            and out) the rows that are there.
        max_rows: Rows of a level beyond which the walk stops.
        max_children: Attributes, events and links likewise.
        max_depth: Levels of arrays and key-value lists in an attribute likewise.
    Returns:
        (code as in ``REASONS``, offset where it stopped, rows with a defect).
    """
    walk: Walk = Walk()
    size: cython.Py_ssize_t = len(payload)
    walk.children = 0
    walk.max_rows = max_rows
    walk.max_children = max_children
    walk.max_depth = max_depth
    walk.defects = 0
    walk.failure = OK
    walk.failed_at = 0
    if cython.compiled:
        out: cython.ulonglong[::1] = words
        tables_view: cython.longlong[::1] = tables
        walk.words = cython.address(out[0])
        walk.tables = cython.address(tables_view[0])
        walk.payload = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
        with cython.nogil:
            walk_message(program, walk, 0, 0, size, 0, 0)
    else:
        walk.words = memoryview(words)
        walk.tables = memoryview(tables)
        walk.payload = payload
        walk_message(program, walk, 0, 0, size, 0, 0)
    return walk.failure, walk.failed_at, walk.defects
