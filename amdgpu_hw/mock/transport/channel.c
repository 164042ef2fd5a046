/* SPDX-License-Identifier: MIT */
/*
 * channel.c - how clients come and go, and how their system calls end.
 */
#define _GNU_SOURCE
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct channel *channel_of(struct transport *t, uint32_t number)
{
	return number < t->channel_count && t->channels[number].slot ? &t->channels[number] : NULL;
}

static int send_message(int sock, uint32_t kind, int fd)
{
	struct wire_message message = { .kind = kind };
	struct iovec iov = { &message, sizeof(message) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* ---- set-up ---- */

bool publish(struct transport *t, size_t offset, size_t size)
{
	/* Not from &t->board: gcc 12 takes a read at its start for one of its first field only. */
	const char *board = (const char *)t + offsetof(struct transport, board);
	ssize_t written;

	do
		written = pwrite(t->board_fd, board + offset, size, offset);
	while (written < 0 && errno == EINTR);
	return written == (ssize_t)size;
}

static bool make_board(struct transport *t, int directory)
{
	cpu_set_t cpus;

	t->board = (struct wire_board){
		.magic = WIRE_MAGIC,
		.version = WIRE_VERSION,
		.server_pid = getpid(),
		.server_cpu = WIRE_NO_CPU,
		.spin = !sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) > 1,
	};
	t->board_fd = openat(directory, WIRE_BOARD, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (t->board_fd < 0 || ftruncate(t->board_fd, 4096))
		return false;
	return publish(t, 0, sizeof(t->board));
}

static int listen_in(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock, length;

	length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, WIRE_SOCKET);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The socket's file gets the socket's own mode. */
	if (sock >= 0 && (fchmod(sock, 0600) || bind(sock, (struct sockaddr *)&address, sizeof(address)) ||
			  listen(sock, SOMAXCONN))) {
		close(sock);
		return -1;
	}
	return sock;
}

struct transport *transport_new(const char *directory)
{
	struct transport *t = calloc(1, sizeof(*t));
	bool has_board = false;
	int dir, error;

	if (!t)
		return NULL;
	t->listener = t->epoll = t->spare = t->board_fd = -1;
	t->last_client_cpu = WIRE_NO_CPU;
	t->patience = PATIENCE_FIRST;
	dir = open(directory, O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		has_board = make_board(t, dir);
		close(dir);
	}
	if (has_board && (t->listener = listen_in(directory)) >= 0 && (t->epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0 &&
	    (t->spare = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 &&
	    !epoll_add(t, t->listener, EPOLLIN, tag_data(TAG_LISTENER, 0)))
		return t;
	error = errno;
	transport_free(t);
	errno = error;
	return NULL;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void transport_free(struct transport *t)
{
	for (uint32_t i = 0; i < t->channel_count; i++)
		transport_close_channel(t, i);
	close_if_open(t->listener);
	close_if_open(t->epoll);
	close_if_open(t->spare);
	close_if_open(t->board_fd);
	free(t->channels);
	free(t->rung);
	free(t);
}

int transport_set_nodes(struct transport *t, const char *nodes, size_t size)
{
	struct wire_board *board = &t->board;

	if (size > sizeof(board->nodes))
		return -ENOSPC;
	atomic_fetch_add(&board->nodes_seq, 1);
	publish(t, offsetof(struct wire_board, nodes_seq), sizeof(board->nodes_seq));
	memcpy(board->nodes, nodes, size);
	board->nodes_length = size;
	atomic_thread_fence(memory_order_seq_cst);
	publish(t, offsetof(struct wire_board, nodes_length), sizeof(board->nodes_length) + sizeof(board->nodes));
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&board->nodes_seq, 1);
	publish(t, offsetof(struct wire_board, nodes_seq), sizeof(board->nodes_seq));
	return 0;
}

/* ---- clients ---- */

static bool grow(struct transport *t)
{
	uint32_t count = t->channel_count ? 2 * t->channel_count : 64;
	struct channel *channels = realloc(t->channels, count * sizeof(*channels));
	uint32_t *rung, used = 0;

	if (!channels)
		return false;
	memset(channels + t->channel_count, 0, (count - t->channel_count) * sizeof(*channels));
	t->channels = channels;
	rung = malloc((count + 1) * sizeof(*rung));
	if (!rung)
		return false;
	while (t->rung_head != t->rung_tail) {
		rung[used++] = t->rung[t->rung_head];
		t->rung_head = (t->rung_head + 1) % t->rung_size;
	}
	free(t->rung);
	t->rung = rung;
	t->rung_head = 0;
	t->rung_tail = used;
	t->rung_size = count + 1;
	t->channel_count = count;
	return true;
}

/* Give the client its slot: memory whose size cannot change any more, so that no access of ours can fault. */
static struct wire_slot *make_slot(int sock)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("mock-slot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct wire_slot *slot = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, WIRE_SLOT_SIZE) && !fcntl(fd, F_ADD_SEALS, seals))
		slot = mmap(NULL, WIRE_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (slot != MAP_FAILED && send_message(sock, WIRE_FD, fd)) {
		munmap(slot, WIRE_SLOT_SIZE);
		slot = MAP_FAILED;
	}
	close(fd);
	return slot == MAP_FAILED ? NULL : slot;
}

bool accept_channel(struct transport *t, struct event *event)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);
	uint32_t number = 0;
	struct channel *channel;
	struct wire_slot *slot;
	int sock = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (sock < 0) {
		/* Out of descriptors: turn the client away, or the listener would stay ready for ever. */
		if (errno == EMFILE || errno == ENFILE) {
			close(t->spare);
			close_if_open(accept4(t->listener, NULL, NULL, SOCK_CLOEXEC));
			t->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
		}
		return false;
	}
	while (number < t->channel_count && t->channels[number].slot)
		number++;
	if (is_reserved_fd(sock) || (number == t->channel_count && !grow(t)) ||
	    getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &credentials, &length) || credentials.uid != geteuid() ||
	    !(slot = make_slot(sock))) {
		close(sock);
		return false;
	}
	channel = &t->channels[number];
	*channel = (struct channel){
		.sock = sock, .slot = slot, .rung = channel->rung, .generation = ++t->generation & 0x3fffffff
	};
	if (epoll_add(t, sock, EPOLLIN | EPOLLRDHUP,
		      tag_data(TAG_CHANNEL, (uint64_t)channel->generation << 32 | number))) {
		transport_close_channel(t, number);
		return false;
	}
	event->kind = EVENT_CONNECT;
	event->channel = number;
	event->pid = credentials.pid;
	return true;
}

void stop_polling(struct transport *t, uint32_t index)
{
	struct channel *channel = &t->channels[t->polled[index]];

	channel->polled = false;
	if (channel->slot)
		atomic_store(&channel->slot->server_polls, 0);
	t->polled[index] = t->polled[--t->polled_count];
}

void transport_close_channel(struct transport *t, uint32_t number)
{
	struct channel *channel = channel_of(t, number);

	if (!channel)
		return;
	for (uint32_t i = 0; i < t->polled_count; i++)
		if (t->polled[i] == number) {
			stop_polling(t, i);
			break;
		}
	if (t->has_candidate && t->candidate == number)
		t->has_candidate = false;
	close(channel->sock);
	munmap(channel->slot, WIRE_SLOT_SIZE);
	channel->slot = NULL;
}

uint32_t transport_tid(struct transport *t, uint32_t number)
{
	struct channel *channel = channel_of(t, number);

	return channel ? channel->slot->tid : 0;
}

/* ---- ends of a system call ---- */

static void wake_client(struct channel *channel)
{
	if (atomic_load(&channel->slot->client_sleeps) && atomic_exchange(&channel->slot->client_sleeps, 0))
		send_message(channel->sock, WIRE_WAKE, -1);
}

static void finish(struct transport *t, struct channel *channel, int64_t result, bool has_fd)
{
	channel->slot->result = result;
	channel->slot->has_fd = has_fd;
	channel->busy = channel->passing = false;
	t->last_request = now_ns();
	atomic_store(&channel->slot->state, WIRE_REPLY);
	wake_client(channel);
}

void transport_reply(struct transport *t, uint32_t number, int64_t result)
{
	struct channel *channel = channel_of(t, number);

	if (channel && channel->busy)
		finish(t, channel, result, false);
}

void transport_reply_answer(struct transport *t, uint32_t number, int64_t result, const char *answer, size_t size)
{
	struct channel *channel = channel_of(t, number);

	if (!channel || size > WIRE_ARGUMENT_SIZE)
		return;
	memcpy(channel->slot->argument, answer, size);
	channel->slot->answer_size = size;
	transport_reply(t, number, result);
}

void transport_reply_stat(struct transport *t, uint32_t number, const struct file_stat *stat)
{
	struct channel *channel = channel_of(t, number);

	if (!channel)
		return;
	channel->slot->stat = (struct wire_stat){
		.dev = stat->dev,
		.ino = stat->ino,
		.size = stat->size,
		.mode = stat->mode,
		.nlink = stat->nlink,
		.uid = stat->uid,
		.gid = stat->gid,
		.rdev_major = stat->rdev_major,
		.rdev_minor = stat->rdev_minor,
	};
	transport_reply(t, number, 0);
}

void transport_reply_text(struct transport *t, uint32_t number, const char *text)
{
	struct channel *channel = channel_of(t, number);
	size_t length = strnlen(text, WIRE_TEXT_SIZE - 1);

	if (!channel)
		return;
	memcpy(channel->slot->text, text, length);
	channel->slot->text[length] = '\0';
	transport_reply(t, number, length);
}

int transport_reply_fd(struct transport *t, uint32_t number, int64_t result, int fd)
{
	struct channel *channel = channel_of(t, number);
	int error;

	if (!channel || !channel->busy)
		return -EPIPE;
	error = send_message(channel->sock, WIRE_FD, fd);
	finish(t, channel, error ? error : result, !error);
	return error;
}

int transport_pass_fd(struct transport *t, uint32_t number, int fd, int cloexec)
{
	struct channel *channel = channel_of(t, number);
	int error;

	if (!channel || !channel->busy)
		return -EPIPE;
	error = send_message(channel->sock, WIRE_FD, fd);
	if (error)
		return error;
	channel->passing = true;
	channel->slot->pass_cloexec = cloexec;
	atomic_store(&channel->slot->state, WIRE_PASS_FD);
	wake_client(channel);
	return 0;
}
