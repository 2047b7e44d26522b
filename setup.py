"""Builds the part in C, where there is a compiler; all else is said in ``pyproject.toml``.

Without one the installation goes on, and numpy does the same. One build serves every Python from 3.11 on.
"""

from setuptools import Extension, setup

COMPILED = Extension(
    "edgeroi._compiled",
    sources=["csrc/module.c", "csrc/lines.c", "csrc/cells.c"],
    depends=["csrc/compiled.h"],
    py_limited_api=True,
    optional=True,
)

setup(ext_modules=[COMPILED], options={"bdist_wheel": {"py_limited_api": "cp311"}})
