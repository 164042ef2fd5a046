# SPDX-License-Identifier: MIT
"""A program for OpenGL: without a window, print the renderer and let the GPU write timestamps and copy a buffer.

Usage: gl_buffer.py [BYTES]. Prints ``version: NAME``, ``renderer: NAME``, ``timestamps: in order`` and, where BYTES are
to be copied, ``copied: BYTES``; whatever goes wrong is an exception.
Uses the EGL and OpenGL libraries of the system through ctypes, so that it needs neither their headers nor a compiler.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

POINTER, UINT, SIZE = ctypes.c_void_p, ctypes.c_uint, ctypes.c_ssize_t

EGL_PLATFORM_SURFACELESS_MESA = 0x31DD
EGL_OPENGL_API = 0x30A2
GL_RENDERER, GL_VERSION = 0x1F01, 0x1F02
GL_TIMESTAMP, GL_QUERY_RESULT = 0x8E28, 0x8866
GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER = 0x8F36, 0x8F37
GL_STATIC_DRAW = 0x88E4

egl = ctypes.CDLL("libEGL.so.1")


def egl_call(name: str, result: Any, *arguments: tuple[Any, Any]) -> Any:
    """Call an EGL function with (type, value) arguments; a false result is an error."""
    function = getattr(egl, name)
    function.restype, function.argtypes = result, [kind for kind, _ in arguments]
    answer = function(*(value for _, value in arguments))
    if not answer:
        raise OSError(f"{name} failed with {egl.eglGetError():#x}")
    return answer


def gl_function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """An OpenGL function of the current context."""
    return ctypes.CFUNCTYPE(result, *arguments)(
        egl_call("eglGetProcAddress", POINTER, (ctypes.c_char_p, name.encode()))
    )


def make_context() -> None:
    """Make a context current that has no surface."""
    display = egl_call(
        "eglGetPlatformDisplay", POINTER, (UINT, EGL_PLATFORM_SURFACELESS_MESA), (POINTER, None), (POINTER, None)
    )
    egl_call("eglInitialize", UINT, (POINTER, display), (POINTER, None), (POINTER, None))
    egl_call("eglBindAPI", UINT, (UINT, EGL_OPENGL_API))
    context = egl_call(
        "eglCreateContext", POINTER, (POINTER, display), (POINTER, None), (POINTER, None), (POINTER, None)
    )
    egl_call("eglMakeCurrent", UINT, (POINTER, display), (POINTER, None), (POINTER, None), (POINTER, context))


def timestamps(count: int) -> list[int]:
    """What the GPU's clock was when it came past these places of the command stream."""
    queries = (UINT * count)()
    gl_function("glGenQueries", None, ctypes.c_int, POINTER)(count, queries)
    stamp = gl_function("glQueryCounter", None, UINT, UINT)
    for query in queries:
        stamp(query, GL_TIMESTAMP)
    result, read = ctypes.c_uint64(), gl_function("glGetQueryObjectui64v", None, UINT, UINT, POINTER)
    stamps = []
    for query in queries:
        read(query, GL_QUERY_RESULT, ctypes.byref(result))
        stamps.append(result.value)
    return stamps


def copy_buffer(data: bytes) -> bytes:
    """Put data into one buffer, have it copied to another one, and read that."""
    buffers = (UINT * 2)()
    gl_function("glGenBuffers", None, ctypes.c_int, POINTER)(2, buffers)
    bind = gl_function("glBindBuffer", None, UINT, UINT)
    fill = gl_function("glBufferData", None, UINT, SIZE, ctypes.c_char_p, UINT)
    for target, buffer, content in zip(
        (GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER), buffers, (data, bytes(len(data))), strict=True
    ):
        bind(target, buffer)
        fill(target, len(data), content, GL_STATIC_DRAW)
    copy = gl_function("glCopyBufferSubData", None, UINT, UINT, SIZE, SIZE, SIZE)
    copy(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, 0, len(data))
    result = ctypes.create_string_buffer(len(data))
    gl_function("glGetBufferSubData", None, UINT, SIZE, SIZE, POINTER)(GL_COPY_WRITE_BUFFER, 0, len(data), result)
    return result.raw


def main() -> None:
    """Do what the program is for."""
    make_context()
    string = gl_function("glGetString", ctypes.c_char_p, UINT)
    print("version:", string(GL_VERSION).decode())
    print("renderer:", string(GL_RENDERER).decode())
    stamps = timestamps(3)
    if not 0 < stamps[0] <= stamps[1] <= stamps[2]:
        raise SystemExit(f"the timestamps are not in order: {stamps}")
    print("timestamps: in order")
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    data = bytes(index * 7 % 251 for index in range(size))
    if size and copy_buffer(data) != data:
        raise SystemExit("the copy is not what was copied")
    error = gl_function("glGetError", UINT)()
    if error:
        raise SystemExit(f"OpenGL error {error:#x}")
    if size:
        print("copied:", size)


if __name__ == "__main__":
    main()
