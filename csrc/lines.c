/* Lines that are all of one shape, read into columns in one pass.
 *
 * A line is regular if it is, byte for byte from its brace to its newline, the expected keys in their order with a value of the
 * wanted kind behind each. Then it is one JSON object, no key is there twice, and a parser would read just this. Any other line is
 * odd: nothing is said about it but where it ends, and the exact way reads it. So there is nothing to get wrong about a broken line.
 *
 * No read is beyond the text: it ends with a newline, which no key, value or gap holds, so whatever looks at one byte after the other
 * stops there; whatever looks at more asks first how many are left.
 */
#include "compiled.h"

enum {
    MOST_KEYS = 200,
    MOST_WORDS = 64,     /* a column with more different values than this in one piece is looked up record by record */
    WORD_SLOTS = 256,    /* a power of two, mostly empty */
    LONGEST_WORD = 64,
    MOST_DIGITS = 15,    /* a whole number of so many digits is exact in a double, */
    MOST_BEHIND = 15,    /* and so is 10 to this power: their quotation is rounded once, as a parser rounds */
    MOST_BEFORE = 18,    /* more digits before the point, or a larger exponent, might be no finite double */
    LONGEST_NUMBER = 40,
};

#define NS_PER_SECOND INT64_C(1000000000)
#define LAST_NS (INT64_C(7258118400) * NS_PER_SECOND) /* the year 2200, as logs/record.py has it */
#define EACH(byte) ((uint64_t)(byte) * UINT64_C(0x0101010101010101))
#define HIGH_BITS EACH(0x80)

static const double TENS[MOST_BEHIND + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* What a value has to be, and what becomes of it. */
typedef enum {
    UNREAD = 'u',  /* any text, number or literal */
    TEXT = 't',    /* a text or null */
    STATED = 's',  /* a text */
    NUMBER = 'n',  /* a double, NaN for null */
    WORD = 'w',    /* a code for each different text, number or literal */
    INSTANT = 'i', /* ns since 1970 of RFC 3339 text; left as it is for null */
} Kind;

typedef struct {
    const uint8_t *bytes;
    Py_ssize_t length;
} Slice;

/* The different values of one column so far: open addressing, a slot without `length` is empty. */
typedef struct {
    struct {
        Slice word;
        uint64_t hash;
        int32_t code;
    } slots[WORD_SLOTS];
    Slice in_order[MOST_WORDS];
    int32_t n;
} Words;

typedef struct {
    Slice before; /* everything between the value before (or the line's begin) and this value */
    Kind kind;
    Array values; /* double, int32_t or int64_t by the kind, one a line */
    Words *words;
} Column;

/* The hour that the last instant was in, as it is written: the next line's is most often the same. */
typedef struct {
    uint8_t text[13];
    int64_t start_ns;
} Hour;

static const Hour FIRST_HOUR = {"1970-01-01T00", 0};

typedef struct {
    const uint8_t *end;
    Column columns[MOST_KEYS];
    Py_ssize_t n_columns;
    Hour hour;
} Reader;

/* ---- eight bytes at once ------------------------------------------------------------------------------------------------------ */

/* The first byte in the lowest bits, whatever the machine's order; compilers make it one load. */
static inline uint64_t eight_bytes(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 |
           (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

/* The high bit of each byte that is below `limit` (at most 128); above the first of them others may be marked too. */
static inline uint64_t below(uint64_t eight, uint8_t limit)
{
    return (eight - EACH(limit)) & ~eight & HIGH_BITS;
}

static inline uint64_t equal(uint64_t eight, uint8_t byte)
{
    return below(eight ^ EACH(byte), 1);
}

/* Which byte is the first that is marked; one is. */
static inline int first_marked(uint64_t marks)
{
#if defined(__GNUC__)
    return __builtin_ctzll(marks) >> 3;
#else
    int place = 0;
    for (; !(marks & 0x80); marks >>= 8)
        place++;
    return place;
#endif
}

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool begins_with(const uint8_t *at, const uint8_t *end, Slice wanted)
{
    if (end - at < wanted.length)
        return false;
    if (wanted.length < 8)
        return memcmp(at, wanted.bytes, (size_t)wanted.length) == 0;
    for (Py_ssize_t place = 0; place + 8 < wanted.length; place += 8)
        if (eight_bytes(at + place) != eight_bytes(wanted.bytes + place))
            return false;
    return eight_bytes(at + wanted.length - 8) == eight_bytes(wanted.bytes + wanted.length - 8);
}

/* ---- values: each function is given where one begins and tells where it ends, or NULL where it is not of the kind --------------- */

static bool is_utf8(const uint8_t *begin, const uint8_t *end)
{
    PyObject *text = PyUnicode_DecodeUTF8((const char *)begin, end - begin, "strict");
    if (text == NULL)
        PyErr_Clear();
    Py_XDECREF(text);
    return text != NULL;
}

/* A text without escapes and control characters, in UTF-8; `at` is its opening quote. */
static const uint8_t *text_value(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *begin = ++at;
    uint64_t seen = 0, marks = 0;
    for (; end - at >= 8; at += 8) {
        uint64_t eight = eight_bytes(at);
        seen |= eight;
        marks = equal(eight, '"') | equal(eight, '\\') | below(eight, ' ');
        if (marks) {
            at += first_marked(marks);
            break;
        }
    }
    if (!marks)
        for (; *at != '"' && *at != '\\' && *at >= ' '; at++)
            seen |= *at;
    if (*at != '"' || ((seen & HIGH_BITS) && !is_utf8(begin, at)))
        return NULL;
    return at + 1;
}

static const uint8_t *literal(const uint8_t *at, const uint8_t *end, const char *word, Py_ssize_t length)
{
    return end - at >= length && memcmp(at, word, (size_t)length) == 0 ? at + length : NULL;
}

static const uint8_t *null_value(const uint8_t *at, const uint8_t *end)
{
    return literal(at, end, "null", 4);
}

/* The end of [eE][+-]?digits of at most two digits. */
static const uint8_t *exponent(const uint8_t *at)
{
    at++;
    if (*at == '+' || *at == '-')
        at++;
    const uint8_t *digits = at;
    while (is_digit(*at))
        at++;
    return at > digits && at - digits <= 2 ? at : NULL;
}

/* A number that is written another way than most: read by Python's own exact conversion, if anybody wants to know it. */
static const uint8_t *other_number(const uint8_t *begin, double *number)
{
    const uint8_t *at = begin + (*begin == '-');
    const uint8_t *digits = at;
    while (is_digit(*at))
        at++;
    if (at == digits || at - digits > MOST_BEFORE || (*digits == '0' && at - digits > 1))
        return NULL;
    if (*at == '.') {
        const uint8_t *point = at++;
        while (is_digit(*at))
            at++;
        if (at == point + 1)
            return NULL;
    }
    if ((*at | 0x20) == 'e' && (at = exponent(at)) == NULL)
        return NULL;
    if (at - begin > LONGEST_NUMBER)
        return NULL;
    if (number != NULL) {
        char *end;
        *number = PyOS_string_to_double((const char *)begin, &end, NULL);
        if ((const uint8_t *)end != at) {
            PyErr_Clear();
            return NULL;
        }
    }
    return at;
}

/* A number as JSON writes it. Up to 15 digits without sign and exponent are read here, as a whole number over a power of ten. */
static const uint8_t *number_value(const uint8_t *begin, double *number)
{
    const uint8_t *at = begin;
    uint64_t whole = 0;
    for (; is_digit(*at) && at - begin <= MOST_DIGITS; at++)
        whole = whole * 10 + (uint64_t)(*at - '0');
    Py_ssize_t before = at - begin, behind = 0;
    if (*at == '.') {
        const uint8_t *point = ++at;
        for (; is_digit(*at) && at - begin <= MOST_DIGITS + 1; at++)
            whole = whole * 10 + (uint64_t)(*at - '0');
        behind = at - point;
    }
    bool is_plain = before > 0 && (behind > 0 || at - begin == before) && before + behind <= MOST_DIGITS && !is_digit(*at) && (*at | 0x20) != 'e';
    if (!is_plain || (*begin == '0' && before > 1))
        return other_number(begin, number);
    if (number != NULL)
        *number = (double)whole / TENS[behind];
    return at;
}

/* ---- instants ------------------------------------------------------------------------------------------------------------------ */

/* Days from 1970-01-01 to a day of the Gregorian calendar; -1 for a day that is on no calendar, and for one before 1970. */
static int64_t day_since_1970(int year, int month, int day)
{
    static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return -1;
    if (day > before_month[month] - before_month[month - 1] + (leap && month == 2))
        return -1;
    int past = year - 1; /* whole years since the year 1 */
    int64_t years = (int64_t)past * 365 + past / 4 - past / 100 + past / 400 - 719162;
    return years + before_month[month - 1] + (leap && month > 2) + day - 1;
}

/* The number that two digits write; -1 if they are none. */
static inline int two_digits(const uint8_t *at)
{
    return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + (at[1] - '0') : -1;
}

/* Remember the hour of `YYYY-MM-DDThh`; false if it is none. */
static bool set_hour(Hour *hour, const uint8_t *at)
{
    int century = two_digits(at), year = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    int hours = two_digits(at + 11);
    bool is_apart = at[4] == '-' && at[7] == '-' && (at[10] == 'T' || at[10] == 't' || at[10] == ' ');
    if (!is_apart || century < 0 || year < 0 || month < 0 || day < 0 || hours < 0 || hours > 23)
        return false;
    int64_t days = day_since_1970(century * 100 + year, month, day);
    if (days < 0 || century > 22)
        return false;
    hour->start_ns = (days * 24 + hours) * 3600 * NS_PER_SECOND;
    memcpy(hour->text, at, sizeof hour->text);
    return true;
}

/* Up to nine digits of a fraction as ns; further digits are dropped. */
static const uint8_t *fraction(const uint8_t *at, int64_t *ns)
{
    int64_t unit = NS_PER_SECOND;
    const uint8_t *begin = at;
    *ns = 0;
    for (; is_digit(*at); at++)
        if (unit > 1)
            *ns += (*at - '0') * (unit /= 10);
    return at > begin ? at : NULL;
}

/* `Z` or `+01:00`: its minutes east of UTC. */
static const uint8_t *zone(const uint8_t *at, const uint8_t *end, int64_t *minutes)
{
    *minutes = 0;
    if (*at == 'Z' || *at == 'z')
        return at + 1;
    if (end - at < 7 || (*at != '+' && *at != '-'))
        return NULL;
    int hours = two_digits(at + 1), rest = at[3] == ':' ? two_digits(at + 4) : -1;
    if (hours < 0 || hours > 23 || rest < 0 || rest > 59)
        return NULL;
    *minutes = (*at == '-' ? -1 : 1) * (hours * 60 + rest);
    return at + 6;
}

/* RFC 3339 text with its quotes, of 1970 to 2199. */
static const uint8_t *instant_value(Hour *hour, const uint8_t *at, const uint8_t *end, int64_t *instant)
{
    if (end - at < 22 || *at++ != '"') /* the quotes, the seconds and a zone of one letter */
        return NULL;
    if (memcmp(hour->text, at, sizeof hour->text) != 0 && !set_hour(hour, at))
        return NULL;
    int minute = two_digits(at + 14), second = two_digits(at + 17);
    if (at[13] != ':' || at[16] != ':' || minute < 0 || minute > 59 || second < 0 || second > 59)
        return NULL;
    int64_t ns = 0, east;
    at += 19;
    if (*at == '.' && (at = fraction(at + 1, &ns)) == NULL)
        return NULL;
    if ((at = zone(at, end, &east)) == NULL || *at != '"')
        return NULL;
    *instant = hour->start_ns + (minute * 60 + second - east * 60) * NS_PER_SECOND + ns;
    return *instant >= 0 && *instant < LAST_NS ? at + 1 : NULL;
}

/* ---- words --------------------------------------------------------------------------------------------------------------------- */

static inline bool is_bare(uint8_t byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '.' || byte == '+' || byte == '-';
}

static uint64_t hash_of(Slice word)
{
    uint64_t hash = (uint64_t)word.length;
    Py_ssize_t place = 0;
    for (; place + 8 <= word.length; place += 8)
        hash = (hash ^ eight_bytes(word.bytes + place)) * UINT64_C(0x9E3779B97F4A7C15), hash ^= hash >> 29;
    for (; place < word.length; place++)
        hash = (hash ^ word.bytes[place]) * UINT64_C(0xC2B2AE3D27D4EB4F), hash ^= hash >> 29;
    return hash;
}

/* The code of a word, a new one where it is the first of its kind; -1 where there are too many. */
static int32_t code_of(Words *words, Slice word)
{
    uint64_t hash = hash_of(word);
    for (uint64_t place = hash;; place++) {
        Slice *held = &words->slots[place % WORD_SLOTS].word;
        if (held->length == 0) {
            if (words->n == MOST_WORDS)
                return -1;
            *held = words->in_order[words->n] = word;
            words->slots[place % WORD_SLOTS].hash = hash;
            return words->slots[place % WORD_SLOTS].code = words->n++;
        }
        if (words->slots[place % WORD_SLOTS].hash == hash && held->length == word.length &&
            memcmp(held->bytes, word.bytes, (size_t)word.length) == 0)
            return words->slots[place % WORD_SLOTS].code;
    }
}

/* A text or what else stands without white space and brackets; whether it is JSON is asked of each different one later. */
static const uint8_t *word_value(const uint8_t *begin, const uint8_t *end)
{
    if (*begin == '"')
        return text_value(begin, end);
    const uint8_t *at = begin;
    while (is_bare(*at))
        at++;
    return at > begin ? at : NULL;
}

/* ---- lines --------------------------------------------------------------------------------------------------------------------- */

static const uint8_t *any_value(const uint8_t *at, const uint8_t *end)
{
    if (*at == '"')
        return text_value(at, end);
    if (*at == 'n')
        return null_value(at, end);
    if (*at == 't')
        return literal(at, end, "true", 4);
    return *at == 'f' ? literal(at, end, "false", 5) : number_value(at, NULL);
}

/* Read one value into its column. `*is_hopeless` where the whole piece is not for this way. */
static const uint8_t *value(Reader *reader, Column *column, const uint8_t *at, Py_ssize_t row, bool *is_hopeless)
{
    const uint8_t *behind, *end = reader->end;
    switch (column->kind) {
    case TEXT:
        return *at == '"' ? text_value(at, end) : null_value(at, end);
    case STATED:
        return *at == '"' ? text_value(at, end) : NULL;
    case NUMBER:
        return *at == 'n' ? null_value(at, end) : number_value(at, (double *)column->values.items + row);
    case INSTANT:
        return *at == 'n' ? null_value(at, end) : instant_value(&reader->hour, at, end, (int64_t *)column->values.items + row);
    case WORD:
        behind = word_value(at, end);
        if (behind != NULL && behind - at <= LONGEST_WORD) {
            int32_t code = code_of(column->words, (Slice){at, behind - at});
            ((int32_t *)column->values.items)[row] = code < 0 ? 0 : code;
            *is_hopeless |= code < 0;
            return behind;
        }
        return NULL;
    case UNREAD:
        return any_value(at, end);
    }
    return NULL;
}

/* Read one line; where the next begins, or NULL where this one is odd. */
static const uint8_t *line(Reader *reader, const uint8_t *at, Py_ssize_t row, bool *is_hopeless)
{
    for (Py_ssize_t place = 0; place < reader->n_columns; place++) {
        Column *column = &reader->columns[place];
        if (!begins_with(at, reader->end, column->before))
            return NULL;
        at = value(reader, column, at + column->before.length, row, is_hopeless);
        if (at == NULL)
            return NULL;
    }
    return reader->end - at >= 2 && at[0] == '}' && at[1] == '\n' ? at + 2 : NULL;
}

/* Read all lines and mark the odd ones; false where they are not so many, or too many are odd. */
static bool all_lines(Reader *reader, const uint8_t *at, uint8_t *odd, Py_ssize_t lines, Py_ssize_t most_odd)
{
    bool is_hopeless = false;
    for (Py_ssize_t row = 0; row < lines; row++) {
        if (at == reader->end)
            return false;
        const uint8_t *next = line(reader, at, row, &is_hopeless);
        if (next == NULL) {
            if (most_odd-- == 0)
                return false;
            odd[row] = 1;
            next = (const uint8_t *)memchr(at, '\n', (size_t)(reader->end - at)) + 1; /* the last byte is one */
        }
        if (is_hopeless)
            return false;
        at = next;
    }
    return at == reader->end;
}

/* ---- what Python hands in and gets back ---------------------------------------------------------------------------------------- */

static size_t width_of(Kind kind)
{
    return kind == NUMBER ? sizeof(double) : kind == WORD ? sizeof(int32_t) : kind == INSTANT ? sizeof(int64_t) : 0;
}

/* One column of the reader; false with an error set. */
static bool set_column(Column *column, PyObject *before, char kind, PyObject *values, Py_ssize_t lines)
{
    char *bytes;
    column->kind = (Kind)kind;
    if (strchr("utsnwi", kind) == NULL || kind == 0 || PyBytes_AsStringAndSize(before, &bytes, &column->before.length) < 0)
        return PyErr_Occurred() ? false : (PyErr_SetString(PyExc_ValueError, "no such kind of value"), false);
    column->before.bytes = (const uint8_t *)bytes;
    if (memchr(bytes, '\n', (size_t)column->before.length) != NULL)
        return PyErr_SetString(PyExc_ValueError, "a key holds a newline"), false;
    size_t width = width_of(column->kind);
    if ((width != 0) != (values != Py_None))
        return PyErr_SetString(PyExc_ValueError, "a column that is wanted needs an array, and no other"), false;
    if (width != 0 && !borrow(values, lines, width, true, &column->values))
        return false;
    if (column->kind == WORD && (column->words = PyMem_Calloc(1, sizeof(Words))) == NULL)
        return PyErr_NoMemory(), false;
    return true;
}

/* All columns: ``before`` and ``columns`` are tuples as long as ``kinds``; false with an error set. */
static bool set_columns(Reader *reader, PyObject *before, Slice kinds, PyObject *columns, Py_ssize_t lines)
{
    if (PyTuple_Size(before) != kinds.length || PyTuple_Size(columns) != kinds.length || kinds.length > MOST_KEYS)
        return PyErr_Occurred() ? false : (PyErr_SetString(PyExc_ValueError, "not a column for each key, or too many"), false);
    for (; reader->n_columns < kinds.length; reader->n_columns++) {
        Py_ssize_t place = reader->n_columns;
        Column *column = &reader->columns[place];
        if (!set_column(column, PyTuple_GetItem(before, place), (char)kinds.bytes[place], PyTuple_GetItem(columns, place), lines)) {
            reader->n_columns++; /* what of it was borrowed is let go */
            return false;
        }
    }
    return true;
}

/* A list of the different values of each column of words, None for the others. */
static PyObject *words_told(const Reader *reader)
{
    PyObject *told = PyList_New(reader->n_columns);
    for (Py_ssize_t place = 0; told != NULL && place < reader->n_columns; place++) {
        const Words *words = reader->columns[place].words;
        PyObject *list = words == NULL ? Py_NewRef(Py_None) : PyList_New(words->n);
        for (int32_t code = 0; list != NULL && words != NULL && code < words->n; code++) {
            Slice word = words->in_order[code];
            PyObject *bytes = PyBytes_FromStringAndSize((const char *)word.bytes, word.length);
            if (bytes == NULL || PyList_SetItem(list, code, bytes) < 0)
                Py_CLEAR(list);
        }
        if (list == NULL || PyList_SetItem(told, place, list) < 0)
            Py_CLEAR(told);
    }
    return told;
}

/* What is seen of a bytes object, which must be kept as long as it is looked at. */
static Slice slice_of(PyObject *bytes)
{
    return (Slice){(const uint8_t *)PyBytes_AsString(bytes), PyBytes_Size(bytes)};
}

static void free_reader(Reader *reader)
{
    for (Py_ssize_t place = 0; place < reader->n_columns; place++) {
        let_go(&reader->columns[place].values);
        PyMem_Free(reader->columns[place].words);
    }
    PyMem_Free(reader);
}

/* The words told, or None where the text is not of the shape; NULL with an error set. */
static PyObject *read_with(Reader *reader, Slice text, uint8_t *odd, Py_ssize_t lines, Py_ssize_t most_odd)
{
    bool is_whole = text.length > 0 && text.bytes[text.length - 1] == '\n' && reader->n_columns > 0 && most_odd >= 0;
    reader->end = text.bytes + text.length;
    reader->hour = FIRST_HOUR;
    return is_whole && all_lines(reader, text.bytes, odd, lines, most_odd) ? words_told(reader) : Py_NewRef(Py_None);
}

PyObject *read_lines(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *text, *before, *kinds, *columns, *odd_owner, *told = NULL;
    Py_ssize_t most_odd;
    if (!PyArg_ParseTuple(args, "O!O!O!O!On", &PyBytes_Type, &text, &PyTuple_Type, &before, &PyBytes_Type, &kinds, &PyTuple_Type, &columns,
                          &odd_owner, &most_odd))
        return NULL;
    Array odd = {0};
    Py_ssize_t lines = items_of(odd_owner, 1);
    if (lines < 0 || !borrow(odd_owner, lines, 1, true, &odd))
        return NULL;
    Reader *reader = PyMem_Calloc(1, sizeof(Reader));
    if (reader == NULL)
        PyErr_NoMemory();
    else if (set_columns(reader, before, slice_of(kinds), columns, lines))
        told = read_with(reader, slice_of(text), odd.items, lines, most_odd);
    if (reader != NULL)
        free_reader(reader);
    let_go(&odd);
    return told;
}

/* ---- newlines ------------------------------------------------------------------------------------------------------------------ */

/* So many bytes side by side, so often before a count of eight bits could overflow: a loop that compilers turn into wide compares. */
enum { SIDE_BY_SIDE = 64, MOST_ROUNDS = 255 };

static Py_ssize_t newlines_in(Slice text)
{
    Py_ssize_t n = 0, place = 0;
    while (text.length - place >= SIDE_BY_SIDE) {
        uint8_t counts[SIDE_BY_SIDE] = {0};
        for (int round = 0; round < MOST_ROUNDS && text.length - place >= SIDE_BY_SIDE; round++, place += SIDE_BY_SIDE)
            for (int at = 0; at < SIDE_BY_SIDE; at++)
                counts[at] = (uint8_t)(counts[at] + (text.bytes[place + at] == '\n'));
        for (int at = 0; at < SIDE_BY_SIDE; at++)
            n += counts[at];
    }
    for (; place < text.length; place++)
        n += text.bytes[place] == '\n';
    return n;
}

/* Counts lines without reading them; it shares nothing with the reader above, which it is held against. */
PyObject *newlines(PyObject *Py_UNUSED(module), PyObject *text)
{
    if (!PyBytes_Check(text))
        return PyErr_SetString(PyExc_TypeError, "newlines are counted in bytes"), NULL;
    return PyLong_FromSsize_t(newlines_in(slice_of(text)));
}
