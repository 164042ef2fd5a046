/* SPDX-License-Identifier: MIT */
/*
 * wire.h - what the preload library (preload.c, in every client) and the mock kernel's process (transport.c) share.
 *
 * A mock open file is one end of a socketpair: the host kernel counts its references through dup, fork,
 * SCM_RIGHTS, exec and kill, and the mock kernel, which holds the other end, sees HUP when the last one is gone.
 * The client end carries a mode no other socket has (WIRE_FILE_MODE), so one fstat() tells a mock file from any
 * other, and its inode number tells which one it is.
 *
 * A system call travels through a slot: one page of shared memory per client thread. Beside it the thread has a
 * SEQPACKET connection, its channel: a doorbell for whoever of the two sleeps, and the way descriptors travel.
 *
 *   client                                          mock kernel
 *   fill the slot, state = WIRE_REQUEST             (an ioctl: its argument goes along)
 *   if !server_polls: send WIRE_RING  ----------->  (sleeps in epoll, or polls the slot)
 *                                                   ... runs the system call ...
 *                             [for each descriptor] send WIRE_FD with SCM_RIGHTS, state = WIRE_PASS_FD
 *   take it, passed = number, state = WIRE_REQUEST,
 *   send WIRE_PASSED  ------------------------->
 *                                                   result = ..., state = WIRE_REPLY
 *   (spins on state, or sleeps in recvmsg)  <-----  if client_sleeps: send WIRE_WAKE
 *   (an ioctl: write the answer back)
 *
 * The argument of an ioctl travels in the slot where that saves the mock kernel two accesses to the client's memory,
 * each of which takes longer than both of the client's own. The client copies it with pwrite() and pread() of the
 * slot's file, which fail with EFAULT as the mock kernel would; without them (argument_size, answer_room = 0), or for
 * a larger argument, the mock kernel accesses the client's memory.
 *
 * Nothing in a slot is to be trusted by the mock kernel: it reads each field once.
 */
#ifndef AMDGPU_HW_MOCK_WIRE_H
#define AMDGPU_HW_MOCK_WIRE_H

#include <stdatomic.h>
#include <stdint.h>

#define WIRE_MAGIC 0x686d6470u
#define WIRE_VERSION 2u

/* Environment of a client: the machine's private directory, which holds the two files below. */
#define WIRE_ENVIRONMENT "AMDGPU_HW_MOCK"
#define WIRE_SOCKET "socket"
#define WIRE_BOARD "board"

/* S_IFSOCK and permission bits that nobody gives a socket. */
#define WIRE_FILE_MODE 0147531u

/*
 * The sticky bit, which no ordinary file in /sys has: the mock kernel hears of writes to the file (inotify), and who
 * has closed it goes on when they have been dealt with (WIRE_SETTLE).
 */
#define WIRE_HEARD_MODE 01000u

/* The file system at /sys/kernel/debug, and its device (makedev(0, 7)): as every anonymous one it has major 0. */
#define WIRE_DEBUGFS "/sys/kernel/debug"
#define WIRE_DEBUGFS_DEV 7

#define WIRE_NODES_SIZE 3072
#define WIRE_TEXT_SIZE 1024
#define WIRE_ARGUMENT_SIZE 256
#define WIRE_SLOT_SIZE 4096
#define WIRE_NO_CPU 0xffffffffu

/* The notice board: a file that every client maps read-only and only the mock kernel writes. */
struct wire_board {
	uint32_t magic;
	uint32_t version;
	uint32_t server_pid;
	uint32_t spin;		     /* more than one CPU: spinning can pay */
	_Atomic uint32_t server_cpu; /* where the mock kernel runs, WIRE_NO_CPU while it sleeps */
	_Atomic uint32_t nodes_seq;  /* odd while the list changes */
	uint32_t nodes_length;
	char nodes[WIRE_NODES_SIZE]; /* paths of the nodes, each NUL-terminated */
};

enum wire_state { WIRE_IDLE, WIRE_REQUEST, WIRE_PASS_FD, WIRE_REPLY };

enum wire_op {
	WIRE_OPEN = 1, /* text = path, args = flags; the reply carries a descriptor */
	WIRE_IOCTL,    /* args = request, argp */
	WIRE_MMAP,     /* args = offset, length, prot, flags; result = offset, the reply carries a descriptor */
	WIRE_FLUSH,    /* a descriptor is about to be closed */
	WIRE_FSTAT,    /* the reply is in stat */
	WIRE_LSEEK,    /* args = offset, whence */
	WIRE_READ,     /* args = size; result = how much of text is what was read */
	WIRE_NAME,     /* the reply is in text */
	WIRE_FDINFO,   /* text = what the host's fdinfo reads; the reply carries a descriptor to read ours from */
	WIRE_MKDIR,    /* text = path of a directory that the mock kernel fills */
	WIRE_RMDIR,    /* text = path of such a directory */
	WIRE_SETTLE,   /* the reply comes when everything closed before has been dealt with */
};

struct wire_stat {
	uint64_t dev, ino, size;
	uint32_t mode, nlink, uid, gid;
	uint32_t rdev_major, rdev_minor;
};

/* One system call at a time of one client thread. */
struct wire_slot {
	_Atomic uint32_t state;
	_Atomic uint32_t client_sleeps; /* the reply has to be followed by WIRE_WAKE */
	_Atomic uint32_t server_polls;	/* written by the mock kernel: no WIRE_RING needed */
	_Atomic uint32_t client_cpu;
	uint32_t tid;
	uint32_t seq; /* number of the request, so that a late interrupt finds its call gone */
	uint32_t op;
	int32_t fd;   /* descriptor the call was made on */
	uint64_t ino; /* inode of that descriptor */
	uint64_t args[4];
	int64_t result; /* >= 0, or -errno */
	int32_t passed; /* client: number of the descriptor it took, or -errno */
	uint32_t pass_cloexec;
	uint32_t has_fd; /* the reply carries a descriptor */
	struct wire_stat stat;
	char text[WIRE_TEXT_SIZE];
	uint32_t argument_size; /* client: bytes of the ioctl's argument that are in `argument` */
	uint32_t answer_room;	/* client: how many bytes of `argument` it is ready to write back */
	uint32_t answer_size;	/* mock kernel: how many it has to */
	char argument[WIRE_ARGUMENT_SIZE];
};

_Static_assert(sizeof(struct wire_slot) <= WIRE_SLOT_SIZE, "a slot is one page");
_Static_assert(sizeof(struct wire_board) <= 4096, "the board is one page");

/* Messages on a channel. */
enum wire_kind {
	WIRE_RING = 1,	/* client: there is a request in the slot */
	WIRE_INTERRUPT, /* client: a signal arrived during request seq */
	WIRE_PASSED,	/* client: slot.passed is written */
	WIRE_WAKE,	/* server: look at the slot */
	WIRE_FD,	/* server: here is a descriptor (the first one ever is the slot's memory) */
};

struct wire_message {
	uint32_t kind;
	uint32_t seq;
};

#endif
