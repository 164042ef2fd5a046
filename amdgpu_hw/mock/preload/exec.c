/* SPDX-License-Identifier: MIT */
/*
 * exec.c - programs that a client starts without any environment stay on the machine.
 *
 * What puts a program on a machine is its environment. A client that gives a program another environment may want it
 * elsewhere (a mock kernel that is started on a mock machine); one that gives it none has not thought of machines.
 */
#define _GNU_SOURCE
#include "preload.h"

#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DECLARE_NEXT(execve);
DECLARE_NEXT(execvpe);
DECLARE_NEXT(posix_spawn);
DECLARE_NEXT(posix_spawnp);

#define VARIABLES 3

static const char *const names[VARIABLES] = { "LD_PRELOAD", "UMOCKDEV_DIR", WIRE_ENVIRONMENT };
static char variables[VARIABLES][2 * PATH_MAX];
static char *machine_environment[VARIABLES + 1]; /* what a program on this machine needs; empty elsewhere */

void keep_environment(void)
{
	int count = 0;

	for (int i = 0; i < VARIABLES; i++) {
		const char *value = getenv(names[i]);

		if (value && (size_t)snprintf(variables[i], sizeof(variables[i]), "%s=%s", names[i], value) <
				     sizeof(variables[i]))
			machine_environment[count++] = variables[i];
	}
	machine_environment[count] = NULL;
	/* Called between vfork and exec, where dlsym() must not be. */
	NEXT(execve);
	NEXT(execvpe);
}

static char *const *on_this_machine(char *const environment[])
{
	return on_machine() && (!environment || !environment[0]) ? machine_environment : environment;
}

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
	return NEXT(execve)(path, arguments, on_this_machine(environment));
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
	return NEXT(execvpe)(file, arguments, on_this_machine(environment));
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
	return NEXT(posix_spawn)(pid, path, actions, attributes, arguments, on_this_machine(environment));
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
	return NEXT(posix_spawnp)(pid, file, actions, attributes, arguments, on_this_machine(environment));
}
