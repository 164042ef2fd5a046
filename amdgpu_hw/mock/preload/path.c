/* SPDX-License-Identifier: MIT */
/*
 * path.c - which paths are nodes of the machine.
 */
#define _GNU_SOURCE
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char testbed[PATH_MAX]; /* umockdev's root directory, or "" */

void find_testbed(void)
{
	const char *root = getenv("UMOCKDEV_DIR");

	if (root && strlen(root) < sizeof(testbed))
		strcpy(testbed, root);
}

struct nodes {
	uint32_t length;
	char text[WIRE_NODES_SIZE + 1];
};

static void read_nodes(struct nodes *nodes)
{
	uint32_t seq;

	do {
		seq = atomic_load(&board->nodes_seq);
		nodes->length = board->nodes_length;
		if (nodes->length > sizeof(board->nodes))
			nodes->length = sizeof(board->nodes);
		memcpy(nodes->text, board->nodes, nodes->length);
		nodes->text[nodes->length] = '\0';
		atomic_thread_fence(memory_order_acquire);
	} while (seq & 1 || seq != atomic_load(&board->nodes_seq));
}

bool is_node(const char *path)
{
	struct nodes nodes;

	read_nodes(&nodes);
	for (const char *node = nodes.text; node < nodes.text + nodes.length; node += strlen(node) + 1)
		if (strcmp(node, path) == 0)
			return true;
	return false;
}

/* ---- where a path leads ---- */

#define LINKS_MAX 40 /* as path_lookupat() */

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return length && strncmp(path, directory, length) == 0 && (path[length] == '/' || !path[length]);
}

/* A name of the machine's instead of one of the testbed's files. */
static const char *outside_testbed(const char *path)
{
	return is_below(path, testbed) ? path + strlen(testbed) : path;
}

static bool may_be_mocked(const char *path)
{
	return is_below(path, "/dev") || is_below(path, "/sys") || is_below(path, "/proc");
}

static bool lstat_raw(const char *file, struct stat *st)
{
	return syscall(SYS_newfstatat, AT_FDCWD, file, st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool testbed_file(const char *path, char *file)
{
	struct stat st;

	return testbed[0] && may_be_mocked(path) &&
	       snprintf(file, TESTBED_FILE_SIZE, "%s%s", testbed, path) < TESTBED_FILE_SIZE && lstat_raw(file, &st);
}

/* Where the link at `path` (`file` for the host kernel) points to: a path, as it would be written. */
static bool read_target(const char *file, char target[PATH_MAX])
{
	char name[WIRE_TEXT_SIZE];
	ssize_t length;

	if (read_fd_link(AT_FDCWD, file, name)) {
		strcpy(target, name);
		return *target == '/'; /* others are no paths (simple_dname()) */
	}
	length = syscall(SYS_readlinkat, AT_FDCWD, file, target, PATH_MAX - 1);
	if (length <= 0)
		return false;
	target[length] = '\0';
	memmove(target, outside_testbed(target), strlen(outside_testbed(target)) + 1);
	return true;
}

/*
 * Follow an absolute path as the kernel does (link_path_walk()), on a machine whose /dev, /sys and /proc have the
 * testbed's files before the host's. False when it leads nowhere. Apart from find_on_machine() for the size of its
 * frame: most paths never get here.
 */
static __attribute__((noinline)) bool walk(const char *path, bool follow, char found[PATH_MAX])
{
	char rest[2 * PATH_MAX], file[TESTBED_FILE_SIZE], target[PATH_MAX], *next = rest;
	size_t length = 0;
	int links = 0;

	strcpy(rest, path);
	for (;;) {
		size_t size, parent = length;
		struct stat st;

		next += strspn(next, "/");
		size = strcspn(next, "/");
		found[length] = '\0';
		if (!size)
			return length > 0;
		if (size == 2 && strncmp(next, "..", 2) == 0) {
			while (length && found[--length] != '/')
				;
			next += size;
			continue;
		}
		if (size == 1 && *next == '.') {
			next++;
			continue;
		}
		if (length + 1 + size >= PATH_MAX)
			return false;
		found[length++] = '/';
		memcpy(found + length, next, size);
		length += size;
		found[length] = '\0';
		next += size;
		if (!testbed_file(found, file))
			strcpy(file, found);
		if (!lstat_raw(file, &st))
			return false;
		if (S_ISLNK(st.st_mode) && (follow || *next)) {
			if (++links > LINKS_MAX || !read_target(file, target) ||
			    strlen(target) + strlen(next) >= sizeof(rest))
				return false;
			memmove(rest + strlen(target), next, strlen(next) + 1);
			memcpy(rest, target, strlen(target));
			next = rest;
			length = *target == '/' ? 0 : parent;
		} else if (*next && !S_ISDIR(st.st_mode)) {
			return false;
		}
	}
}

/* Whether a path has nothing in it that umockdev, which goes by the first letters, could misunderstand. */
static bool is_plain(const char *path)
{
	size_t length = strlen(path);

	return !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") &&
	       strcmp(path + length - (length < 2 ? length : 2), "/.") != 0 &&
	       strcmp(path + length - (length < 3 ? length : 3), "/..") != 0;
}

/* Whether a path can lead to the machine at all: what the host has of it is no more than a device, a link or nothing. */
static bool may_lead_there(int dirfd, const char *path)
{
	struct stat st;

	if (is_below(path, "/dev") || (is_below(path, "/proc") && strstr(path, "/fd/")))
		return true;
	if (syscall(SYS_newfstatat, dirfd, path, &st, 0))
		return true;
	if (S_ISDIR(st.st_mode))
		return !is_plain(path);
	return S_ISCHR(st.st_mode) || st.st_mode == WIRE_FILE_MODE;
}

/* The full spelling of a path that is relative to a directory; false when there is none. */
static bool join(int dirfd, const char *path, char joined[2 * PATH_MAX])
{
	char link[32] = "/proc/self/cwd";
	ssize_t length;

	if (dirfd != AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	length = syscall(SYS_readlinkat, AT_FDCWD, link, joined, PATH_MAX - 1);
	if (length <= 0 || *joined != '/')
		return false;
	joined[length] = '/';
	strcpy(joined + length + 1, path);
	return true;
}

static __attribute__((noinline)) bool walk_from(int dirfd, const char *path, bool follow, char *found)
{
	char joined[2 * PATH_MAX];

	if (*path == '/')
		return may_lead_there(dirfd, path) && walk(path, follow, found);
	return join(dirfd, path, joined) && (is_below(joined, testbed) || may_lead_there(dirfd, path)) &&
	       walk(outside_testbed(joined), follow, found);
}

bool find_on_machine(int dirfd, const char *path, bool follow, char *found)
{
	char file[TESTBED_FILE_SIZE];
	int error = errno;
	bool there;

	if (!on_machine() || !path || !*path || strlen(path) >= PATH_MAX)
		return false;
	if (is_node(path)) {
		strcpy(found, path);
		return true;
	}
	if (is_below(path, "/sys") && is_plain(path)) /* as programs do all the time: umockdev finds these */
		there = strcpy(found, path) && testbed_file(path, file);
	else
		there = walk_from(dirfd, path, follow, found) && (is_node(found) || testbed_file(found, file));
	errno = error;
	return there;
}

/*
 * umockdev 0.17 connects to its ioctl server for every file below /dev that is opened, also for those that it does
 * not mock, has room for 50 of them in a process, and exits when they are more. Those go to libc directly.
 */
bool is_foreign_device(const char *path)
{
	char mocked[2 * PATH_MAX];
	int error = errno;
	bool foreign;

	if (!on_machine() || !testbed[0] || !path || strncmp(path, "/dev/", 5) || strlen(path) >= PATH_MAX)
		return false;
	snprintf(mocked, sizeof(mocked), "%s%s", testbed, path);
	foreign = syscall(SYS_faccessat, AT_FDCWD, mocked, F_OK) != 0;
	errno = error;
	return foreign;
}
