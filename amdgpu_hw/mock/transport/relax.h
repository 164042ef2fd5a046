/* SPDX-License-Identifier: MIT */
/* relax.h - what both ends of a channel do between two looks at a slot that they poll (wire.h). */
#ifndef AMDGPU_HW_MOCK_RELAX_H
#define AMDGPU_HW_MOCK_RELAX_H

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
