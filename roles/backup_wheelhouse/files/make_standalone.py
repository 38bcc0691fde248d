# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a directory that holds Borg and borgmatic with a Python, its libraries and their loader: it needs a kernel only.

Arguments: a Python with pip, the directory of the wheels, the directory to make, and the requirements. The Python of
this machine is copied, with each shared library that it or a wheel needs. The C library's own loader is started by
name, so that neither the host's C library nor its age matters, and what the programs start finds the host's libraries
as ever: nothing is put into the environment. Such a Python finds its modules by the place of its program (CPython's
getpath: lib/pythonX.Y/os.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
# Modules that neither program can need; some of them need a display, or are half of the library's size.
LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "__pycache__")
START = """#!/bin/sh
here=${0%/*}/..
exec "$here/lib/loader" --library-path "$here/lib" --argv0 "$here/bin/python3" "$here/libexec/python" ARGUMENTS"$@"
"""
# Each program's file is named after it, because it tells that name in its messages.
PROGRAMS = {"borg": "borg.archiver", "borgmatic": "borgmatic.commands.borgmatic"}


def needed_libraries(files: list[Path]) -> dict[str, Path]:
    """Return the shared libraries that these files need, and those that they need in turn, by name."""
    found: dict[str, Path] = {}
    for file in files:
        listed = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
        missing = re.search(r"(\S+) => not found", listed)
        if missing:
            sys.exit(f"{file} needs {missing[1]}, which this machine does not have")
        found.update({Path(path).name: Path(path) for path in re.findall(r"(/\S+) \(0x", listed)})
    return found


def copy_python(target: Path) -> None:
    """Copy this machine's Python: its program, its modules, and the compiled ones among them."""
    (target / "libexec").mkdir(parents=True)
    shutil.copy2(os.path.realpath(sys.executable), target / "libexec/python")
    library = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})
    left_out = shutil.ignore_patterns(*LEFT_OUT, "config-*", "dist-packages", "site-packages", "sitecustomize.py")
    shutil.copytree(library, target / "lib" / VERSION, ignore=left_out, ignore_dangling_symlinks=True)


def install_wheels(pip: str, wheels: str, target: Path, requirements: list[str]) -> None:
    """Install the requirements from these wheels, where a Python finds them, Debian's as well."""
    site = target / "lib" / VERSION / "site-packages"
    argv = [pip, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheels, "--no-compile"]
    subprocess.run([*argv, "--target", str(site), *requirements], check=True)
    shutil.rmtree(site / "bin", ignore_errors=True)
    (target / "lib" / VERSION / "dist-packages").symlink_to("site-packages")


def copy_libraries(target: Path) -> None:
    """Copy the shared libraries and their loader into one directory."""
    compiled = [target / "libexec/python", *(target / "lib").rglob("*.so"), *(target / "lib").rglob("*.so.*")]
    libraries = needed_libraries(compiled)
    for name, path in libraries.items():
        if not path.is_relative_to(target):
            shutil.copyfile(path, target / "lib" / name)
    loader = next(name for name in libraries if name.startswith("ld-linux"))
    (target / "lib" / loader).replace(target / "lib/loader")
    for name in ("lib/loader", "libexec/python"):
        (target / name).chmod(0o755)


def write_programs(target: Path) -> None:
    """Write what starts Python, Borg and borgmatic."""
    (target / "bin").mkdir()
    starts = {"python3": "", "python": "", **{name: f'-I "$here/libexec/{name}" ' for name in PROGRAMS}}
    for name, arguments in starts.items():
        path = target / "bin" / name
        path.write_text(START.replace("ARGUMENTS", arguments))
        path.chmod(0o755)
    for name, module in PROGRAMS.items():
        (target / "libexec" / name).write_text(f"import sys\nfrom {module} import main\nsys.exit(main())\n")


def main(pip: str, wheels: str, directory: str, *requirements: str) -> None:
    """Make the directory, and see each program start from it."""
    target = Path(directory)
    copy_python(target)
    install_wheels(pip, wheels, target, list(requirements))
    copy_libraries(target)
    write_programs(target)
    # Its modules are compiled here, so that nothing is written later; by content, for an archive keeps no exact times.
    compile_all = ["-Im", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(target / "lib" / VERSION)]
    subprocess.run([str(target / "bin/python3"), *compile_all], check=True)
    for name in PROGRAMS:
        subprocess.run([str(target / "bin" / name), "--version"], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(*sys.argv[1:])
