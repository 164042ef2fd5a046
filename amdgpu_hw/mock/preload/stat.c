/* SPDX-License-Identifier: MIT */
/*
 * stat.c - what a client can learn about a descriptor of a mock file: fstat(), and stat() and readlink() of
 * /proc/PID/fd/N.
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
DECLARE_NEXT(stat);
DECLARE_NEXT(stat64);
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

/* The result of a stat() by path; /proc/PID/fd/N may have led it to a mock file. */
static int stat_by_path(int result, struct stat *st)
{
	if (result == 0 && st->st_mode == WIRE_FILE_MODE && on_machine())
		return to_errno(stat_mock_file(-1, st));
	return result;
}

EXPORT int stat(const char *path, struct stat *st)
{
	return stat_by_path(NEXT(stat)(path, st), st);
}

EXPORT int stat64(const char *path, struct stat64 *st)
{
	return stat_by_path(NEXT(stat64)(path, st), (struct stat *)st);
}

EXPORT int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	if (names_fd(path, flags))
		return stat_fd(dirfd, st);
	return stat_by_path(NEXT(fstatat)(dirfd, path, st, flags), st);
}

EXPORT int fstatat64(int dirfd, const char *path, struct stat64 *st, int flags)
{
	if (names_fd(path, flags))
		return stat_fd(dirfd, (struct stat *)st);
	return stat_by_path(NEXT(fstatat64)(dirfd, path, st, flags), (struct stat *)st);
}

EXPORT int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *found)
{
	struct stat st = { 0 };
	bool by_fd = on_machine() && names_fd(path, flags) && is_mock_file(dirfd, &st);
	int64_t result;

	if (by_fd ? syscall(SYS_statx, dirfd, "", flags, mask, found) : NEXT(statx)(dirfd, path, flags, mask, found))
		return -1;
	if (!on_machine() || found->stx_mode != WIRE_FILE_MODE)
		return 0;
	st.st_ino = found->stx_ino;
	result = stat_mock_file(-1, &st);
	if (result < 0)
		return to_errno(result);
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

bool read_fd_link(const char *path, char name[WIRE_TEXT_SIZE])
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
