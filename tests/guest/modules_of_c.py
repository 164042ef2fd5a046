# SPDX-License-Identifier: MIT
"""Makes files that look like kernel modules, with the compiler."""

from __future__ import annotations

import subprocess
from pathlib import Path

RELEASE = "9.9.9-test"


def compile_module(path: Path, depends: str = "", release: str = RELEASE) -> Path:
    """An object file with a ``.modinfo`` section, and with sections that only cost time."""
    lines = {f"depends={depends}", f"name={path.name.partition('.')[0]}", f"vermagic={release} SMP mod_unload"}
    told = "".join(f'"{line}\\0"' for line in sorted(lines))
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text(
        f'__attribute__((section(".modinfo"), used)) static const char info[] = {told};\n'
        "int function(void) { return 1; }\n"
        '__attribute__((section("__mcount_loc"), used)) static void *traced = function;\n'
        '__attribute__((section(".BTF"), used)) static const char types[64] = "types";\n'
    )
    subprocess.run(["gcc", "-g", "-c", "-o", path, source], check=True)
    source.unlink()
    return path
