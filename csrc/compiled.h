/* What the parts of edgeroi._compiled share: the stable interface of CPython 3.11, and buffers of numbers.
 *
 * Nothing here is needed: where no compiler was at hand, numpy reads and counts the same, more slowly. So nothing here decides
 * what a value means or whether it is allowed; that is said once, in Python.
 */
#ifndef EDGEROI_COMPILED_H
#define EDGEROI_COMPILED_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* An array somebody else owns, while it is looked at; `items` is NULL where nothing is borrowed. */
typedef struct {
    void *items;
    Py_buffer view;
} Array;

/* Borrow an array of `n` items of `width` bytes; false with ValueError or BufferError set. Let go of it with `let_go`. */
bool borrow(PyObject *owner, Py_ssize_t n, size_t width, bool to_write, Array *array);
void let_go(Array *array);

/* The number of items of `width` bytes that an object's buffer holds, -1 with an error set. */
Py_ssize_t items_of(PyObject *owner, size_t width);

PyObject *read_lines(PyObject *module, PyObject *args);
PyObject *newlines(PyObject *module, PyObject *text);
PyObject *sums(PyObject *module, PyObject *args);
extern PyType_Spec cells_spec;

#endif
