/* SPDX-License-Identifier: MIT */
/*
 * preload.h - what the parts of the preload library share: entry points (preload.c, stat.c, fdinfo.c,
 * exec.c), paths (path.c), channels (channel.c) and calls (call.c).
 */
#ifndef AMDGPU_HW_MOCK_PRELOAD_H
#define AMDGPU_HW_MOCK_PRELOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../transport/wire.h"

/* ---- channel.c ---- */

extern const struct wire_board *board;
extern bool preload_started;

void start_preload(void);

/* Whether this process is on a mock machine; if not, every entry point goes straight on to the next library. */
static inline bool on_machine(void)
{
	/* Constructors of libraries run before ours, and may open devices. */
	if (!preload_started)
		start_preload();
	return board != NULL;
}

/* close() of the host kernel. */
void raw_close(int fd);

/* Whether the descriptor is one of the channels', which the program must not see. */
bool is_channel_fd(int fd);

/* close_range() of the host kernel that spares the channels. */
int close_around_channels(unsigned int first, unsigned int last, int flags);

/* ---- call.c ---- */

struct call {
	uint32_t op;
	int fd;
	uint64_t ino;
	uint64_t args[4];
	const char *text;	/* goes into the slot's text, or NULL */
	struct wire_stat *stat; /* filled from the reply, or NULL */
	char *name;		/* WIRE_TEXT_SIZE bytes filled from the reply, or NULL */
	void *argument;		/* what an ioctl points to, or NULL */
	uint32_t argument_size; /* bytes of it that the mock kernel will want, as far as one can tell */
	uint32_t answer_room;	/* bytes of it that the mock kernel may change */
	int *received;		/* the descriptor that came with the reply, or NULL */
};

/* Let the mock kernel run a system call; >= 0, or -errno. -ENODEV also when the mock kernel is gone. */
int64_t make_call(const struct call *call);

/* ---- preload.c ---- */

#define EXPORT __attribute__((visibility("default")))

/* The function of that name in the next library; for those that DECLARE_NEXT has a place for. */
#define NEXT(name) ((__typeof__(&name))next_function(&next_##name, #name))
#define DECLARE_NEXT(name) static void *next_##name

void *next_function(void **function, const char *name);

/* Whether the descriptor is one of a mock file; leaves errno alone. *st is filled when it is open at all. */
bool is_mock_file(int fd, struct stat *st);

/* A result of make_call() as a libc function returns it. */
int64_t to_errno(int64_t result);

/* ---- stat.c ---- */

/* What a link of /proc/PID/fd to a mock file's descriptor reads; false for other paths. */
bool read_fd_link(int dirfd, const char *path, char name[WIRE_TEXT_SIZE]);

/* ---- fdinfo.c ---- */

/* Open /proc/PID/fdinfo/N of a mock file's descriptor as open() does; false for other paths. */
bool open_fdinfo(int dirfd, const char *path, int flags, int *fd);

/* ---- path.c ---- */

void find_testbed(void);

#define TESTBED_FILE_SIZE (2 * PATH_MAX)

/*
 * The plain name (PATH_MAX bytes) of what a path leads to, through links, detours, the current or another directory,
 * or a descriptor of the program's; false when that is nothing of this machine's. umockdev goes by the first letters of
 * a path and by its spelling, so it is given this name. Without `follow` a link at the end is what is looked for.
 */
bool find_on_machine(int dirfd, const char *path, bool follow, char *found);

/* Whether the plain name is one of a device node. */
bool is_node(const char *path);

/* The host's file (TESTBED_FILE_SIZE bytes) that stands for a plain name; false when there is none. */
bool testbed_file(const char *path, char *file);

/* Whether a file below /dev is none of the testbed's. */
bool is_foreign_device(const char *path);

/* ---- exec.c ---- */

/* Note what a program needs to be on this machine. */
void keep_environment(void);

#endif
