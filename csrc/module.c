/* The module edgeroi._compiled; what its functions owe is said in edgeroi/_compiled.pyi. */
#include "compiled.h"

bool borrow(PyObject *owner, Py_ssize_t n, size_t width, bool to_write, Array *array)
{
    array->items = NULL;
    if (PyObject_GetBuffer(owner, &array->view, to_write ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0)
        return false;
    if (array->view.len / (Py_ssize_t)width != n || array->view.len % (Py_ssize_t)width != 0) {
        PyErr_Format(PyExc_ValueError, "an array of %zd bytes does not hold %zd items of %zu", array->view.len, n, width);
        PyBuffer_Release(&array->view);
        return false;
    }
    array->items = array->view.buf;
    return true;
}

void let_go(Array *array)
{
    if (array->items != NULL)
        PyBuffer_Release(&array->view);
    array->items = NULL;
}

Py_ssize_t items_of(PyObject *owner, size_t width)
{
    Py_buffer view;
    if (PyObject_GetBuffer(owner, &view, PyBUF_SIMPLE) < 0)
        return -1;
    Py_ssize_t n = view.len / (Py_ssize_t)width;
    PyBuffer_Release(&view);
    return n;
}

static PyMethodDef functions[] = {
    {"read_lines", read_lines, METH_VARARGS, "Lines of one shape into columns, or None."},
    {"newlines", newlines, METH_O, "How many newlines there are."},
    {"sums", sums, METH_VARARGS, "How many values each group has, and their exact sums."},
    {NULL, NULL, 0, NULL},
};

static int add_types(PyObject *module)
{
    PyObject *cells = PyType_FromModuleAndSpec(module, &cells_spec, NULL);
    if (cells == NULL)
        return -1;
    int status = PyModule_AddType(module, (PyTypeObject *)cells);
    Py_DECREF(cells);
    return status;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_types}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "edgeroi._compiled",
    .m_doc = "Reads lines of one shape and counts requests: what numpy does in many passes, in one.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__compiled(void)
{
    return PyModuleDef_Init(&definition);
}
