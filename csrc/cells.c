/* Counts durations by stratum and bucket, and sums by group; what they mean is said in edgeroi/census.py.
 *
 * A stratum is a group, or a group on a day, in an hour, of a mix: a code that is not negative, -1 for a request that is in none.
 * A cell is a stratum with a bucket of it: the stratum's code, then 21 bits of the bucket's key.
 */
#include "compiled.h"

enum {
    KEY_BITS = 21,
    DROPPED_BITS = 42, /* of a double, to be the key of its bucket: edgeroi/histogram.py */
    STRATUM_BITS = 41,
    HALF_BITS = 26,
    FIRST_CAPACITY = 1 << 8,
    AT_ONCE = 64,
};

#define NS_PER_MS 1e6
#define MOST_WHOLE 0x1p62              /* what is not below is no duration and no amount, and no int64 either */
#define EMPTY INT64_C(-1)

#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)0)
#endif

/* Two numbers by code, in open addressing: at most half of the slots are taken. */
typedef struct {
    int64_t code, first, second;
} Entry;

typedef struct {
    Entry *entries;
    size_t capacity, n;
    int shift; /* how many bits of a hash are too many */
} Table;

/* ``cells``: count and sum of ns; ``ends``: least and most ns of each stratum. */
typedef struct {
    PyObject_HEAD
    int coarser_bits;
    Table cells, ends;
} Cells;

/* ---- tables -------------------------------------------------------------------------------------------------------------------- */

static inline size_t place_of(const Table *table, int64_t code)
{
    return (size_t)((uint64_t)code * UINT64_C(0x9E3779B97F4A7C15) >> table->shift);
}

/* The slot of a code: its own, or the empty one where it belongs. */
static inline Entry *slot_of(const Table *table, int64_t code)
{
    size_t place = place_of(table, code);
    while (table->entries[place].code != code && table->entries[place].code != EMPTY)
        place = (place + 1) & (table->capacity - 1);
    return &table->entries[place];
}

static bool make_table(Table *table, size_t capacity)
{
    *table = (Table){.capacity = capacity, .shift = 64};
    for (size_t left = capacity; left > 1; left /= 2)
        table->shift--;
    if (capacity > PY_SSIZE_T_MAX / sizeof(Entry) || (table->entries = PyMem_Malloc(capacity * sizeof(Entry))) == NULL)
        return PyErr_NoMemory(), false;
    for (size_t place = 0; place < capacity; place++)
        table->entries[place].code = EMPTY;
    return true;
}

static bool grow(Table *table)
{
    Table larger;
    if (!make_table(&larger, table->capacity * 2))
        return false;
    for (size_t place = 0; place < table->capacity; place++)
        if (table->entries[place].code != EMPTY)
            *slot_of(&larger, table->entries[place].code) = table->entries[place];
    larger.n = table->n;
    PyMem_Free(table->entries);
    *table = larger;
    return true;
}

/* The entry of a code, begun with these numbers if there is none; NULL with MemoryError set. Entries move when another is begun. */
static inline Entry *entry_of(Table *table, int64_t code, int64_t first, int64_t second)
{
    Entry *entry = slot_of(table, code);
    if (entry->code == EMPTY) {
        if (table->n >= table->capacity / 2) {
            if (!grow(table))
                return NULL;
            entry = slot_of(table, code);
        }
        *entry = (Entry){code, first, second};
        table->n++;
    }
    return entry;
}

/* ---- durations ----------------------------------------------------------------------------------------------------------------- */

/* A duration on its way to its cell. */
typedef struct {
    int64_t stratum, cell, ns;
} Counted;

/* Where a duration is counted; false with an error set if it is none. */
static inline bool set_counted(Counted *counted, const Cells *cells, int64_t stratum, double ms)
{
    double ns = rint(ms * NS_PER_MS) + 0.0; /* no negative zero, whose bits are no key */
    if (!(ns >= 0 && ns < MOST_WHOLE) || stratum >> STRATUM_BITS > 0)
        return PyErr_SetString(PyExc_ValueError, "no duration, or no stratum"), false;
    int64_t bits;
    memcpy(&bits, &ns, sizeof bits);
    int64_t key = bits >> DROPPED_BITS >> cells->coarser_bits << cells->coarser_bits;
    *counted = (Counted){stratum, stratum << KEY_BITS | key, (int64_t)ns};
    return true;
}

/* Count a duration; false with MemoryError set. */
static inline bool count(Cells *cells, Counted counted)
{
    Entry *cell = entry_of(&cells->cells, counted.cell, 0, 0);
    Entry *ends = entry_of(&cells->ends, counted.stratum, counted.ns, counted.ns);
    if (cell == NULL || ends == NULL)
        return false;
    cell->first++;
    cell->second = (int64_t)((uint64_t)cell->second + (uint64_t)counted.ns);
    ends->first = counted.ns < ends->first ? counted.ns : ends->first;
    ends->second = counted.ns > ends->second ? counted.ns : ends->second;
    return true;
}

/* Count durations, some at a time: while the first are looked up, the memory of the last is fetched. */
static bool count_all(Cells *cells, const int64_t *in, const double *ms, Py_ssize_t n)
{
    Counted some[AT_ONCE];
    for (Py_ssize_t row = 0; row < n;) {
        int taken = 0;
        for (; row < n && taken < AT_ONCE; row++) {
            if (in[row] < 0 || isnan(ms[row]))
                continue;
            if (!set_counted(&some[taken], cells, in[row], ms[row]))
                return false;
            FETCH(&cells->cells.entries[place_of(&cells->cells, some[taken].cell)]);
            taken++;
        }
        for (int place = 0; place < taken; place++)
            if (!count(cells, some[place]))
                return false;
    }
    return true;
}

static PyObject *cells_add(PyObject *self, PyObject *args)
{
    PyObject *in_owner, *ms_owner;
    if (!PyArg_ParseTuple(args, "OO", &in_owner, &ms_owner))
        return NULL;
    Array in = {0}, ms = {0};
    Py_ssize_t n = items_of(in_owner, sizeof(int64_t));
    bool is_added = n >= 0 && borrow(in_owner, n, sizeof(int64_t), false, &in) && borrow(ms_owner, n, sizeof(double), false, &ms) &&
                    count_all((Cells *)self, in.items, ms.items, n);
    let_go(&in);
    let_go(&ms);
    return is_added ? Py_NewRef(Py_None) : NULL;
}

/* One number of each entry as the bytes of an array of int64: those at `offset` in the entry. */
static PyObject *column_of(const Table *table, size_t offset)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(table->n * sizeof(int64_t)));
    if (bytes == NULL)
        return NULL;
    char *to = PyBytes_AsString(bytes);
    for (size_t place = 0; place < table->capacity; place++)
        if (table->entries[place].code != EMPTY) {
            memcpy(to, (const char *)&table->entries[place] + offset, sizeof(int64_t));
            to += sizeof(int64_t);
        }
    return bytes;
}

static PyObject *columns_of(const Table *table)
{
    PyObject *codes = column_of(table, offsetof(Entry, code)), *first = column_of(table, offsetof(Entry, first));
    PyObject *second = column_of(table, offsetof(Entry, second)), *columns = NULL;
    if (codes != NULL && first != NULL && second != NULL)
        columns = PyTuple_Pack(3, codes, first, second);
    Py_XDECREF(codes);
    Py_XDECREF(first);
    Py_XDECREF(second);
    return columns;
}

static PyObject *cells_held(PyObject *self, PyObject *Py_UNUSED(args))
{
    return columns_of(&((Cells *)self)->cells);
}

static PyObject *cells_ends(PyObject *self, PyObject *Py_UNUSED(args))
{
    return columns_of(&((Cells *)self)->ends);
}

static PyObject *cells_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(named))
{
    int coarser_bits;
    if (!PyArg_ParseTuple(args, "i", &coarser_bits))
        return NULL;
    if (coarser_bits < 0 || coarser_bits > KEY_BITS)
        return PyErr_Format(PyExc_ValueError, "a key has %d bits, not %d to drop", KEY_BITS, coarser_bits);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (self == NULL)
        return NULL;
    Cells *cells = (Cells *)self;
    cells->coarser_bits = coarser_bits;
    if (!make_table(&cells->cells, FIRST_CAPACITY) || !make_table(&cells->ends, FIRST_CAPACITY))
        Py_CLEAR(self);
    return self;
}

static void cells_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(((Cells *)self)->cells.entries);
    PyMem_Free(((Cells *)self)->ends.entries);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef cells_methods[] = {
    {"add", cells_add, METH_VARARGS, "Count durations in ms by stratum."},
    {"held", cells_held, METH_NOARGS, "Cells, counts and sums of ns."},
    {"ends", cells_ends, METH_NOARGS, "Strata, least and most ns."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cells_slots[] = {
    {Py_tp_new, cells_new},
    {Py_tp_dealloc, cells_dealloc},
    {Py_tp_methods, cells_methods},
    {Py_tp_doc, "Durations counted by stratum and bucket."},
    {0, NULL},
};

PyType_Spec cells_spec = {
    .name = "edgeroi._compiled.Cells",
    .basicsize = sizeof(Cells),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cells_slots,
};

/* ---- sums ---------------------------------------------------------------------------------------------------------------------- */

/* What is told of each group: how many values, and the sum of their lower bits and of the rest, neither of which can overflow. */
typedef struct {
    int64_t *counts, *low, *high;
    Py_ssize_t n;
} Sums;

static bool sum_all(Sums *sums, const int64_t *groups, const double *values, Py_ssize_t n, double unit)
{
    for (Py_ssize_t row = 0; row < n; row++) {
        if (isnan(values[row]))
            continue;
        double amount = rint(values[row] * unit);
        if (groups[row] < 0 || groups[row] >= sums->n || !(amount > -MOST_WHOLE && amount < MOST_WHOLE))
            return PyErr_SetString(PyExc_ValueError, "no group, or no amount"), false;
        int64_t whole = (int64_t)amount, low = whole & ((INT64_C(1) << HALF_BITS) - 1);
        sums->counts[groups[row]]++;
        sums->low[groups[row]] += low;
        sums->high[groups[row]] += (whole - low) / (INT64_C(1) << HALF_BITS);
    }
    return true;
}

PyObject *sums(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *groups_owner, *values_owner, *told_owner;
    double unit;
    if (!PyArg_ParseTuple(args, "OOdO", &groups_owner, &values_owner, &unit, &told_owner))
        return NULL;
    Array groups = {0}, values = {0}, told = {0};
    Py_ssize_t n = items_of(groups_owner, sizeof(int64_t)), rows = items_of(told_owner, 3 * sizeof(int64_t));
    bool is_summed = n >= 0 && rows >= 0 && borrow(groups_owner, n, sizeof(int64_t), false, &groups) &&
                     borrow(values_owner, n, sizeof(double), false, &values) &&
                     borrow(told_owner, rows, 3 * sizeof(int64_t), true, &told);
    if (is_summed) {
        int64_t *first = told.items;
        is_summed = sum_all(&(Sums){first, first + rows, first + 2 * rows, rows}, groups.items, values.items, n, unit);
    }
    let_go(&groups);
    let_go(&values);
    let_go(&told);
    return is_summed ? Py_NewRef(Py_None) : NULL;
}
