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

DECLARE_NEXT(realpath);

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

static bool is_node(const struct nodes *nodes, const char *path)
{
	for (const char *node = nodes->text; node < nodes->text + nodes->length; node += strlen(node) + 1)
		if (strcmp(node, path) == 0)
			return true;
	return false;
}

/* Whether a node has the same last component, or the path lies where nodes are and may be a link to one. */
static bool may_be_node(const struct nodes *nodes, const char *path)
{
	const char *last = strrchr(path, '/');

	last = last ? last + 1 : path;
	for (const char *node = nodes->text; node < nodes->text + nodes->length; node += strlen(node) + 1) {
		const char *slash = strrchr(node, '/');

		if (slash && (strcmp(slash + 1, last) == 0 || strncmp(node, path, slash + 1 - node) == 0))
			return true;
	}
	return false;
}

bool find_node(int dirfd, const char *path, char *node)
{
	struct nodes nodes;
	char joined[2 * PATH_MAX], name[WIRE_TEXT_SIZE], *start = joined;
	size_t length = 0;
	int error = errno;
	bool found = false;

	if (!on_machine() || !path || !*path || strlen(path) >= PATH_MAX)
		return false;
	if (read_fd_link(path, name))
		path = name;
	read_nodes(&nodes);
	if (is_node(&nodes, path)) {
		strcpy(node, path);
		return true;
	}
	if (!may_be_node(&nodes, path))
		return false;
	if (*path != '/') {
		char link[32];
		ssize_t got;

		if (dirfd == AT_FDCWD)
			strcpy(link, "/proc/self/cwd");
		else
			snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
		got = syscall(SYS_readlinkat, AT_FDCWD, link, joined, PATH_MAX - 1);
		if (got > 0) {
			length = got;
			joined[length++] = '/';
		}
	}
	strcpy(joined + length, path);
	length = strlen(testbed);
	if (length && strncmp(joined, testbed, length) == 0 && joined[length] == '/')
		start += length;
	if (NEXT(realpath)(start, node)) {
		start = node;
		if (length && strncmp(start, testbed, length) == 0)
			memmove(node, node + length, strlen(node + length) + 1);
		found = is_node(&nodes, node);
	}
	errno = error;
	return found;
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
