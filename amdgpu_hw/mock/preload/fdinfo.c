/* SPDX-License-Identifier: MIT */
/*
 * fdinfo.c - /proc/PID/fdinfo/N of mock files, in this process and in others.
 */
#define _GNU_SOURCE
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FDINFO "/fdinfo/"

DECLARE_NEXT(fopen);
DECLARE_NEXT(fopen64);

/* The full name of what may be a file below /proc: absolute, or a number in a directory that is open. */
static bool full_name(int dirfd, const char *path, char full[PATH_MAX])
{
	char link[32];
	ssize_t length;

	if (strncmp(path, "/proc/", 6) == 0 && strlen(path) < PATH_MAX) {
		strcpy(full, path);
		return true;
	}
	if (dirfd == AT_FDCWD || path[0] < '0' || path[0] > '9' || strlen(path) > 16)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	length = syscall(SYS_readlinkat, AT_FDCWD, link, full, PATH_MAX - 32);
	if (length <= 0)
		return false;
	full[length] = '/';
	strcpy(full + length + 1, path);
	return true;
}

/* Find the mock file that a path below /proc/PID/fdinfo speaks of. */
static bool find_mock_file(int dirfd, const char *path, struct stat *st)
{
	char full[PATH_MAX], link[PATH_MAX], *directory;

	if (!on_machine() || !path || !full_name(dirfd, path, full))
		return false;
	directory = strstr(full, FDINFO);
	if (!directory)
		return false;
	snprintf(link, sizeof(link), "%.*s/fd/%s", (int)(directory - full), full, directory + strlen(FDINFO));
	return syscall(SYS_newfstatat, AT_FDCWD, link, st, 0) == 0 && st->st_mode == WIRE_FILE_MODE;
}

bool open_fdinfo(int dirfd, const char *path, int flags, int *fd)
{
	char host[WIRE_TEXT_SIZE] = "";
	struct call call = { .op = WIRE_FDINFO, .fd = -1, .text = host, .received = fd };
	int error = errno, host_fd;
	struct stat st;
	int64_t result;

	if (!find_mock_file(dirfd, path, &st)) {
		errno = error;
		return false;
	}
	errno = error;
	*fd = host_fd = syscall(SYS_openat, dirfd, path, flags);
	if (host_fd < 0)
		return true;
	if (syscall(SYS_read, host_fd, host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	raw_close(host_fd);
	call.ino = st.st_ino;
	result = make_call(&call);
	if (result < 0)
		*fd = to_errno(result);
	else if (!(flags & O_CLOEXEC))
		fcntl(*fd, F_SETFD, 0);
	return true;
}

static bool fopen_fdinfo(const char *path, const char *mode, FILE **file)
{
	int fd;

	if (mode[0] != 'r' || !open_fdinfo(AT_FDCWD, path, strchr(mode, 'e') ? O_CLOEXEC : 0, &fd))
		return false;
	*file = fd < 0 ? NULL : fdopen(fd, "r");
	return true;
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	FILE *file;

	return fopen_fdinfo(path, mode, &file) ? file : NEXT(fopen)(path, mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	FILE *file;

	return fopen_fdinfo(path, mode, &file) ? file : NEXT(fopen64)(path, mode);
}
