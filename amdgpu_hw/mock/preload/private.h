/* SPDX-License-Identifier: MIT */
/*
 * private.h - a channel, as those see it that make and end it (channel.c) and those that make a call
 * through it (call.c).
 */
#ifndef AMDGPU_HW_MOCK_PRELOAD_PRIVATE_H
#define AMDGPU_HW_MOCK_PRELOAD_PRIVATE_H

#include "preload.h"

struct channel {
	_Atomic int taken;
	_Atomic int sock;
	_Atomic int slot_fd;
	struct wire_slot *slot;
	bool may_write_file; /* no limit on the size of files is in the way: beyond it, pwrite() raises SIGXFSZ */
	uint32_t seq;
	int received; /* a descriptor that arrived before it was asked for, or -1 */
	bool busy;    /* a call is under way; a signal handler may find it so */
};

/*
 * The calling thread's channel, or NULL and -errno. *temporary is set when it has to be closed after the call: in a
 * signal handler that interrupted a call, and in a child of vfork, which shares our memory but not our descriptors.
 */
struct channel *get_channel(bool *temporary, int *error);
void close_channel(struct channel *channel);

/* One message; a descriptor that comes with it is kept for take_fd(). 0 or -errno. */
int receive(struct channel *channel, struct wire_message *message);

/* The descriptor that the mock kernel has sent, or is about to send; or -errno. */
int take_fd(struct channel *channel);

#endif
