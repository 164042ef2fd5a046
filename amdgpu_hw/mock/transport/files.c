/* SPDX-License-Identifier: MIT */
/*
 * files.c - the files, the memory and the descriptors of clients.
 */
#define _GNU_SOURCE
#include "private.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Where sockets have their inodes. Files elsewhere may have any number and, as sockets in a directory, any mode. */
static dev_t socket_filesystem;

/*
 * Whether a new descriptor is one of the last, which are kept for the mock kernel's own needs (gpu_model/memfd.py): a
 * client that opens files without end gets ENFILE, and the kernel goes on.
 */
bool is_reserved_fd(int fd)
{
	struct rlimit limit;
	rlim_t first;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	first = limit.rlim_cur - RESERVED_DESCRIPTORS;
	if (limit.rlim_cur < 2 * RESERVED_DESCRIPTORS)
		first = limit.rlim_cur / 2;
	return (rlim_t)fd >= first;
}

int transport_open_file(struct transport *t, struct file_ends *ends)
{
	struct stat st;
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (is_reserved_fd(pair[1]))
		error = -EMFILE;
	else if (fchmod(pair[0], WIRE_FILE_MODE & 07777) || fstat(pair[0], &st))
		error = -errno;
	else
		error = epoll_add(t, pair[1], EPOLLIN, tag_data(TAG_FILE, pair[1]));
	if (error) {
		close(pair[0]);
		close(pair[1]);
		return error;
	}
	socket_filesystem = st.st_dev;
	*ends = (struct file_ends){ .client = pair[0], .server = pair[1], .ino = st.st_ino };
	return 0;
}

void transport_set_readable(int server_end)
{
	/* End of file at the client's end: POLLIN that no read() can consume. */
	shutdown(server_end, SHUT_WR);
}

int transport_copy_from(int pid, void *to, uint64_t from, size_t length)
{
	struct iovec local = { to, length }, remote = { (void *)(uintptr_t)from, length };
	ssize_t count = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return count < 0 ? -errno : (size_t)count == length ? 0 : -EFAULT;
}

int transport_copy_to(int pid, uint64_t to, const void *from, size_t length)
{
	struct iovec local = { (void *)(uintptr_t)from, length }, remote = { (void *)(uintptr_t)to, length };
	ssize_t count = process_vm_writev(pid, &local, 1, &remote, 1, 0);

	return count < 0 ? -errno : (size_t)count == length ? 0 : -EFAULT;
}

int transport_steal_fd(int pidfd, int fd)
{
	int own = syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	return own < 0 ? -errno : own;
}

int transport_identify_fd(int pidfd, int fd, uint64_t *ino, int *is_mock)
{
	struct stat st;
	int own = transport_steal_fd(pidfd, fd), error = 0;

	if (own < 0)
		return own;
	if (fstat(own, &st))
		error = -errno;
	else {
		*ino = st.st_ino;
		*is_mock = st.st_mode == WIRE_FILE_MODE && st.st_dev == socket_filesystem;
	}
	close(own);
	return error;
}
