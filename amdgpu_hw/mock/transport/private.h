/* SPDX-License-Identifier: MIT */
/*
 * private.h - what the parts of the mock kernel's end share: waiting (transport.c), channels and the ends of
 * system calls (channel.c).
 */
#ifndef AMDGPU_HW_MOCK_TRANSPORT_PRIVATE_H
#define AMDGPU_HW_MOCK_TRANSPORT_PRIVATE_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <time.h>

#include "transport.h"
#include "wire.h"

#define POLLED_MAX 32 /* slots polled at a time; the others ring */
#define EVENTS_MAX 128
#define PATIENCE_FIRST 32 /* calls on one CPU with the client before leaving it */

enum tag { TAG_LISTENER, TAG_CHANNEL, TAG_WATCH, TAG_FILE };

struct channel {
	int sock;
	uint32_t generation; /* tells a stale epoll event from one of the channel that now has the number */
	bool busy;	     /* a system call runs */
	bool polled;
	bool passing;		/* the client was asked to take a descriptor */
	bool rung;		/* in the queue of channels whose doorbell rang */
	struct wire_slot *slot; /* NULL: the number is free */
};

struct transport {
	int listener, epoll, spare;
	int board_fd;
	struct wire_board board; /* what we have published: see publish() */
	struct channel *channels;
	uint32_t channel_count, generation;
	uint32_t polled[POLLED_MAX];
	uint32_t polled_count, polled_next;
	uint32_t *rung; /* ring buffer of channel_count + 1 entries */
	uint32_t rung_head, rung_tail, rung_size;
	struct epoll_event events[EVENTS_MAX];
	int event_count, event_next;
	uint32_t candidate; /* a request found in a slot, while epoll is asked for what came before it */
	bool has_candidate;
	bool polled_first; /* whose turn it is: the slots that are polled, or those whose doorbell rang */
	bool interrupted;  /* a signal of our own arrived: Python wants to run its handler */
	uint32_t last_client_cpu;
	uint32_t calls_on_shared_cpu, calls_apart, patience;
	int64_t last_request;
};

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

#define RESERVED_DESCRIPTORS 64

bool is_reserved_fd(int fd);

/* Ask epoll for `events` of fd, to be reported with `data`; 0 or -errno. */
int epoll_add(struct transport *transport, int fd, uint32_t events, uint64_t data);
uint64_t tag_data(enum tag tag, uint64_t value);

/*
 * Write a part of our copy of the board to its file. No mapping: a client may cut the file short, or the disk be full,
 * and an access to a mapping would then kill us.
 */
bool publish(struct transport *transport, size_t offset, size_t size);

/* Take a client's connection; true when `event` says so. */
bool accept_channel(struct transport *transport, struct event *event);

/* Take a slot off the list of those that are polled. */
void stop_polling(struct transport *transport, uint32_t index);

#endif
