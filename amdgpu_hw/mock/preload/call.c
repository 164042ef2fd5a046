/* SPDX-License-Identifier: MIT */
/*
 * call.c - one system call on its way to the mock kernel and back (wire.h).
 *
 * As in channel.c: no malloc and no lock.
 */
#define _GNU_SOURCE
#include "private.h"
#include "../transport/relax.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS 50000
#define SPINS_PER_CLOCK 16

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static bool is_pending(const struct channel *channel)
{
	return atomic_load(&channel->slot->state) == WIRE_REQUEST;
}

static void tell(const struct channel *channel, uint32_t kind)
{
	struct wire_message message = { .kind = kind, .seq = channel->seq };

	while (syscall(SYS_sendto, channel->sock, &message, sizeof(message), MSG_NOSIGNAL, NULL, 0) < 0)
		if (errno != EINTR)
			return;
}

/* Worth it only while the mock kernel runs on another CPU: on ours it cannot before we sleep. */
static void spin(const struct channel *channel, uint32_t cpu)
{
	int64_t until = 0, now;

	for (;;) {
		uint32_t server_cpu = atomic_load_explicit(&board->server_cpu, memory_order_relaxed);

		if (server_cpu == cpu || server_cpu == WIRE_NO_CPU)
			return;
		for (int i = 0; i < SPINS_PER_CLOCK; i++) {
			if (!is_pending(channel))
				return;
			relax();
		}
		now = now_ns();
		if (!until)
			until = now + SPIN_NS;
		if (now >= until)
			return;
	}
}

/* Sleep until the slot leaves WIRE_REQUEST; -ENODEV when the mock kernel is gone. */
static int sleep_in_call(struct channel *channel)
{
	struct wire_slot *slot = channel->slot;
	struct wire_message message;
	int error;

	while (is_pending(channel)) {
		atomic_store(&slot->client_sleeps, 1);
		/* Answered meanwhile: if the flag was taken, a WIRE_WAKE is on its way and has to be received. */
		if (!is_pending(channel) && atomic_exchange(&slot->client_sleeps, 0))
			return 0;
		do {
			error = receive(channel, &message);
			/*
			 * EINTR means a handler without SA_RESTART ran, the only case in which a system call would
			 * fail with it. Whether this one does is for the mock kernel to say.
			 */
			if (error == -EINTR && atomic_load(&slot->client_sleeps))
				tell(channel, WIRE_INTERRUPT);
		} while (error == -EINTR || (!error && message.kind != WIRE_WAKE));
		if (error)
			return -ENODEV;
	}
	return 0;
}

static void accept_passed_fd(struct channel *channel)
{
	int fd = take_fd(channel);

	if (fd >= 0 && !channel->slot->pass_cloexec)
		fcntl(fd, F_SETFD, 0);
	channel->slot->passed = fd;
	atomic_store(&channel->slot->state, WIRE_REQUEST);
	tell(channel, WIRE_PASSED);
}

/* Let the mock kernel run what is in the slot, until the reply is in it; -ENODEV when the mock kernel is gone. */
static int run_call(struct channel *channel)
{
	struct wire_slot *slot = channel->slot;
	uint32_t cpu = sched_getcpu(), state;

	slot->seq = ++channel->seq;
	atomic_store_explicit(&slot->client_cpu, cpu, memory_order_relaxed);
	atomic_store(&slot->state, WIRE_REQUEST);
	if (!atomic_load(&slot->server_polls))
		tell(channel, WIRE_RING);
	for (;;) {
		if (board->spin)
			spin(channel, cpu);
		if (sleep_in_call(channel))
			return -ENODEV;
		state = atomic_load(&slot->state);
		if (state != WIRE_PASS_FD)
			return 0;
		accept_passed_fd(channel);
	}
}

#define ARGUMENT_OFFSET ((off_t)offsetof(struct wire_slot, argument))

/* Put an ioctl's argument into the slot; bad pointers are left to the mock kernel, which knows whether they matter. */
static void send_argument(const struct channel *channel, const struct call *call)
{
	struct wire_slot *slot = channel->slot;
	uint32_t size = call->argument_size, room = call->answer_room;
	long copied = 0;

	if (size && size <= WIRE_ARGUMENT_SIZE && channel->may_write_file)
		copied = syscall(SYS_pwrite64, channel->slot_fd, call->argument, size, ARGUMENT_OFFSET);
	slot->argument_size = copied == size ? size : 0;
	slot->answer_room = room <= WIRE_ARGUMENT_SIZE ? room : 0;
}

/* Take an ioctl's argument back; false when there is no writable memory for it. */
static bool receive_answer(const struct channel *channel, const struct call *call)
{
	long size = channel->slot->answer_size;

	/* Whatever the slot says: no more than the argument has. */
	if (size > (long)call->answer_room)
		size = call->answer_room;
	return !size || syscall(SYS_pread64, channel->slot_fd, call->argument, size, ARGUMENT_OFFSET) == size;
}

/* Take what came with the reply; the result of the system call. */
static int64_t receive_reply(struct channel *channel, const struct call *call)
{
	struct wire_slot *slot = channel->slot;
	int64_t result = slot->result;

	if (!receive_answer(channel, call))
		result = -EFAULT;
	if (call->stat)
		*call->stat = slot->stat;
	if (call->name)
		memcpy(call->name, slot->text, WIRE_TEXT_SIZE);
	if (result >= 0 && slot->has_fd) {
		int fd = take_fd(channel);

		if (fd < 0)
			result = fd;
		else if (call->received)
			*call->received = fd;
		else
			raw_close(fd);
	}
	return result;
}

int64_t make_call(const struct call *call)
{
	bool temporary;
	int error = 0;
	struct channel *channel = get_channel(&temporary, &error);
	struct wire_slot *slot;
	int64_t result;

	if (!channel)
		return error;
	channel->busy = true;
	atomic_signal_fence(memory_order_seq_cst);
	slot = channel->slot;
	slot->op = call->op;
	slot->fd = call->fd;
	slot->ino = call->ino;
	memcpy(slot->args, call->args, sizeof(slot->args));
	if (call->text)
		strncpy(slot->text, call->text, sizeof(slot->text) - 1);
	send_argument(channel, call);
	/* Without a reply the slot still has the one before, which is none of this call's. */
	result = run_call(channel);
	if (!result)
		result = receive_reply(channel, call);
	atomic_signal_fence(memory_order_seq_cst);
	channel->busy = false;
	if (temporary)
		close_channel(channel);
	return result;
}
