/* SPDX-License-Identifier: MIT */
/*
 * transport.h - the mock kernel's end of the channels, for transport.py. CFFI reads this file as well: apart from
 * lines that begin with '#' it has to be plain declarations.
 */
#ifndef AMDGPU_HW_MOCK_TRANSPORT_H
#define AMDGPU_HW_MOCK_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

struct transport;

/* What transport_next() found. */
enum event_kind {
	EVENT_TIMEOUT,	 /* the deadline has passed, or a signal arrived here */
	EVENT_CONNECT,	 /* a client thread opened a channel: channel, pid */
	EVENT_REQUEST,	 /* a system call: channel, op, fd, ino, args, and by op text or argument */
	EVENT_INTERRUPT, /* a signal arrived at the thread: channel */
	EVENT_PASSED,	 /* the client took a descriptor: channel, result = its number or -errno */
	EVENT_HANGUP,	 /* the thread closed its channel or died: channel */
	EVENT_CLOSED,	 /* the last descriptor of a mock file is gone: fd = our end */
	EVENT_WATCH,	 /* a descriptor given to transport_watch() is readable: watch */
};

struct event {
	uint32_t kind;
	uint32_t channel;
	uint64_t watch;
	int32_t pid;
	uint32_t op;
	int32_t fd;
	int32_t result;
	uint64_t ino;
	uint64_t args[4];
	char text[1024];
	uint32_t argument_size; /* 0: not here, to be read from the client's memory */
	uint32_t answer_room;	/* 0: an answer is to be written to the client's memory */
	char argument[256];
};

struct file_stat {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev_major;
	uint32_t rdev_minor;
};

struct file_ends {
	int client;
	int server;
	uint64_t ino;
};

/* Listen in `directory` and publish the board there; NULL and errno. */
struct transport *transport_new(const char *directory);
void transport_free(struct transport *transport);

/* Publish the paths of the nodes, `size` bytes of NUL-terminated strings; -ENOSPC when they do not fit. */
int transport_set_nodes(struct transport *transport, const char *nodes, size_t size);

/* Wait for something to do, at most until `deadline` (CLOCK_MONOTONIC ns; 0 = do not wait, -1 = for ever). */
void transport_next(struct transport *transport, int64_t deadline, struct event *event);

/* Report EVENT_WATCH with `watch` once `fd` is readable, then no more until it is watched again. */
int transport_watch(struct transport *transport, int fd, uint64_t watch);

/* The ways a system call ends. */
void transport_reply(struct transport *transport, uint32_t channel, int64_t result);
/* With an ioctl's argument as it is afterwards, at most answer_room bytes. */
void transport_reply_answer(struct transport *transport, uint32_t channel, int64_t result, const char *answer,
			    size_t size);
void transport_reply_stat(struct transport *transport, uint32_t channel, const struct file_stat *stat);
void transport_reply_text(struct transport *transport, uint32_t channel, const char *text);
/* With a descriptor, which the client maps or keeps. */
int transport_reply_fd(struct transport *transport, uint32_t channel, int64_t result, int fd);

/* Ask the client, in the middle of a call, to take a descriptor; EVENT_PASSED tells its number. */
int transport_pass_fd(struct transport *transport, uint32_t channel, int fd, int cloexec);

uint32_t transport_tid(struct transport *transport, uint32_t channel);
void transport_close_channel(struct transport *transport, uint32_t channel);

/* Both ends of a new mock file, the server's watched for EVENT_CLOSED; 0 or -errno. */
int transport_open_file(struct transport *transport, struct file_ends *ends);
/* Make poll() report POLLIN at the client's end for ever. */
void transport_set_readable(int server_end);

/* Copy from or to another process; 0 or -errno (-EFAULT for bad addresses). */
int transport_copy_from(int pid, void *to, uint64_t from, size_t length);
int transport_copy_to(int pid, uint64_t to, const void *from, size_t length);

/* The inode of another process's descriptor, *is_mock set when it is the client end of a mock file; 0 or -errno. */
int transport_identify_fd(int pidfd, int fd, uint64_t *ino, int *is_mock);
/* A duplicate of another process's descriptor, or -errno. */
int transport_steal_fd(int pidfd, int fd);

#endif
