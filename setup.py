"""Build the native modules where a C compiler exists; install without them, slowly, where none does.

The modules are ordinary ``.py`` files in Cython's pure Python mode (docs/decisions/0002), so a failed build loses speed
and nothing else. Environment: ``WEIR_SANITIZE=address`` adds sanitizer flags (``make fuzz-asan``);
``WEIR_REQUIRE_NATIVE=1`` makes a failed build an error; ``WEIR_SKIP_NATIVE=1`` leaves the modules to a later
``build_ext`` (the Makefile installs first, then compiles in place).
"""

import os
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.extension import Extension

sys.path.insert(0, str(Path(__file__).parent.resolve()))
from pipeline.native import MODULES  # the list lives with the code that checks it at start

REQUIRED = os.environ.get("WEIR_REQUIRE_NATIVE") == "1"


class OptionalBuildExt(build_ext):
    """Report a missing or failing compiler and go on; use all cores."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:
            self._give_up(error)

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as error:
            self._give_up(error)

    @staticmethod
    def _give_up(error: Exception) -> None:
        if REQUIRED:
            raise error
        print(f"weir: native modules not built, Weir will run slowly: {error}", file=sys.stderr)


def extensions() -> list[Extension]:
    if os.environ.get("WEIR_SKIP_NATIVE") == "1":
        return []
    sanitize = os.environ.get("WEIR_SANITIZE")
    flags = [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer", "-g", "-O1"] if sanitize else ["-O3"]
    flags += ["-ffp-contract=off"]  # fused operations round otherwise than Python, so results would differ
    modules = [
        Extension(
            name,
            [name.replace(".", "/") + ".py"],
            extra_compile_args=[*flags, "-fno-strict-aliasing", "-w"],
            extra_link_args=[f"-fsanitize={sanitize}"] if sanitize else [],
        )
        for name in MODULES
    ]
    try:
        from Cython.Build import cythonize
    except ImportError as error:
        OptionalBuildExt._give_up(error)
        return []
    # A branch for the uncompiled run is unreachable in the compiled one, and the other way round.
    directives = {"language_level": 3, "warn.unreachable": False}
    return cythonize(modules, compiler_directives=directives, quiet=True)


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuildExt})
