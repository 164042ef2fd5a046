/* SPDX-License-Identifier: MIT */
/*
 * channel.c - the channels of a client process to the mock kernel (wire.h), for the calls of call.c.
 *
 * Each thread has a channel of its own, made at its first call and closed when the thread ends. Everything here may
 * run in a signal handler, in a child of fork or vfork, and before or after main: no malloc and no lock.
 */
#define _GNU_SOURCE
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CHANNELS_MAX 4096
#define SETUP_SECONDS 10 /* for the answer to a new channel */

const struct wire_board *board;
bool preload_started;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];

static struct channel channels[CHANNELS_MAX];
static _Atomic int channels_used; /* entries from here on were never taken */
static _Atomic int lowest_channel_fd = INT_MAX;
static pthread_key_t thread_exit_key;

/* Memory that a child made by fork or clone finds zeroed, so that it drops its parent's channels. */
static struct process {
	_Atomic int pid;
} *process;

static __thread __attribute__((tls_model("initial-exec"))) struct {
	struct channel *channel;
	unsigned int fork_count;
} thread;
static unsigned int fork_count;

/* ---- start ---- */

static void map_board(const char *directory)
{
	char path[PATH_MAX];
	struct wire_board *found;
	int fd;

	if ((size_t)snprintf(socket_path, sizeof(socket_path), "%s/" WIRE_SOCKET, directory) >= sizeof(socket_path) ||
	    (size_t)snprintf(path, sizeof(path), "%s/" WIRE_BOARD, directory) >= sizeof(path))
		return;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	found = mmap(NULL, sizeof(*found), PROT_READ, MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	if (found == MAP_FAILED)
		return;
	if (found->magic != WIRE_MAGIC || found->version != WIRE_VERSION)
		munmap(found, sizeof(*found));
	else
		board = found;
}

static void on_thread_exit(void *unused);
static void notice_fork(void);

__attribute__((constructor)) void start_preload(void)
{
	const char *directory = getenv(WIRE_ENVIRONMENT);
	int error = errno;

	if (preload_started)
		return;
	preload_started = true;
	find_testbed();
	keep_environment();
	/* The program may change its environment, for its children: ours is read once. */
	if (directory && strlen(directory) < PATH_MAX)
		map_board(directory);
	if (board) {
		process = mmap(NULL, sizeof(*process), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (process == MAP_FAILED || madvise(process, sizeof(*process), MADV_WIPEONFORK) ||
		    pthread_key_create(&thread_exit_key, on_thread_exit) || pthread_atfork(NULL, NULL, notice_fork))
			board = NULL;
		else
			process->pid = getpid();
	}
	errno = error;
}

/* ---- channels ---- */

void raw_close(int fd)
{
	syscall(SYS_close, fd);
}

/* Forget the channels of the process that this one was forked from. Runs in the child's only thread. */
static void after_fork(void)
{
	int used = channels_used;

	for (int i = 0; i < used; i++)
		if (channels[i].taken) {
			/* The slot is not mapped here (MADV_DONTFORK). No shutdown(): the parent uses its socket. */
			raw_close(channels[i].sock);
			raw_close(channels[i].slot_fd);
			channels[i] = (struct channel){ 0 };
		}
	channels_used = 0;
	lowest_channel_fd = INT_MAX;
	fork_count++;
	process->pid = getpid();
}

/*
 * In a child of fork(), before it can vfork() in turn: that child shares our memory, and if it were the first to find
 * the process new, it would enter itself. What is made by clone() alone is noticed at its first call.
 */
static void notice_fork(void)
{
	if (!process->pid)
		after_fork();
}

bool is_channel_fd(int fd)
{
	int used;

	if (fd < lowest_channel_fd)
		return false;
	if (!process->pid)
		after_fork();
	used = channels_used;
	for (int i = 0; i < used; i++)
		if (channels[i].taken && (channels[i].sock == fd || channels[i].slot_fd == fd))
			return true;
	return false;
}

/* Out of the way of programs that expect low numbers, or that loop over them to close. */
static int move_up(int fd)
{
	struct rlimit limit = { .rlim_cur = 1024 };
	long from;
	int moved = -1;

	getrlimit(RLIMIT_NOFILE, &limit);
	from = limit.rlim_cur > 65536 ? 65536 : limit.rlim_cur;
	for (from -= from / 4; moved < 0 && from > 3; from /= 2)
		moved = fcntl(fd, F_DUPFD_CLOEXEC, (int)from);
	if (moved < 0)
		return fd;
	raw_close(fd);
	return moved;
}

int receive(struct channel *channel, struct wire_message *message)
{
	struct iovec iov = { message, sizeof(*message) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t length = syscall(SYS_recvmsg, channel->sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header;

	if (length < 0)
		return errno == EAGAIN ? -ENODEV : -errno;
	if (length != sizeof(*message))
		return -ENODEV;
	if (message->kind == WIRE_FD) {
		header = CMSG_FIRSTHDR(&msg);
		/* Without a free descriptor the host kernel delivers the message and drops what came with it. */
		channel->received = -EMFILE;
		if (header && header->cmsg_type == SCM_RIGHTS)
			memcpy(&channel->received, CMSG_DATA(header), sizeof(int));
	}
	return 0;
}

int take_fd(struct channel *channel)
{
	struct wire_message message;
	int fd, error;

	while (channel->received == -1) {
		error = receive(channel, &message);
		if (error && error != -EINTR)
			return error;
	}
	fd = channel->received;
	channel->received = -1;
	return fd;
}

/* Zero seconds: wait for ever. */
static void set_receive_timeout(struct channel *channel, int seconds)
{
	struct timeval timeout = { .tv_sec = seconds };

	setsockopt(channel->sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static int connect_channel(struct channel *channel)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd;
	void *slot = MAP_FAILED;
	struct rlimit limit;

	if (sock < 0)
		return -errno;
	memcpy(address.sun_path, socket_path, sizeof(socket_path));
	while (syscall(SYS_connect, sock, &address, sizeof(address)))
		if (errno != EINTR) {
			raw_close(sock);
			return -ENODEV;
		}
	/* Yama: let the mock kernel read and write this process's memory. */
	prctl(PR_SET_PTRACER, (unsigned long)board->server_pid, 0, 0, 0);
	channel->sock = move_up(sock);
	channel->received = -1;
	/* A mock kernel that lives answers at once; one that is stuck must not make its clients unkillable but by SIGKILL. */
	set_receive_timeout(channel, SETUP_SECONDS);
	fd = take_fd(channel);
	set_receive_timeout(channel, 0);
	if (fd >= 0) {
		slot = mmap(NULL, WIRE_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		channel->slot_fd = move_up(fd);
	}
	if (slot == MAP_FAILED) {
		raw_close(channel->sock);
		raw_close(channel->slot_fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	madvise(slot, WIRE_SLOT_SIZE, MADV_DONTFORK);
	channel->slot = slot;
	channel->slot->tid = syscall(SYS_gettid);
	channel->may_write_file = getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur >= WIRE_SLOT_SIZE;
	channel->seq = 0;
	channel->busy = false;
	return 0;
}

void close_channel(struct channel *channel)
{
	/* shutdown: a child may still hold a copy of the socket, and the mock kernel should know at once. */
	syscall(SYS_shutdown, channel->sock, SHUT_RDWR);
	raw_close(channel->sock);
	if (channel->received >= 0)
		raw_close(channel->received);
	munmap(channel->slot, WIRE_SLOT_SIZE);
	channel->slot = NULL;
	raw_close(channel->slot_fd);
	channel->sock = channel->slot_fd = -1;
	channel->taken = 0;
}

static struct channel *new_channel(int *error)
{
	for (int i = 0; i < CHANNELS_MAX; i++) {
		struct channel *channel = &channels[i];
		int used = channels_used, lowest = lowest_channel_fd, own;

		if (atomic_exchange(&channel->taken, 1))
			continue;
		channel->sock = channel->slot_fd = -1;
		while (used <= i && !atomic_compare_exchange_weak(&channels_used, &used, i + 1))
			;
		*error = connect_channel(channel);
		if (*error) {
			channel->taken = 0;
			return NULL;
		}
		own = channel->sock < channel->slot_fd ? channel->sock : channel->slot_fd;
		while (own < lowest && !atomic_compare_exchange_weak(&lowest_channel_fd, &lowest, own))
			;
		return channel;
	}
	*error = -ENFILE;
	return NULL;
}

static struct channel *thread_channel(void)
{
	return thread.fork_count == fork_count ? thread.channel : NULL;
}

static void on_thread_exit(void *unused)
{
	struct channel *channel = process->pid ? thread_channel() : NULL;

	(void)unused;
	if (channel) {
		thread.channel = NULL;
		close_channel(channel);
	}
}

struct channel *get_channel(bool *temporary, int *error)
{
	struct channel *channel;

	if (!process->pid)
		after_fork();
	channel = thread_channel();
	*temporary = channel != NULL;
	if (channel && !channel->busy) {
		*temporary = false;
		return channel;
	}
	if (process->pid != getpid())
		*temporary = true;
	channel = new_channel(error);
	if (channel && !*temporary) {
		thread.channel = channel;
		thread.fork_count = fork_count;
		pthread_setspecific(thread_exit_key, channel);
	}
	return channel;
}

int close_around_channels(unsigned int first, unsigned int last, int flags)
{
	if (!process->pid)
		after_fork();
	while (first <= last) {
		unsigned int end = last, skipped = 0;
		int used = channels_used;

		for (int i = 0; i < used; i++) {
			unsigned int spared[] = { channels[i].sock, channels[i].slot_fd };

			for (int j = 0; channels[i].taken && j < 2; j++)
				if (spared[j] >= first && spared[j] <= end) {
					end = spared[j] - 1;
					skipped = 1;
				}
		}
		/* The lowest channel may be the first of the range, which then is empty. */
		if (!(skipped && end + 1 == first) && syscall(SYS_close_range, first, end, flags))
			return -1;
		if (end == UINT_MAX || end + skipped >= last)
			return 0;
		first = end + skipped + 1;
	}
	return 0;
}
