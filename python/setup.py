"""Copies the built operator libraries into the package, so that an installed copy stands alone."""

import os
import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

NAMES = ("libnala_ops.so", "libnala_cuda.so")


def built_libraries():
    """libnala_ops.so, and libnala_cuda.so where it was built."""
    named = os.environ.get("NALA_OPS_LIBRARY")
    release = pathlib.Path(__file__).resolve().parents[1] / "build" / "release"
    operators = pathlib.Path(named) if named else release / NAMES[0]
    if not operators.is_file():
        raise FileNotFoundError(f"{operators}: not built yet; run scripts/build.sh, or name the "
                                "library by NALA_OPS_LIBRARY")
    return [path for path in (operators.with_name(name) for name in NAMES) if path.is_file()]


class BuildWithLibraries(build_py):
    """build_py that adds the libraries, except to an editable install, which finds the clone's."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return
        for library in built_libraries():
            shutil.copy2(library, pathlib.Path(self.build_lib) / "nalaformer" / library.name)


setup(cmdclass={"build_py": BuildWithLibraries})
