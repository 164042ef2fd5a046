/* SPDX-License-Identifier: MIT */
/*
 * preload.c - device nodes of the mock machine in a client process.
 *
 * Loaded with LD_PRELOAD before umockdev's preload library. Opening a node of the machine, and every system call on
 * a descriptor of a mock file, goes to the mock kernel (wire.h says how); everything else goes on to the next
 * library. It knows no device and interprets no ioctl, and never touches memory that a client's pointer names: the
 * mock kernel copies it, or the host kernel. stat() and readdir() of the nodes are umockdev's, which is told their plain
 * names.
 *
 * Everything here may run in a signal handler, in a child of fork or vfork, and before or after main: no malloc, no
 * lock, and no state about descriptors that could be wrong.
 *
 * read() of a mock file is the mock kernel's too; of all others it is the host's.
 *
 * Not covered: statically linked programs and raw system calls (no libc function is called); fopen() of a node, and
 * descriptors that libc closes inside itself (fclose(), posix_spawn() actions) are flushed only with the last one;
 * lstat() of /proc/PID/fd/N sees the socket; munmap() is not seen, so that a mapping keeps neither its file nor
 * its buffer alive; RLIMIT_FSIZE below a page, set after a thread's first call, hits that thread's ioctls (SIGXFSZ).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

DECLARE_NEXT(close);
DECLARE_NEXT(dup2);
DECLARE_NEXT(dup3);
DECLARE_NEXT(ioctl);
DECLARE_NEXT(open64);
DECLARE_NEXT(openat64);

void *next_function(void **function, const char *name)
{
	void *found = __atomic_load_n(function, __ATOMIC_RELAXED);

	if (!found) {
		found = dlsym(RTLD_NEXT, name);
		__atomic_store_n(function, found, __ATOMIC_RELAXED);
	}
	return found;
}

__attribute__((constructor)) static void resolve(void)
{
	/* These are called where dlsym() must not be: in signal handlers and between vfork and exec. */
	NEXT(close);
	NEXT(dup2);
	NEXT(dup3);
	NEXT(ioctl);
}

bool is_mock_file(int fd, struct stat *st)
{
	int error = errno;
	bool found = syscall(SYS_fstat, fd, st) == 0 && st->st_mode == WIRE_FILE_MODE;

	errno = error;
	return found;
}

int64_t to_errno(int64_t result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

/* ---- open ---- */

static int open_node(const char *node, int flags)
{
	int fd = -1;
	struct call call = {
		.op = WIRE_OPEN,
		.fd = -1,
		.args = { (unsigned int)flags },
		.text = node,
		.received = &fd,
	};
	int64_t result = make_call(&call);

	if (result < 0)
		return to_errno(result);
	if (!(flags & O_CLOEXEC))
		fcntl(fd, F_SETFD, 0);
	return fd;
}

static mode_t creation_mode(int flags, va_list *arguments)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(*arguments, mode_t) : 0;
}

static int open_any(int (*next)(int, const char *, int, mode_t), int dirfd, const char *path, int flags, mode_t mode)
{
	bool follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	char found[PATH_MAX];
	int fd;

	if (find_on_machine(dirfd, path, follow, found)) {
		if (!(flags & O_PATH) && is_node(found))
			return open_node(found, flags);
		path = found;
	}
	if (open_fdinfo(dirfd, path, flags, &fd))
		return fd;
	if (is_foreign_device(path))
		return syscall(SYS_openat, dirfd, path, flags, mode);
	return next(dirfd, path, flags, mode);
}

static int next_open_call(int dirfd, const char *path, int flags, mode_t mode)
{
	(void)dirfd;
	return NEXT(open64)(path, flags, mode);
}

static int next_openat_call(int dirfd, const char *path, int flags, mode_t mode)
{
	return NEXT(openat64)(dirfd, path, flags, mode);
}

#define DEFINE_OPEN(name)                                                     \
	EXPORT int name(const char *path, int flags, ...)                     \
	{                                                                     \
		va_list arguments;                                            \
		mode_t mode;                                                  \
		va_start(arguments, flags);                                   \
		mode = creation_mode(flags, &arguments);                      \
		va_end(arguments);                                            \
		return open_any(next_open_call, AT_FDCWD, path, flags, mode); \
	}

#define DEFINE_OPENAT(name)                                                  \
	EXPORT int name(int dirfd, const char *path, int flags, ...)         \
	{                                                                    \
		va_list arguments;                                           \
		mode_t mode;                                                 \
		va_start(arguments, flags);                                  \
		mode = creation_mode(flags, &arguments);                     \
		va_end(arguments);                                           \
		return open_any(next_openat_call, dirfd, path, flags, mode); \
	}

#define DEFINE_FORTIFIED_OPEN(name)                                        \
	EXPORT int name(const char *path, int flags);                      \
	EXPORT int name(const char *path, int flags)                       \
	{                                                                  \
		return open_any(next_open_call, AT_FDCWD, path, flags, 0); \
	}

#define DEFINE_FORTIFIED_OPENAT(name)                                     \
	EXPORT int name(int dirfd, const char *path, int flags);          \
	EXPORT int name(int dirfd, const char *path, int flags)           \
	{                                                                 \
		return open_any(next_openat_call, dirfd, path, flags, 0); \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)
DEFINE_FORTIFIED_OPEN(__open_2)
DEFINE_FORTIFIED_OPEN(__open64_2)
DEFINE_FORTIFIED_OPENAT(__openat_2)
DEFINE_FORTIFIED_OPENAT(__openat64_2)

/* ---- close ---- */

/* Result of file_operations.flush, as filp_close() returns it. */
static int64_t flush(int fd, const struct stat *st)
{
	struct call call = { .op = WIRE_FLUSH, .fd = fd, .ino = st->st_ino };

	return make_call(&call);
}

/* What was closed last is released by now, as on return from a real close(). */
static void settle(void)
{
	struct call call = { .op = WIRE_SETTLE, .fd = -1 };
	int error = errno;

	make_call(&call);
	errno = error;
}

/* Whether the kernel hears of it when an ordinary file, one below /sys, has been written to and is closed. */
static bool is_heard(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_mode & WIRE_HEARD_MODE;
}

EXPORT int close(int fd)
{
	struct stat st = { 0 };
	int64_t result;

	if (!on_machine())
		return NEXT(close)(fd);
	if (is_channel_fd(fd)) {
		errno = EBADF;
		return -1;
	}
	if (!is_mock_file(fd, &st)) {
		result = NEXT(close)(fd);
		if (is_heard(&st))
			settle();
		return result;
	}
	result = flush(fd, &st);
	if (syscall(SYS_close, fd))
		return -1;
	settle();
	/* A mock kernel that is gone has nothing to flush: the descriptor is closed all the same. */
	return result == -ENODEV ? 0 : to_errno(result);
}

/* What dup2() onto `fd` does to it first. False when the number is one of ours; `*heard`: settle() afterwards. */
static bool prepare_replacement(int old, int fd, bool *heard)
{
	struct stat st = { 0 };

	*heard = false;
	if (!on_machine() || old == fd)
		return true;
	if (is_channel_fd(fd))
		return false;
	if (fcntl(old, F_GETFD) < 0)
		return true;
	if (is_mock_file(fd, &st))
		flush(fd, &st);
	*heard = is_heard(&st);
	return true;
}

EXPORT int dup2(int old, int fd)
{
	bool heard;
	int result;

	if (!prepare_replacement(old, fd, &heard)) {
		errno = EBUSY;
		return -1;
	}
	result = NEXT(dup2)(old, fd);
	if (heard)
		settle();
	return result;
}

EXPORT int dup3(int old, int fd, int flags)
{
	bool heard;
	int result;

	if (!prepare_replacement(old, fd, &heard)) {
		errno = EBUSY;
		return -1;
	}
	result = NEXT(dup3)(old, fd, flags);
	if (heard)
		settle();
	return result;
}

static void flush_range(unsigned int first, unsigned int last)
{
	char entries[2048] __attribute__((aligned(8)));
	int directory = syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long length;

	if (directory < 0)
		return;
	while ((length = syscall(SYS_getdents64, directory, entries, sizeof(entries))) > 0)
		for (long position = 0; position < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(entries + position);
			unsigned int fd = 0;
			const char *digit = entry->d_name;
			struct stat st;

			for (; *digit >= '0' && *digit <= '9'; digit++)
				fd = 10 * fd + (*digit - '0');
			if (digit != entry->d_name && fd >= first && fd <= last && is_mock_file(fd, &st))
				flush(fd, &st);
			position += entry->d_reclen;
		}
	raw_close(directory);
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	int result;

	if (!on_machine() || first > last || flags & CLOSE_RANGE_CLOEXEC)
		return syscall(SYS_close_range, first, last, flags);
	flush_range(first, last);
	result = close_around_channels(first, last, flags);
	settle();
	return result;
}

EXPORT void closefrom(int first)
{
	close_range(first < 0 ? 0 : first, ~0u, 0);
}

/* ---- read, ioctl, mmap, lseek ---- */

EXPORT ssize_t read(int fd, void *buffer, size_t size)
{
	struct stat st;
	char text[WIRE_TEXT_SIZE];
	struct call call = { .op = WIRE_READ, .fd = fd, .args = { size }, .name = text };
	int pipes[2], error = errno;
	int64_t result;

	if (!on_machine() || !is_mock_file(fd, &st))
		return syscall(SYS_read, fd, buffer, size);
	call.ino = st.st_ino;
	result = make_call(&call);
	if (result <= 0)
		return to_errno(result);
	/* The host kernel copies: only it survives a pointer that leads nowhere. */
	if (syscall(SYS_pipe2, pipes, O_CLOEXEC) < 0)
		return -1;
	if (syscall(SYS_write, pipes[1], text, result) == result)
		result = syscall(SYS_read, pipes[0], buffer, size);
	raw_close(pipes[0]);
	raw_close(pipes[1]);
	if (result >= 0)
		errno = error;
	return result;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct stat st;
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (on_machine() && is_mock_file(fd, &st) && request != FIOCLEX && request != FIONCLEX && request != FIONBIO &&
	    request != FIOASYNC) {
		struct call call = {
			.op = WIRE_IOCTL,
			.fd = fd,
			.ino = st.st_ino,
			.args = { (uint32_t)request, (uintptr_t)argument },
			.argument = argument,
			/* As every driver here numbers its requests (asm-generic/ioctl.h). */
			.argument_size = _IOC_DIR(request) & _IOC_WRITE ? _IOC_SIZE(request) : 0,
			.answer_room = _IOC_DIR(request) & _IOC_READ ? _IOC_SIZE(request) : 0,
		};

		return to_errno(make_call(&call));
	}
	return NEXT(ioctl)(fd, request, argument);
}

static void *map(void *address, size_t length, int prot, int flags, int fd, off64_t offset)
{
	struct stat st;
	int host_fd = -1;
	struct call call = {
		.op = WIRE_MMAP,
		.fd = fd,
		.received = &host_fd,
		.args = { offset, length, (unsigned int)prot, (unsigned int)flags },
	};
	int64_t result;
	void *mapped;

	if (!on_machine() || flags & MAP_ANONYMOUS || !is_mock_file(fd, &st))
		return (void *)syscall(SYS_mmap, address, length, prot, flags, fd, offset);
	call.ino = st.st_ino;
	result = make_call(&call);
	if (result < 0)
		return (void *)to_errno(result);
	mapped = (void *)syscall(SYS_mmap, address, length, prot, flags, host_fd, result);
	raw_close(host_fd);
	return mapped;
}

EXPORT void *mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset)
{
	return map(address, length, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *address, size_t length, int prot, int flags, int fd, off64_t offset)
{
	return map(address, length, prot, flags, fd, offset);
}

static off64_t seek(int fd, off64_t offset, int whence)
{
	struct stat st;
	off64_t result = syscall(SYS_lseek, fd, offset, whence);

	/* A socket cannot be seeked, so that only a failure can be a mock file. */
	if (result < 0 && errno == ESPIPE && on_machine() && is_mock_file(fd, &st)) {
		struct call call = {
			.op = WIRE_LSEEK,
			.fd = fd,
			.ino = st.st_ino,
			.args = { offset, (unsigned int)whence },
		};

		return to_errno(make_call(&call));
	}
	return result;
}

EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	return seek(fd, offset, whence);
}

EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	return seek(fd, offset, whence);
}
