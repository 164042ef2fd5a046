# SPDX-License-Identifier: MIT
"""Building amdgpu.ko: patches apply whole or not at all, and only what changes is compiled again.

The compiler here is a stand-in for make; that a real module is built and loaded is shown by hand (docs/guest.md).
"""

from __future__ import annotations

import email.message
import fcntl
import os
import subprocess
import threading
import time
from pathlib import Path, PurePosixPath

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest import build
from amdgpu_hw.guest.module_build import AMD, UAPI_HEADERS, build_module, tree_source
from amdgpu_hw.guest.patches import apply_patches
from amdgpu_hw.guest.toolchain import BuildRoot, built_tree

RELEASE = "9.9.9-test"

VM = "".join(f"line {number}\n" for number in range(1, 41))

PATCH = """\
From: Somebody <somebody@example.org>
Subject: [PATCH] a mail around it

Text --- with dashes.
---
 drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c | 2 +-

diff --git a/drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c b/drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c
--- a/drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c
+++ b/drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c
@@ -19,3 +19,3 @@
 line 19
-line 20
+line twenty
 line 21
--\x20
2.50
"""

BLANKS_LOST = PATCH.replace("\n line", "\nline")

# Stands in for make: the "module" is all source, and each compiled file is noted.
MAKE = """\
#!/bin/sh
for word; do case $word in M=*) cd "${word#M=}" || exit 1 ;; esac; done
grep -q 'does not compile' *.c && { echo "amdgpu_vm.c:1:1: error: it does not compile"; exit 2; }
for file in *.c; do
    [ "$file.o" -nt "$file" ] || { cp "$file" "$file.o"; echo "CC $file"; }
done
cat *.c.o >amdgpu.ko
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built tree with two source files, a stand-in for make and a cache of its own."""
    monkeypatch.setenv("AMDGPU_HW_CACHE", str(tmp_path / "cache"))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "make").write_text(MAKE)
    (programs / "make").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    tree = tmp_path / "linux"
    source = tree / AMD / "amdgpu"
    source.mkdir(parents=True)
    (source / "Makefile").touch()
    (source / "amdgpu_vm.c").write_text(VM)
    (source / "amdgpu_cs.c").write_text("cs\n")
    (tree / "include/config").mkdir(parents=True)
    (tree / "include/config/kernel.release").write_text(f"{RELEASE}\n")
    (tree / "Module.symvers").touch()
    return tree


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    """A mail with a patch."""
    file = tmp_path / "one.patch"
    file.write_text(PATCH)
    return file


def run(tree: Path, *patches: Path) -> tuple[str, list[str], list[str]]:
    """Build: the module, what was said, what was compiled."""
    said: list[str] = []
    root = built_tree(tree)
    log = tree.parent / "cache/build" / RELEASE / "make.log"
    log.unlink(missing_ok=True)
    module = build_module(root, tree_source(tree), patches, "name", said.append)
    compiled = log.read_text().split("\n")[:-1] if log.is_file() else []
    return module.read_text(), said, compiled


def test_a_patched_module_is_built_from_a_tree_that_stays_as_it_was(tree: Path, patch: Path) -> None:
    """A mail is a patch; which applied is said."""
    module, said, _ = run(tree, patch)
    assert "line twenty\n" in module
    assert said[0] == f"[PATCH] a mail around it ({patch}) applies whole: 1 files, 1 hunks"
    assert (tree / AMD / "amdgpu/amdgpu_vm.c").read_text() == VM
    assert sorted(path.name for path in (tree / AMD / "amdgpu").iterdir()) == ["Makefile", "amdgpu_cs.c", "amdgpu_vm.c"]


def test_only_what_a_patch_touches_is_compiled_again(tree: Path, patch: Path) -> None:
    """And nothing at all for a module that was built before."""
    assert run(tree)[2] == ["CC amdgpu_cs.c", "CC amdgpu_vm.c"]
    assert run(tree, patch)[2] == ["CC amdgpu_vm.c"]
    assert run(tree, patch)[2] == []
    module, _, compiled = run(tree)
    assert (compiled, "line 20\n" in module) == ([], True)


def test_builds_for_one_kernel_wait_for_each_other(tree: Path, patch: Path) -> None:
    """They share a copy of its source; whoever waits says so."""
    lock = tree.parent / "cache/build" / RELEASE / "lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.3, fcntl.flock, [held, fcntl.LOCK_UN]).start()
        before = time.monotonic()
        _, said, compiled = run(tree, patch)
    assert said[0] == f"waiting for another build for {RELEASE} to end"
    assert time.monotonic() - before >= 0.3
    assert compiled


def test_a_patch_that_does_not_apply_is_told_by_file_and_hunk(tree: Path, patch: Path) -> None:
    """Nothing is built then."""
    patch.write_text(PATCH.replace("-line 20", "-line something else"))
    with pytest.raises(
        HarnessError, match=rf"one\.patch does not apply to {RELEASE}: .*amdgpu_vm\.c: hunk 1 \(line 19\)"
    ):
        run(tree, patch)
    assert not (tree.parent / "cache/modules").exists()


def test_a_patch_applies_whole_or_not_at_all(tree: Path, patch: Path) -> None:
    """Its first file would have been changed when the second is refused."""
    other = PATCH[PATCH.index("diff --git") :].replace("amdgpu_vm.c", "amdgpu_cs.c")
    patch.write_text(PATCH + other)
    applied = apply_patches(tree, [patch], lambda _: True)
    assert [bool(each.problem) for each in applied] == [True]
    assert (tree / AMD / "amdgpu/amdgpu_vm.c").read_text() == VM


def test_patches_apply_in_order_and_never_with_fuzz(tree: Path, patch: Path, tmp_path: Path) -> None:
    """The second stands on the first; context that is not there is not guessed."""
    second = tmp_path / "two.patch"
    second.write_text(PATCH.replace("-line 20\n+line twenty", "-line twenty\n+line XX"))
    assert "line XX\n" in run(tree, patch, second)[0]
    second.write_text(PATCH.replace(" line 21", " line that is nowhere"))
    assert apply_patches(tree, [second], lambda _: True)[0].problem


@pytest.mark.parametrize(
    "name", ["mm/memory.c", "include/uapi/drm/amdgpu_drm.h", "drivers/gpu/drm/scheduler/sched_main.c"]
)
def test_a_patch_of_something_else_is_refused(tree: Path, patch: Path, name: str) -> None:
    """It would be left out of amdgpu.ko silently."""
    patch.write_text(PATCH.replace("drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c", name))
    with pytest.raises(HarnessError, match=f"changes {name}, which is no part of amdgpu.ko"):
        run(tree, patch)


def test_a_patch_cannot_leave_the_tree(tree: Path, patch: Path) -> None:
    """Whatever it says."""
    patch.write_text(PATCH.replace("drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c", "drivers/gpu/drm/amd/../../../../../x"))
    applied = apply_patches(tree, [patch], lambda path: path.is_relative_to(PurePosixPath(AMD)))
    assert "no part of amdgpu.ko" in applied[0].problem


def as_mail(text: str, encoding: str) -> bytes:
    """As a mailing list's archive has it."""
    message = email.message.EmailMessage()
    message["Subject"] = "[PATCH] drm/amdgpu: a patch"
    message.set_content(text, cte=encoding)
    return bytes(message)


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
def test_a_mail_is_decoded(tree: Path, patch: Path, encoding: str) -> None:
    """The lists' archives send C with its '=' as =3D, and lines cut in two."""
    long = f"line twenty = {'x' * 100}\n"
    patch.write_bytes(as_mail(PATCH[PATCH.index("diff --git") :].replace("line twenty\n", long), encoding))
    assert long in run(tree, patch)[0]


def test_a_mailbox_is_several_patches_in_order(tree: Path, patch: Path) -> None:
    """As b4 and git format-patch --stdout write it."""
    first = PATCH[PATCH.index("diff --git") :]
    second = first.replace("-line 20\n+line twenty", "-line twenty\n+line XX")
    head = b"From 0123456789abcdef Mon Sep 17 00:00:00 2001\n"
    mails = [as_mail(text, "quoted-printable") for text in (first, second)]
    patch.write_bytes(b"".join(head + mail + b"\n" for mail in mails))
    assert "line XX\n" in run(tree, patch)[0]


@pytest.mark.parametrize(
    ("content", "why"), [("hello\n", "changes nothing"), (None, "cannot be read"), (BLANKS_LOST, "no patch: malformed")]
)
def test_what_is_no_patch_is_told(tree: Path, patch: Path, content: str | None, why: str) -> None:
    """In a sentence. Pages of some archives have lost the blanks at the beginning of lines."""
    patch.unlink() if content is None else patch.write_text(content)
    with pytest.raises(HarnessError, match=why):
        run(tree, patch)


def test_what_the_compiler_says_is_told(tree: Path) -> None:
    """Its errors, and where the log is."""
    (tree / AMD / "amdgpu/amdgpu_vm.c").write_text("does not compile\n")
    with pytest.raises(HarnessError, match=r"the log is .*make\.log:\namdgpu_vm\.c:1:1: error: it does not compile"):
        run(tree)


def test_a_tree_has_to_be_built(tree: Path) -> None:
    """Without its symbols no module can be linked."""
    (tree / "Module.symvers").unlink()
    with pytest.raises(HarnessError, match=r"no Module\.symvers"):
        built_tree(tree)
    (tree / "include/config/kernel.release").unlink()
    with pytest.raises(HarnessError, match="not built, not even prepared"):
        built_tree(tree)
    with pytest.raises(HarnessError, match="is no kernel tree"):
        tree_source(tree / "include")


def test_the_script_prints_the_module_and_how_to_run_it(
    tree: Path, patch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path alone on standard output."""
    assert build.main([f"--linux={tree}", f"--patch={patch}"]) == 0
    told = capsys.readouterr()
    module = Path(told.out.strip())
    assert module.name.startswith(f"amdgpu-{RELEASE}-one-")
    assert f"amdgpu-hw validate --guest {RELEASE} --module {module}" in told.err
    assert build.main([f"--linux={tree}", "--patch=/nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert build.main([f"--linux={tree}", f"--source={tree}"]) == 2
    assert "--source is built for a kernel that set-up fetched" in capsys.readouterr().err


def test_headers_may_be_patched_where_they_are_our_copy(tree: Path, patch: Path, tmp_path: Path) -> None:
    """As with Debian's: the third patch of the series changes the ABI's header."""
    header = "include/uapi/drm/amdgpu_drm.h"
    (tree / "include/uapi/drm").mkdir(parents=True)
    (tree / header).write_text(VM)
    headers = tmp_path / "headers"
    configuration = {
        "include/config/auto.conf": "CONFIG_DRM_AMDGPU=m\nCONFIG_DRM_AMD_DC=y\nCONFIG_HSA_AMD_SVM=y\n",
        "include/generated/autoconf.h": "#define CONFIG_DRM_AMD_DC 1\n#define CONFIG_DRM 1\n",
    }
    for name, content in configuration.items():
        (headers / name).parent.mkdir(parents=True, exist_ok=True)
        (headers / name).write_text(content)
    patch.write_text(PATCH.replace("drivers/gpu/drm/amd/amdgpu/amdgpu_vm.c", header))
    common = tmp_path / "common"
    build_module(
        BuildRoot(headers, common, RELEASE, tmp_path / "bin"),
        tree_source(tree, UAPI_HEADERS),
        [patch],
        "abi",
        lambda _: None,
    )
    assert "line twenty\n" in (common / header).read_text()
    assert (tree / header).read_text() == VM
    assert (headers / "include/config/auto.conf").read_text() == "CONFIG_DRM_AMDGPU=m\n"
    assert (headers / "include/generated/autoconf.h").read_text() == "#define CONFIG_DRM 1\n"


def test_a_driver_of_a_tree_without_its_header_is_no_kernel_tree(tree: Path) -> None:
    """Its own ABI's header is what it is compiled with, not the other kernel's."""
    with pytest.raises(HarnessError, match=r"it has no include/uapi/drm/amdgpu_drm\.h"):
        tree_source(tree, UAPI_HEADERS)


def test_programs_of_another_system_are_started_with_their_own_loader(tmp_path: Path) -> None:
    """A script stands where each was, and argv[0] stays: gcc looks for its parts from there."""
    from amdgpu_hw.guest import toolchain

    for name in ("usr/bin", "usr/lib64", "usr/lib/x86_64-linux-gnu"):
        (tmp_path / name).mkdir(parents=True)
    loader = tmp_path / "usr/lib64/ld-linux-x86-64.so.2"
    loader.write_text('#!/bin/sh\necho "$@"\n')
    loader.chmod(0o755)
    program = tmp_path / "usr/bin/x86_64-linux-gnu-ld"
    program.write_bytes(b"\x7fELF" + bytes(60) + b"/lib64/ld-linux-x86-64.so.2\0")
    program.chmod(0o755)
    toolchain._make_programs_run(tmp_path)
    said = subprocess.run([tmp_path / "usr/bin/ld", "-o", "a b"], capture_output=True, text=True, check=True).stdout
    assert said.split() == [
        *("--argv0", str(tmp_path / "usr/bin/ld"), "--library-path", str(tmp_path / "usr/lib/x86_64-linux-gnu")),
        *(f"{program}.elf", "-o", "a", "b"),
    ]
