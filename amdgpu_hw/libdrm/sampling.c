/* SPDX-License-Identifier: MIT */
/* See sampling.h. Between the first and the last clock read of a sample there is nothing but its ioctls: no
 * allocation, no output, no Python. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <xf86drm.h>

#include "sampling.h"

#define NS_PER_S 1000000000

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t sampling_clock(void)
{
	return clock_ns(CLOCK_MONOTONIC_RAW);
}

static int64_t deadline_after(uint64_t timeout_ns)
{
	return clock_ns(CLOCK_MONOTONIC) + (int64_t)timeout_ns;
}

/* Returns 0 or an errno, as everything below does. */
static int make_call(int fd, const struct sampling_call *call)
{
	uint64_t argument[SAMPLING_ARGUMENT / sizeof(uint64_t)];

	memcpy(argument, call->argument, call->size);
	return drmIoctl(fd, call->request, argument) ? errno : 0;
}

static int wait_one(int fd, uint32_t fence, int64_t deadline)
{
	return -drmSyncobjWait(fd, &fence, 1, deadline, 0, NULL);
}

/* Whether a fence is unsignalled. */
static int poll_pending(int fd, uint32_t fence, uint8_t bit, uint8_t *pending)
{
	int error = wait_one(fd, fence, 0);

	if (error == ETIME) {
		*pending |= bit;
		return 0;
	}
	return error;
}

/* Wait for the operation's and the victim's fence, noting when each was seen, in whichever order they come. */
static int wait_both(const struct sampling_plan *plan, int64_t start, int64_t deadline, int64_t *fence_ns,
		     int64_t *victim_ns, int *stage)
{
	uint32_t fences[2] = { plan->update_fence, plan->victim_fence };
	int64_t *seen[2] = { fence_ns, victim_ns };
	uint32_t first = 0;
	int error;

	*stage = SAMPLING_WAIT_UPDATE;
	error = -drmSyncobjWait(plan->fd, fences, plan->victim.request ? 2 : 1, deadline, 0, &first);
	if (error)
		return error;
	*seen[first] = sampling_clock() - start;
	if (!plan->victim.request)
		return 0;
	*stage = first ? SAMPLING_WAIT_UPDATE : SAMPLING_WAIT_VICTIM;
	error = wait_one(plan->fd, fences[1 - first], deadline);
	*seen[1 - first] = sampling_clock() - start;
	return error;
}

/* What a kernel that leaves an out-syncobj alone would leave in it is the fence of the sample before. */
static int forget_fences(const struct sampling_plan *plan)
{
	uint32_t fences[2] = { plan->update_fence, plan->victim_fence };

	return drmSyncobjReset(plan->fd, fences, plan->victim.request ? 2 : 1) ? errno : 0;
}

static int measure(const struct sampling_plan *plan, uint32_t at, const struct sampling_samples *samples, int *stage)
{
	int64_t start, returned, deadline, fence_ns = 0, victim_ns = 0;
	uint8_t load = 0;
	int error;

	*stage = SAMPLING_LOAD;
	for (uint32_t job = 0; job < plan->load_jobs; job++) {
		error = make_call(plan->fd, &plan->load);
		if (error)
			return error;
	}
	if (plan->load_jobs) {
		error = poll_pending(plan->fd, plan->load_fence, SAMPLING_LOAD_AT_START, &load);
		if (error)
			return error;
	}

	*stage = SAMPLING_OPERATION;
	deadline = deadline_after(plan->timeout_ns);
	start = sampling_clock();
	error = make_call(plan->fd, &plan->operation);
	returned = sampling_clock();
	if (error)
		return error;
	if (plan->victim.request) {
		*stage = SAMPLING_VICTIM;
		error = make_call(plan->fd, &plan->victim);
		if (error)
			return error;
	}
	error = wait_both(plan, start, deadline, &fence_ns, &victim_ns, stage);
	if (error)
		return error;

	if (plan->load_jobs) {
		*stage = SAMPLING_WAIT_LOAD;
		error = poll_pending(plan->fd, plan->load_fence, SAMPLING_LOAD_AT_END, &load);
		if (error)
			return error;
	}
	samples->ioctl_ns[at] = returned - start;
	samples->fence_ns[at] = fence_ns;
	samples->victim_ns[at] = victim_ns;
	samples->load[at] = load;
	return 0;
}

/* Wait until the load is over, and put the mapping back. */
static int settle(const struct sampling_plan *plan, int *stage)
{
	int error;

	if (plan->load_jobs) {
		*stage = SAMPLING_WAIT_LOAD;
		error = wait_one(plan->fd, plan->load_fence, deadline_after(plan->timeout_ns));
		if (error)
			return error;
	}
	if (!plan->restore.request)
		return 0;
	*stage = SAMPLING_RESTORE;
	error = make_call(plan->fd, &plan->restore);
	if (error)
		return error;
	*stage = SAMPLING_WAIT_RESTORE;
	return wait_one(plan->fd, plan->restore_fence, deadline_after(plan->timeout_ns));
}

int sampling_run(const struct sampling_plan *plan, uint32_t count, const struct sampling_samples *samples,
		 struct sampling_outcome *outcome)
{
	outcome->valid = 0;
	outcome->error = 0;
	while (outcome->valid < count && !outcome->error) {
		outcome->stage = SAMPLING_FORGET;
		outcome->error = forget_fences(plan);
		if (!outcome->error)
			outcome->error = measure(plan, outcome->valid, samples, &outcome->stage);
		if (!outcome->error) {
			outcome->valid++; /* whatever settling comes to */
			outcome->error = settle(plan, &outcome->stage);
		}
	}
	return outcome->error;
}

static void sleep_until(int64_t monotonic_ns)
{
	struct timespec until = { .tv_sec = monotonic_ns / NS_PER_S, .tv_nsec = monotonic_ns % NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

int sampling_repeat(const struct sampling_beat *beat, uint32_t count, const int *stop, int64_t *start_ns,
		    int64_t *end_ns, struct sampling_outcome *outcome)
{
	int64_t next = clock_ns(CLOCK_MONOTONIC);

	outcome->valid = 0;
	outcome->error = 0;
	while (outcome->valid < count && !__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		uint32_t at = outcome->valid;
		int64_t now;

		outcome->stage = SAMPLING_OPERATION;
		start_ns[at] = sampling_clock();
		outcome->error = make_call(beat->fd, &beat->calls[at % beat->call_count]);
		if (!outcome->error) {
			outcome->stage = SAMPLING_WAIT_UPDATE;
			outcome->error = wait_one(beat->fd, beat->fence, deadline_after(beat->timeout_ns));
		}
		end_ns[at] = sampling_clock();
		if (outcome->error)
			break;
		outcome->valid++;

		next += (int64_t)beat->period_ns;
		now = clock_ns(CLOCK_MONOTONIC);
		if (next > now)
			sleep_until(next);
		else
			next = now;
	}
	return outcome->error;
}
