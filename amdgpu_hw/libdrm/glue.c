/* SPDX-License-Identifier: MIT */
/* The C of the module: calls that older libdrm releases do not have, and the time an update's ioctl took.
 *
 * Debian 12's libdrm is 2.4.114; what came later is looked up at run time, so that a module built against the old
 * library uses the new calls as soon as the library has them, and the other way round. */

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include <amdgpu.h>
#include <amdgpu_drm.h>
#include <xf86drm.h>

typedef int (*device_initialize2_fn)(int, bool, uint32_t *, uint32_t *, amdgpu_device_handle *);
typedef int (*bo_va_op_raw2_fn)(amdgpu_device_handle, amdgpu_bo_handle, uint64_t, uint64_t, uint64_t, uint64_t,
				uint32_t, uint32_t, uint64_t, uint64_t, uint32_t);

static device_initialize2_fn device_initialize2;
static bo_va_op_raw2_fn bo_va_op_raw2;

__attribute__((constructor)) static void look_up_newer_calls(void)
{
	/* RTLD_DEFAULT searches the libraries this module is linked with, too. */
	device_initialize2 = (device_initialize2_fn)dlsym(RTLD_DEFAULT, "amdgpu_device_initialize2");
	bo_va_op_raw2 = (bo_va_op_raw2_fn)dlsym(RTLD_DEFAULT, "amdgpu_bo_va_op_raw2");
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool glue_has_device_initialize2(void)
{
	return device_initialize2 != NULL;
}

static bool glue_has_bo_va_op_raw2(void)
{
	return bo_va_op_raw2 != NULL;
}

static int glue_device_initialize_isolated(int fd, uint32_t *major, uint32_t *minor, amdgpu_device_handle *device)
{
	if (!device_initialize2)
		return -ENOSYS;
	return device_initialize2(fd, false, major, minor, device);
}

static int glue_bo_va_op_raw2(amdgpu_device_handle device, amdgpu_bo_handle bo, uint64_t offset, uint64_t size,
			      uint64_t address, uint64_t flags, uint32_t operation, uint32_t syncobj_out,
			      uint64_t point_out, uint64_t input_handles, uint32_t num_input_handles,
			      uint64_t *elapsed_ns)
{
	uint64_t start;
	int ret;

	if (!bo_va_op_raw2)
		return -ENOSYS;
	start = now_ns();
	ret = bo_va_op_raw2(device, bo, offset, size, address, flags, operation, syncobj_out, point_out, input_handles,
			    num_input_handles);
	*elapsed_ns = now_ns() - start;
	return ret;
}

static int glue_timed_ioctl(int fd, unsigned long request, void *arg, bool restart, uint64_t *elapsed_ns)
{
	uint64_t start = now_ns();
	/* drmIoctl() starts again what a signal has ended. */
	int ret = restart ? drmIoctl(fd, request, arg) : ioctl(fd, request, arg);

	*elapsed_ns = now_ns() - start;
	return ret ? -errno : 0; /* now_ns() cannot fail, so errno is still the ioctl's */
}
