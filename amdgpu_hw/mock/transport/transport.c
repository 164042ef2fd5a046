/* SPDX-License-Identifier: MIT */
/*
 * transport.c - the mock kernel's end of the channels: waits for system calls of clients, without the GIL.
 *
 * Order is part of the contract. Whatever the host kernel did before a client posted a request (the last close of
 * a file, the death of a process) is told to the mock kernel before that request, as on a real machine close()
 * returns only after release(): that is why epoll is asked once more between finding a request and handing it out.
 */
#define _GNU_SOURCE
#include "relax.h"
#include "private.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPIN_NS 100000 /* how long after the last request the slots are polled before sleeping */
#define SPINS_PER_EPOLL 16
#define PATIENCE_MAX 65536 /* patience is doubled each time up to this, and forgotten after as many calls apart */

_Static_assert(sizeof(((struct event *)0)->text) == WIRE_TEXT_SIZE, "event.text holds what a slot holds");
_Static_assert(sizeof(((struct event *)0)->argument) == WIRE_ARGUMENT_SIZE, "event.argument holds what a slot holds");

uint64_t tag_data(enum tag tag, uint64_t value)
{
	return (uint64_t)tag << 62 | value;
}

int epoll_add(struct transport *t, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	return epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int transport_watch(struct transport *t, int fd, uint64_t watch)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = tag_data(TAG_WATCH, watch) };

	if (!epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &event))
		return 0;
	return errno == EEXIST && !epoll_ctl(t->epoll, EPOLL_CTL_MOD, fd, &event) ? 0 : -errno;
}

static void ring(struct transport *t, uint32_t number)
{
	if (t->channels[number].rung)
		return;
	t->channels[number].rung = true;
	t->rung[t->rung_tail] = number;
	t->rung_tail = (t->rung_tail + 1) % t->rung_size;
}

static bool requests(const struct channel *channel)
{
	return channel->slot && !channel->busy && atomic_load(&channel->slot->state) == WIRE_REQUEST;
}

/* One message of a channel; true when `event` is filled. Level-triggered epoll brings us back for the next one. */
static bool read_channel(struct transport *t, uint32_t number, struct event *event)
{
	struct channel *channel = &t->channels[number];
	struct wire_message message;
	/* Descriptors that a client sends are not received: no control buffer, the host kernel drops them. */
	ssize_t length = recv(channel->sock, &message, sizeof(message), MSG_DONTWAIT);

	event->channel = number;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (length <= 0) {
		event->kind = EVENT_HANGUP;
		return true;
	}
	if (length != sizeof(message))
		return false;
	if (message.kind == WIRE_RING && requests(channel)) {
		ring(t, number);
	} else if (message.kind == WIRE_INTERRUPT && channel->busy && message.seq == channel->slot->seq) {
		event->kind = EVENT_INTERRUPT;
		return true;
	} else if (message.kind == WIRE_PASSED && channel->passing) {
		channel->passing = false;
		event->kind = EVENT_PASSED;
		event->result = channel->slot->passed;
		return true;
	}
	return false;
}

/*
 * Something happened at the client's end of a mock file; true when it is gone. Nothing is ever read or written there,
 * but it is a socket that clients can write to: what they send is thrown away, descriptors above all. Our end would
 * hold those, the file's own among them, and then the last one would never be gone.
 */
static bool file_is_closed(struct transport *t, int server_end, uint32_t events)
{
	struct epoll_event hangup_only = { .data.u64 = tag_data(TAG_FILE, server_end) };
	char waste[4096];

	if (events & (EPOLLHUP | EPOLLERR))
		return true;
	/* The end of file of a client that shut its end down for writing would be there for ever. */
	if (recv(server_end, waste, sizeof(waste), MSG_DONTWAIT) == 0)
		epoll_ctl(t->epoll, EPOLL_CTL_MOD, server_end, &hangup_only);
	return false;
}

static bool take_epoll_event(struct transport *t, struct event *event)
{
	while (t->event_next < t->event_count) {
		const struct epoll_event *ready = &t->events[t->event_next++];
		uint64_t value = ready->data.u64 & ~(3ull << 62);
		uint32_t number = value;

		switch (ready->data.u64 >> 62) {
		case TAG_LISTENER:
			if (accept_channel(t, event))
				return true;
			break;
		case TAG_CHANNEL:
			if (number < t->channel_count && t->channels[number].slot &&
			    t->channels[number].generation == value >> 32 && read_channel(t, number, event))
				return true;
			break;
		case TAG_FILE:
			if (file_is_closed(t, value, ready->events)) {
				event->kind = EVENT_CLOSED;
				event->fd = value;
				return true;
			}
			break;
		case TAG_WATCH:
			event->kind = EVENT_WATCH;
			event->watch = value;
			return true;
		}
	}
	return false;
}

/* `timeout` in ns, -1 for ever. */
static void ask_epoll(struct transport *t, int64_t timeout)
{
	struct timespec ts = { timeout / 1000000000, timeout % 1000000000 };
	int count = syscall(SYS_epoll_pwait2, t->epoll, t->events, EVENTS_MAX, timeout < 0 ? NULL : &ts, NULL, 0);

	if (count < 0 && errno == ENOSYS) {
		int64_t ms = timeout < 0 ? -1 : (timeout + 999999) / 1000000;

		count = epoll_wait(t->epoll, t->events, EVENTS_MAX, ms > INT_MAX ? INT_MAX : ms);
	}
	t->interrupted = count < 0 && errno == EINTR;
	t->event_next = 0;
	t->event_count = count > 0 ? count : 0;
}

static bool find_rung(struct transport *t, uint32_t *number)
{
	while (t->rung_head != t->rung_tail) {
		*number = t->rung[t->rung_head];
		t->rung_head = (t->rung_head + 1) % t->rung_size;
		t->channels[*number].rung = false;
		if (requests(&t->channels[*number]))
			return true;
	}
	return false;
}

static bool find_polled(struct transport *t, uint32_t *number)
{
	for (uint32_t i = 0; i < t->polled_count; i++) {
		uint32_t index = (t->polled_next + i) % t->polled_count;

		if (requests(&t->channels[t->polled[index]])) {
			*number = t->polled[index];
			t->polled_next = index + 1;
			return true;
		}
	}
	return false;
}

/* In turns: neither those who ring all the time nor those who are polled can keep the others waiting. */
static bool find_request(struct transport *t, uint32_t *number)
{
	t->polled_first = !t->polled_first;
	if (t->polled_first)
		return find_polled(t, number) || find_rung(t, number);
	return find_rung(t, number) || find_polled(t, number);
}

static uint32_t at_most(uint32_t size, uint32_t most)
{
	return size < most ? size : most;
}

static void hand_out(struct transport *t, uint32_t number, struct event *event)
{
	struct channel *channel = &t->channels[number];
	struct wire_slot *slot = channel->slot;

	channel->busy = true;
	slot->answer_size = 0;
	if (!channel->polled && t->board.spin && t->polled_count < POLLED_MAX) {
		channel->polled = true;
		t->polled[t->polled_count++] = number;
		atomic_store(&channel->slot->server_polls, 1);
	}
	t->last_client_cpu = atomic_load_explicit(&channel->slot->client_cpu, memory_order_relaxed);
	event->kind = EVENT_REQUEST;
	event->channel = number;
	event->op = slot->op;
	event->fd = slot->fd;
	event->ino = slot->ino;
	memcpy(event->args, slot->args, sizeof(event->args));
	if (event->op == WIRE_OPEN || event->op == WIRE_FDINFO || event->op == WIRE_MKDIR || event->op == WIRE_RMDIR) {
		memcpy(event->text, slot->text, sizeof(event->text));
		event->text[sizeof(event->text) - 1] = '\0';
	} else if (event->op == WIRE_IOCTL) {
		event->argument_size = at_most(slot->argument_size, WIRE_ARGUMENT_SIZE);
		event->answer_room = at_most(slot->answer_room, WIRE_ARGUMENT_SIZE);
		memcpy(event->argument, slot->argument, event->argument_size);
	}
}

/* Told only to clients that would spin: it is a system call. */
static void publish_cpu(struct transport *t, uint32_t cpu)
{
	if (!t->board.spin || atomic_load_explicit(&t->board.server_cpu, memory_order_relaxed) == cpu)
		return;
	atomic_store_explicit(&t->board.server_cpu, cpu, memory_order_relaxed);
	publish(t, offsetof(struct wire_board, server_cpu), sizeof(t->board.server_cpu));
}

/*
 * Host kernels like to keep two processes that wake each other on one CPU, where each call costs two context switches
 * and nobody can spin. When that lasts, leave the client's CPU once; ever more rarely if we are brought back, until
 * the two have been apart for as long as it took.
 */
static void leave_cpu_of_client(struct transport *t, uint32_t cpu)
{
	cpu_set_t allowed, others;

	t->calls_apart = 0;
	if (++t->calls_on_shared_cpu < t->patience)
		return;
	t->calls_on_shared_cpu = 0;
	if (t->patience < PATIENCE_MAX)
		t->patience *= 2;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) < 2)
		return;
	others = allowed;
	CPU_CLR(cpu, &others);
	if (!sched_setaffinity(0, sizeof(others), &others))
		sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* Poll for a while after the last request; false when it is time to sleep. */
static bool spin(struct transport *t, int64_t deadline)
{
	uint32_t cpu = sched_getcpu();
	int64_t until = t->last_request + SPIN_NS;
	uint32_t number;

	if (!t->polled_count)
		return false;
	if (cpu == t->last_client_cpu) {
		leave_cpu_of_client(t, cpu);
		cpu = sched_getcpu();
		if (cpu == t->last_client_cpu)
			return false;
	} else if (++t->calls_apart >= t->patience) {
		t->calls_apart = t->calls_on_shared_cpu = 0;
		t->patience = PATIENCE_FIRST;
	}
	publish_cpu(t, cpu);
	for (;;) {
		int64_t now = now_ns();

		if (now >= until || (deadline >= 0 && now >= deadline))
			return now < until;
		for (int i = 0; i < SPINS_PER_EPOLL; i++) {
			if (find_polled(t, &number))
				return true;
			relax();
		}
		ask_epoll(t, 0);
		if (t->event_count)
			return true;
	}
}

void transport_next(struct transport *t, int64_t deadline, struct event *event)
{
	uint32_t number;
	bool asked = false;

	for (;;) {
		int64_t now;

		if (take_epoll_event(t, event))
			return;
		if (!t->has_candidate && find_request(t, &number)) {
			t->candidate = number;
			t->has_candidate = true;
			ask_epoll(t, 0);
			continue;
		}
		if (t->has_candidate) {
			t->has_candidate = false;
			publish_cpu(t, sched_getcpu());
			hand_out(t, t->candidate, event);
			/* The clock is read once per call, when it is over: see transport_reply(). */
			return;
		}
		now = now_ns();
		if (t->interrupted) {
			t->interrupted = false;
			event->kind = EVENT_TIMEOUT;
			return;
		}
		if (deadline >= 0 && now >= deadline) {
			/* Work may be left for ever: epoll must get its turn all the same. */
			if (!asked) {
				asked = true;
				ask_epoll(t, 0);
				continue;
			}
			event->kind = EVENT_TIMEOUT;
			return;
		}
		if (spin(t, deadline))
			continue;
		publish_cpu(t, WIRE_NO_CPU);
		while (t->polled_count) {
			number = t->polled[0];
			stop_polling(t, 0);
			/* Posted before the client could see that it has to ring. */
			if (requests(&t->channels[number]))
				ring(t, number);
		}
		if (t->rung_head != t->rung_tail)
			continue;
		ask_epoll(t, deadline < 0 ? -1 : deadline - now);
	}
}
