/* SPDX-License-Identifier: MIT */
/* Sampling: loops of ioctls whose times are taken in C. For CFFI's cdef and for C alike, so declarations only.
 *
 * Times are CLOCK_MONOTONIC_RAW, in nanoseconds; bounds of waits are CLOCK_MONOTONIC, as the kernel's are. */

#define SAMPLING_ARGUMENT 64 /* bytes of the longest argument: GEM_VA's */

/* The calls that a run is made of; in this order for one sample. */
enum sampling_stage {
	SAMPLING_FORGET, /* the fences of the sample before */
	SAMPLING_LOAD,
	SAMPLING_OPERATION,
	SAMPLING_VICTIM,
	SAMPLING_WAIT_UPDATE,
	SAMPLING_WAIT_VICTIM,
	SAMPLING_WAIT_LOAD,
	SAMPLING_RESTORE,
	SAMPLING_WAIT_RESTORE,
};

/* When the load was in flight. */
#define SAMPLING_LOAD_AT_START 1 /* right before the operation */
#define SAMPLING_LOAD_AT_END 2	 /* right after both fences had been seen signalled */

/* One ioctl. The kernel gets a copy of the argument, so that the next one finds it as it was (CS answers in place). */
struct sampling_call {
	unsigned long request; /* 0: no call */
	const void *argument;
	uint32_t size; /* of the argument, at most SAMPLING_ARGUMENT bytes */
};

/* What one sample consists of. Fences are binary syncobjs of the descriptor's file. */
struct sampling_plan {
	int fd;
	uint32_t load_jobs;		/* how often the load is submitted before each operation */
	struct sampling_call load;	/* a submission that signals load_fence */
	struct sampling_call operation; /* a GEM_VA that signals update_fence: what is measured */
	struct sampling_call victim;	/* an unrelated submission right after it, which signals victim_fence */
	struct sampling_call restore;	/* afterwards, when all is idle: a GEM_VA that signals restore_fence */
	uint32_t load_fence;
	uint32_t update_fence;
	uint32_t victim_fence;
	uint32_t restore_fence;
	uint64_t timeout_ns; /* bound of each wait */
};

/* One array element per sample; times since the operation's ioctl was entered. */
struct sampling_samples {
	int64_t *ioctl_ns;  /* the ioctl returned */
	int64_t *fence_ns;  /* the update fence was seen signalled */
	int64_t *victim_ns; /* the victim's fence was; 0 without victim */
	uint8_t *load;	    /* SAMPLING_LOAD_* */
};

/* Calls at a rate, each waited for before the next. */
struct sampling_beat {
	int fd;
	const struct sampling_call *calls; /* taken in turn */
	uint32_t call_count;
	uint32_t fence;	     /* signalled by each of them */
	uint64_t period_ns;  /* from start to start; 0, or a call that takes longer: the next begins at once */
	uint64_t timeout_ns; /* bound of each wait */
};

/* How a run ended: 0, or the errno of the call that ended it. */
struct sampling_outcome {
	uint32_t valid; /* samples taken */
	int stage;	/* SAMPLING_*: which call it was */
	int error;
};

/* Take count samples; returns the outcome's error. */
int sampling_run(const struct sampling_plan *plan, uint32_t count, const struct sampling_samples *samples,
		 struct sampling_outcome *outcome);

/* Make up to count calls, until *stop is not 0; start and end are absolute times. Returns the outcome's error. */
int sampling_repeat(const struct sampling_beat *beat, uint32_t count, const int *stop, int64_t *start_ns,
		    int64_t *end_ns, struct sampling_outcome *outcome);

/* The clock that all times here are read from. */
int64_t sampling_clock(void);
