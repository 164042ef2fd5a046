/* SPDX-License-Identifier: MIT */
/*
 * tracefs.c - mkdir() and rmdir() where a directory is more than that: instances of tracefs.
 */
#define _GNU_SOURCE
#include "preload.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTANCES "/sys/kernel/tracing/instances/"

DECLARE_NEXT(mkdir);
DECLARE_NEXT(rmdir);

static bool is_instance(const char *path)
{
	return on_machine() && path && strncmp(path, INSTANCES, strlen(INSTANCES)) == 0 &&
	       strlen(path) < WIRE_TEXT_SIZE;
}

static int on_instance(uint32_t op, const char *path)
{
	struct call call = { .op = op, .fd = -1, .text = path };

	return to_errno(make_call(&call));
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	return is_instance(path) ? on_instance(WIRE_MKDIR, path) : NEXT(mkdir)(path, mode);
}

EXPORT int rmdir(const char *path)
{
	return is_instance(path) ? on_instance(WIRE_RMDIR, path) : NEXT(rmdir)(path);
}
