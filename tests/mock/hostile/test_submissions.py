# SPDX-License-Identifier: MIT
"""Hostile submissions: chunk arrays that make no sense, and IBs that hold anything."""

import errno
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amdgpu_hw.packets import Engine, codec_for
from amdgpu_hw.packets.layout import Field
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, SDMA

from . import values
from .conftest import examples
from .values import Chunks, IbChunk, Request, Template, u32s, u64s, vas
from .world import ZEROS, World, world

ENGINES = (GFX, COMPUTE, SDMA)

# -- chunks -----------------------------------------------------------------------------------------------------------


def _records(layout: Any, **fields: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    return st.lists(st.builds(layout.pack, **fields), max_size=4).map(b"".join)


_rings = {"ip_type": st.integers(0, 10), "ip_instance": st.integers(0, 1), "ring": st.integers(0, 4)}
_CONTENT: dict[int, st.SearchStrategy[Any]] = {
    drm.AMDGPU_CHUNK_ID_IB: st.one_of(
        st.sampled_from(ENGINES).map(IbChunk),
        st.builds(drm.CS_CHUNK_IB.pack, flags=st.integers(0, 0x7F), va_start=vas, ib_bytes=u32s, **_rings),
    ),
    drm.AMDGPU_CHUNK_ID_FENCE: st.builds(drm.CS_CHUNK_FENCE.pack, handle=values.handles, offset=u32s),
    drm.AMDGPU_CHUNK_ID_DEPENDENCIES: _records(
        drm.CS_CHUNK_DEP, ctx_id=st.integers(0, 3), handle=st.one_of(st.integers(0, 4), u64s), **_rings
    ),
    drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN: _records(drm.CS_CHUNK_SEM, handle=values.handles),
    drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT: _records(drm.CS_CHUNK_SEM, handle=values.handles),
    drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT: _records(
        drm.CS_CHUNK_SYNCOBJ, handle=values.handles, flags=st.integers(0, 7), point=st.one_of(st.integers(0, 9), u64s)
    ),
    drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL: _records(
        drm.CS_CHUNK_SYNCOBJ, handle=values.handles, flags=u32s, point=st.one_of(st.integers(0, 9), u64s)
    ),
    drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW: st.builds(drm.CS_CHUNK_CP_GFX_SHADOW.pack, shadow_va=vas, flags=u64s),
    0x77: st.binary(max_size=32),
}
_CONTENT[drm.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES] = _CONTENT[drm.AMDGPU_CHUNK_ID_DEPENDENCIES]
_CONTENT[drm.AMDGPU_CHUNK_ID_BO_HANDLES] = st.builds(
    lambda number, size: drm.BO_LIST_IN.pack(bo_number=number, bo_info_size=size, bo_info_ptr=ZEROS),
    st.one_of(st.just(0), u32s),
    st.one_of(st.just(8), u32s),
)


@st.composite
def _chunk(draw: st.DrawFn) -> tuple[int, Any, int | None]:
    chunk_id = draw(st.sampled_from((drm.AMDGPU_CHUNK_ID_IB, *sorted(_CONTENT))))
    content = draw(_CONTENT[chunk_id])
    if draw(st.integers(0, 15)) == 0:
        content = draw(st.one_of(st.binary(max_size=40), values.pointers.filter(lambda value: type(value) is int)))
    length = draw(st.one_of(st.none(), u32s)) if draw(st.integers(0, 9)) == 0 else None
    return chunk_id, content, length


@st.composite
def _submission(draw: st.DrawFn) -> Request:
    chunks = (
        *draw(st.lists(_chunk(), max_size=5)),
        (drm.AMDGPU_CHUNK_ID_IB, IbChunk(draw(st.sampled_from(ENGINES))), None),
    )
    number = draw(u32s) if draw(st.integers(0, 15)) == 0 else len(chunks)
    fields: dict[str, values.Value] = {
        "ctx_id": draw(st.sampled_from((1, 1, 1, 1, 2, 0))),
        "bo_list_handle": draw(st.sampled_from((0, 0, 1, 2))),
        "num_chunks": number,
        "chunks": Chunks(chunks),
    }
    ending = draw(st.sampled_from(("interrupt", "kill", "leave")))
    return Request(Template(drm.IOCTL_AMDGPU_CS, values.RENDER, fields), {}, 0, None, values.RENDER, ending)


_OTHERS = values.requests(
    tuple(
        template
        for template in values.TEMPLATES
        if template.ioctl.name.endswith(("GEM_CLOSE", "CTX", "GEM_VA", "SYNCOBJ_WAIT", "SYNCOBJ_SIGNAL", "_INC"))
    )
)


@settings(max_examples=examples(100))
@given(st.lists(st.one_of(_submission(), _submission(), _submission(), _OTHERS), min_size=3, max_size=20))
def test_any_chunks_are_answered(calls: list[Request]) -> None:
    """Submissions with random chunks, between calls that change what they name."""
    with world() as here:
        for call in calls:
            assert 0 <= call.run(here) < 600
            here.expect_sound()


# -- IBs --------------------------------------------------------------------------------------------------------------

_IB_BO, _IB_VA = 1, 0x10_0000
"""The client's area for IBs (amdgpu_client.py)."""


def _field(declared: Field) -> st.SearchStrategy[int]:
    step = 1 << declared.low if declared.address else 1
    near = st.one_of(vas, st.integers(_IB_VA, _IB_VA + 256)) if declared.address else st.integers(0, 3)
    anything = st.integers(declared.bias, declared.maximum)
    return st.one_of(near, near, near, anything).map(
        lambda value: max(declared.bias, min(value, declared.maximum) & -step)
    )


@st.composite
def _packet(draw: st.DrawFn, codec: Any) -> list[int]:
    name = draw(st.sampled_from(codec.names))
    layout = codec.layout(name)
    fields = {declared.name: draw(_field(declared)) for declared in layout.fields if draw(st.booleans())}
    payload = draw(st.lists(u32s, max_size=4)) if layout.payload else []
    try:
        words: list[int] = codec.packet(name, payload, **fields)
    except ValueError:
        return [codec.filler]
    return words


@st.composite
def _ib(draw: st.DrawFn, ip: int, gpu: str) -> list[int]:
    identity = values_of_gpu(gpu)
    codec = codec_for(Engine(ip), identity.gc_version, identity.sdma_version)
    words: list[int] = []
    for part in draw(st.lists(st.one_of(_packet(codec), _packet(codec), st.lists(u32s, max_size=4)), max_size=8)):
        words += part
    return words[:1000]


def values_of_gpu(name: str) -> Any:
    """What a GPU is."""
    from amdgpu_hw.gpu_model.gpus import load_identity

    return load_identity(name)


def _run_ib(here: World, ip: int, words: list[int], times: int) -> None:
    """Put an IB where it can be found by itself, run it, and wait for its end, one way or the other."""
    client = here.client
    ctx = client.new_ctx()
    content = struct.pack(f"<{len(words)}I", *words)
    client.write(_IB_BO, content)
    chunk = drm.CS_CHUNK_IB.pack(va_start=_IB_VA, ib_bytes=len(content), ip_type=ip)
    fields = client.cs_fields([(drm.AMDGPU_CHUNK_ID_IB, chunk)] * times, ctx=ctx)
    argument = client.caller.alloc(drm.CS_IN.pack(**fields))
    # After a reset it is ECANCELED.
    assert here.ioctl(client.fd, drm.IOCTL_AMDGPU_CS.request, argument) in (0, errno.ECANCELED)
    here.expect_sound()


@pytest.mark.parametrize("gpu", ["navi31", "vega10", "polaris10", "mi300x"])
@settings(max_examples=examples(25))
@given(data=st.data())
def test_any_ib_comes_to_an_end(gpu: str, data: st.DataObject) -> None:
    """IBs of random dwords and packets, which chain, call and overwrite themselves: done, or ended by a reset."""
    engines = [ip for ip in ENGINES if ip != GFX or values_of_gpu(gpu).rings.gfx]
    with world(gpu) as here:
        for _ in range(data.draw(st.integers(1, 3))):
            ip = data.draw(st.sampled_from(engines))
            _run_ib(here, ip, data.draw(_ib(ip, gpu)), data.draw(st.integers(1, 3)))
