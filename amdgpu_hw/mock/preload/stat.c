/* SPDX-License-Identifier: MIT */
/*
 * stat.c - what a client can learn about a file without opening it: the nodes, however they are named, and the
 * descriptors of mock files, by number and as /proc/PID/fd/N.
 */
#define _GNU_SOURCE
#include "preload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

DECLARE_NEXT(access);
DECLARE_NEXT(chdir);
DECLARE_NEXT(faccessat);
DECLARE_NEXT(fstatat);
DECLARE_NEXT(fstatat64);
DECLARE_NEXT(lstat);
DECLARE_NEXT(lstat64);
DECLARE_NEXT(opendir);
DECLARE_NEXT(readlink);
DECLARE_NEXT(readlinkat);
DECLARE_NEXT(realpath);
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

/* A descriptor opened with O_PATH, which the mock kernel knows nothing of: is it of a node? */
static bool stat_node(int fd, struct stat *st)
{
	char link[32], found[PATH_MAX];
	int error = errno, flags = fcntl(fd, F_GETFL);

	errno = error;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return flags >= 0 && flags & O_PATH && find_on_machine(AT_FDCWD, link, true, found) && is_node(found) &&
	       NEXT(stat)(found, st) == 0;
}

static int stat_fd(int fd, struct stat *st)
{
	struct stat found;

	if (syscall(SYS_fstat, fd, &found))
		return -1;
	if (on_machine() && S_ISREG(found.st_mode) && stat_node(fd, st))
		return 0;
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

/* The name that umockdev knows a file of the machine by; other paths stay as they are. */
static const char *plain_name(int dirfd, const char *path, int flags, char found[PATH_MAX])
{
	bool follow = !(flags & AT_SYMLINK_NOFOLLOW);
	struct stat st;

	if (!find_on_machine(dirfd, path, follow, found))
		return path;
	/* A descriptor of the node says more: it stays when the node has gone. */
	if (follow && syscall(SYS_newfstatat, dirfd, path, &st, 0) == 0 && st.st_mode == WIRE_FILE_MODE)
		return path;
	return found;
}

/*
 * debugfs is mounted on the machine. Programs that find it has the device of the directory above mount it, which would
 * change the host.
 */
static void show_mount_point(const char *name, struct stat *st)
{
	if (on_machine() && strncmp(name, WIRE_DEBUGFS, strlen(WIRE_DEBUGFS)) == 0 &&
	    strchr("/", name[strlen(WIRE_DEBUGFS)]))
		st->st_dev = WIRE_DEBUGFS_DEV;
}

/* The result of a stat() of `name`; /proc/PID/fd/N may have led it to a mock file. */
static int stat_by_path(int result, const char *name, struct stat *st)
{
	if (result == 0 && st->st_mode == WIRE_FILE_MODE && on_machine())
		return to_errno(stat_mock_file(-1, st));
	if (result == 0)
		show_mount_point(name, st);
	return result;
}

EXPORT int stat(const char *path, struct stat *st)
{
	char found[PATH_MAX];

	path = plain_name(AT_FDCWD, path, 0, found);
	return stat_by_path(NEXT(stat)(path, st), path, st);
}

EXPORT int stat64(const char *path, struct stat64 *st)
{
	char found[PATH_MAX];

	path = plain_name(AT_FDCWD, path, 0, found);
	return stat_by_path(NEXT(stat64)(path, st), path, (struct stat *)st);
}

EXPORT int lstat(const char *path, struct stat *st)
{
	char found[PATH_MAX];

	return NEXT(lstat)(plain_name(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, found), st);
}

EXPORT int lstat64(const char *path, struct stat64 *st)
{
	char found[PATH_MAX];

	return NEXT(lstat64)(plain_name(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, found), st);
}

EXPORT int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	char found[PATH_MAX];

	if (names_fd(path, flags))
		return stat_fd(dirfd, st);
	path = plain_name(dirfd, path, flags, found);
	return stat_by_path(NEXT(fstatat)(dirfd, path, st, flags), path, st);
}

EXPORT int fstatat64(int dirfd, const char *path, struct stat64 *st, int flags)
{
	char found[PATH_MAX];

	if (names_fd(path, flags))
		return stat_fd(dirfd, (struct stat *)st);
	path = plain_name(dirfd, path, flags, found);
	return stat_by_path(NEXT(fstatat64)(dirfd, path, st, flags), path, (struct stat *)st);
}

#define DEFINE_OLD_STAT(name, function, type)                     \
	EXPORT int name(int version, const char *path, type *st); \
	EXPORT int name(int version, const char *path, type *st)  \
	{                                                         \
		(void)version;                                    \
		return function(path, st);                        \
	}

DEFINE_OLD_STAT(__xstat, stat, struct stat)
DEFINE_OLD_STAT(__xstat64, stat64, struct stat64)
DEFINE_OLD_STAT(__lxstat, lstat, struct stat)
DEFINE_OLD_STAT(__lxstat64, lstat64, struct stat64)

EXPORT int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *found)
{
	struct stat st = { 0 };
	char name[PATH_MAX];
	bool by_fd = on_machine() && names_fd(path, flags) && is_mock_file(dirfd, &st);
	int64_t result;

	if (by_fd ? syscall(SYS_statx, dirfd, "", flags, mask, found) :
		    NEXT(statx)(dirfd, plain_name(dirfd, path, flags, name), flags, mask, found))
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

/* ---- readlink ---- */

bool read_fd_link(int dirfd, const char *path, char name[WIRE_TEXT_SIZE])
{
	static const char socket[] = "socket:[";
	struct call call = { .op = WIRE_NAME, .fd = -1, .name = name };
	char text[sizeof(socket)];
	int error = errno;
	struct stat st;
	bool found = false;

	if (on_machine() && path && syscall(SYS_readlinkat, dirfd, path, text, sizeof(text)) == (ssize_t)sizeof(text) &&
	    strncmp(text, socket, strlen(socket)) == 0 && syscall(SYS_newfstatat, dirfd, path, &st, 0) == 0 &&
	    st.st_mode == WIRE_FILE_MODE) {
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
	char name[WIRE_TEXT_SIZE], found[PATH_MAX];

	if (read_fd_link(AT_FDCWD, path, name))
		return copy_link(name, buffer, size);
	return NEXT(readlink)(plain_name(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, found), buffer, size);
}

EXPORT ssize_t readlinkat(int dirfd, const char *path, char *buffer, size_t size)
{
	char name[WIRE_TEXT_SIZE], found[PATH_MAX];

	if (read_fd_link(dirfd, path, name))
		return copy_link(name, buffer, size);
	return NEXT(readlinkat)(dirfd, plain_name(dirfd, path, AT_SYMLINK_NOFOLLOW, found), buffer, size);
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

/* ---- realpath ---- */

EXPORT char *realpath(const char *restrict path, char *restrict resolved)
{
	char found[PATH_MAX];

	if (!find_on_machine(AT_FDCWD, path, true, found))
		return NEXT(realpath)(path, resolved);
	/* Of a plain path below /sys no link was followed: umockdev does that. */
	if (strcmp(found, path) == 0 && !is_node(found))
		return NEXT(realpath)(path, resolved);
	return resolved ? strcpy(resolved, found) : strdup(found);
}

EXPORT char *canonicalize_file_name(const char *path)
{
	return realpath(path, NULL);
}

EXPORT char *__realpath_chk(const char *path, char *resolved, size_t available);
EXPORT char *__realpath_chk(const char *path, char *resolved, size_t available)
{
	if (available < PATH_MAX)
		abort();
	return realpath(path, resolved);
}

/* ---- access ---- */

/* Of these, umockdev knows access() alone. */
static int access_any(int dirfd, const char *path, int mode, int flags)
{
	char found[PATH_MAX], file[TESTBED_FILE_SIZE];

	if (find_on_machine(dirfd, path, !(flags & AT_SYMLINK_NOFOLLOW), found) && testbed_file(found, file))
		return NEXT(faccessat)(AT_FDCWD, file, mode, flags);
	if (dirfd == AT_FDCWD && !flags)
		return NEXT(access)(path, mode);
	return NEXT(faccessat)(dirfd, path, mode, flags);
}

EXPORT int access(const char *path, int mode)
{
	return access_any(AT_FDCWD, path, mode, 0);
}

EXPORT int faccessat(int dirfd, const char *path, int mode, int flags)
{
	return access_any(dirfd, path, mode, flags);
}

EXPORT int euidaccess(const char *path, int mode)
{
	return access_any(AT_FDCWD, path, mode, AT_EACCESS);
}

EXPORT int eaccess(const char *path, int mode)
{
	return access_any(AT_FDCWD, path, mode, AT_EACCESS);
}

/* ---- directories ---- */

EXPORT DIR *opendir(const char *path)
{
	char found[PATH_MAX];

	return NEXT(opendir)(plain_name(AT_FDCWD, path, 0, found));
}

EXPORT int chdir(const char *path)
{
	char found[PATH_MAX];

	return NEXT(chdir)(plain_name(AT_FDCWD, path, 0, found));
}
