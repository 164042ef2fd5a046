/* SPDX-License-Identifier: MIT */
/* The ioctls of sampling_run (amdgpu_hw/libdrm/sampling.c) without load, and nothing else: no clock is read, nothing is
 * noted. What sampling costs is the difference. Built and loaded by bench/sampling.py. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <xf86drm.h>

#include "sampling.h"

static int call(int fd, const struct sampling_call *what)
{
	char argument[SAMPLING_ARGUMENT] __attribute__((aligned(8)));

	memcpy(argument, what->argument, what->size);
	return drmIoctl(fd, what->request, argument);
}

int bare_loop(const struct sampling_plan *plan, uint32_t count);
int bare_loop(const struct sampling_plan *plan, uint32_t count)
{
	uint32_t fences[2] = { plan->update_fence, plan->victim_fence };
	uint32_t restored = plan->restore_fence, first;
	struct timespec now;
	int64_t deadline;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = ((int64_t)now.tv_sec + 60) * 1000000000;
	while (count--) {
		if (drmSyncobjReset(plan->fd, fences, 2) || call(plan->fd, &plan->operation) ||
		    call(plan->fd, &plan->victim) || drmSyncobjWait(plan->fd, fences, 2, deadline, 0, &first) ||
		    drmSyncobjWait(plan->fd, &fences[1 - first], 1, deadline, 0, NULL) ||
		    call(plan->fd, &plan->restore) || drmSyncobjWait(plan->fd, &restored, 1, deadline, 0, NULL))
			return errno;
	}
	return 0;
}
