/* SPDX-License-Identifier: MIT */
/*
 * preload_stat.c - what a client can learn about a descriptor of a mock file: fstat() and /proc/PID/fd/N.
 */
#define _GNU_SOURCE
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

DECLARE_NEXT(fstatat);
DECLARE_NEXT(fstatat64);
DECLARE_NEXT(readlink);
DECLARE_NEXT(readlinkat);
DECLARE_NEXT(statx);

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "64-bit programs only: one struct stat");

static int64_t stat_mock_file(int fd, struct stat *st)
{
	struct wire_stat found = { 0 };
	struct call call = { .op = WIRE_FSTAT, .fd = fd, .ino = st->st_ino, .stat = &found };
	int64_t result = make_call(&call);

	if (result < 0)
		return result;
	st->st_dev = found.dev;
	st->st_ino = found.ino;
	st->st_mode = found.mode;
	st->st_nlink = found.nlink;
	st->st_uid = found.uid;
	st->st_gid = found.gid;
	st->st_rdev = makedev(found.rdev_major, found.rdev_minor);
	st->st_size = found.size;
	return 0;
}

static int stat_fd(int fd, struct stat *st)
{
	struct stat found;

	if (syscall(SYS_fstat, fd, &found))
		return -1;
	if (on_machine() && found.st_mode == WIRE_FILE_MODE) {
		int64_t result = stat_mock_file(fd, &found);

		if (result < 0)
			return to_errno(result);
	}
	*st = found;
	return 0;
}

static bool names_fd(const char *path, int flags)
{
	return flags & AT_EMPTY_PATH && (!path || !*path);
}

EXPORT int fstat(int fd, struct stat *st)
{
	return stat_fd(fd, st);
}

EXPORT int fstat64(int fd, struct stat64 *st)
{
	return stat_fd(fd, (struct stat *)st);
}

/* Entry points of programs built against glibc before 2.33. */
EXPORT int __fxstat(int version, int fd, struct stat *st);
EXPORT int __fxstat(int version, int fd, struct stat *st)
{
	(void)version;
	return stat_fd(fd, st);
}

EXPORT int __fxstat64(int version, int fd, struct stat64 *st);
EXPORT int __fxstat64(int version, int fd, struct stat64 *st)
{
	(void)version;
	return stat_fd(fd, (struct stat *)st);
}

EXPORT int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return names_fd(path, flags) ? stat_fd(dirfd, st) : NEXT(fstatat)(dirfd, path, st, flags);
}

EXPORT int fstatat64(int dirfd, const char *path, struct stat64 *st, int flags)
{
	return names_fd(path, flags) ? stat_fd(dirfd, (struct stat *)st) : NEXT(fstatat64)(dirfd, path, st, flags);
}

EXPORT int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *found)
{
	struct stat st;
	int64_t result;

	if (!on_machine() || !names_fd(path, flags) || !is_mock_file(dirfd, &st))
		return NEXT(statx)(dirfd, path, flags, mask, found);
	result = stat_mock_file(dirfd, &st);
	if (result < 0)
		return to_errno(result);
	if (syscall(SYS_statx, dirfd, "", flags, mask, found))
		return -1;
	found->stx_mask |= STATX_BASIC_STATS;
	found->stx_mode = st.st_mode;
	found->stx_ino = st.st_ino;
	found->stx_nlink = st.st_nlink;
	found->stx_uid = st.st_uid;
	found->stx_gid = st.st_gid;
	found->stx_size = st.st_size;
	found->stx_dev_major = major(st.st_dev);
	found->stx_dev_minor = minor(st.st_dev);
	found->stx_rdev_major = major(st.st_rdev);
	found->stx_rdev_minor = minor(st.st_rdev);
	return 0;
}

/* ---- readlink of /proc/PID/fd/N ---- */

/* What the link to a mock file's descriptor reads, or false. */
static bool read_fd_link(const char *path, char name[WIRE_TEXT_SIZE])
{
	struct call call = { .op = WIRE_NAME, .fd = -1, .name = name };
	int error = errno;
	struct stat st;
	bool found = false;

	if (on_machine() && path && strncmp(path, "/proc/", 6) == 0 && strstr(path, "/fd/") &&
	    syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0 && st.st_mode == WIRE_FILE_MODE) {
		call.ino = st.st_ino;
		found = make_call(&call) >= 0;
	}
	errno = error;
	return found;
}

static ssize_t copy_link(const char *name, char *buffer, size_t size)
{
	size_t length = strnlen(name, WIRE_TEXT_SIZE);

	if (!size) {
		errno = EINVAL;
		return -1;
	}
	if (length > size)
		length = size;
	memcpy(buffer, name, length);
	return length;
}

EXPORT ssize_t readlink(const char *path, char *buffer, size_t size)
{
	char name[WIRE_TEXT_SIZE];

	return read_fd_link(path, name) ? copy_link(name, buffer, size) : NEXT(readlink)(path, buffer, size);
}

EXPORT ssize_t readlinkat(int dirfd, const char *path, char *buffer, size_t size)
{
	char name[WIRE_TEXT_SIZE];

	return read_fd_link(path, name) ? copy_link(name, buffer, size) : NEXT(readlinkat)(dirfd, path, buffer, size);
}

EXPORT ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t available);
EXPORT ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t available)
{
	if (size > available)
		abort();
	return readlink(path, buffer, size);
}

EXPORT ssize_t __readlinkat_chk(int dirfd, const char *path, char *buffer, size_t size, size_t available);
EXPORT ssize_t __readlinkat_chk(int dirfd, const char *path, char *buffer, size_t size, size_t available)
{
	if (size > available)
		abort();
	return readlinkat(dirfd, path, buffer, size);
}
