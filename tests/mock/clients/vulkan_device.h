/* SPDX-License-Identifier: MIT */
/*
 * vulkan_device.h - one Vulkan device that binds sparse memory and takes commands, as much of it as a test needs.
 *
 * Binds and submissions take effect in the order of the calls, on one queue or on two: not every device has a queue
 * for both.
 *
 * Whatever fails ends the program with exit status 1 and the name of the call.
 */
#ifndef AMDGPU_HW_CLIENTS_VULKAN_DEVICE_H
#define AMDGPU_HW_CLIENTS_VULKAN_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan.h>

#define CHECK_VK(call) check_vk(call, #call)

struct memory {
	VkDeviceMemory object;
	uint8_t *bytes; /* where the CPU sees it, or NULL */
};

extern VkDevice device;
extern bool strict; /* addresses without memory read 0 */

void check_vk(VkResult result, const char *call);

/* Open the first AMD device with sparse residency of aliased buffers; false if there is none. */
bool open_device(void);
void close_device(void);

/* `allowed` as in VkMemoryRequirements.memoryTypeBits; host-visible memory is mapped. */
struct memory allocate(VkDeviceSize size, uint32_t allowed, VkMemoryPropertyFlags wanted);

/* A buffer that can be copied from and to; it has no memory yet. */
VkMemoryRequirements create_buffer(VkDeviceSize size, VkBufferCreateFlags flags, VkBuffer *buffer);

/* A buffer with memory that the CPU sees. */
struct memory create_host_buffer(VkDeviceSize size, VkBuffer *buffer);

/* A command buffer to record into. */
VkCommandBuffer begin(void);

/* End and submit `commands`, behind everything that was submitted or bound before. */
void submit(VkCommandBuffer commands);

/* Bind sparse memory, behind everything that was submitted or bound before. */
void bind_sparse(const VkSparseBufferMemoryBindInfo *binds);

/* Wait for all submissions and binds; the command buffers are gone. */
void wait_idle(void);

#endif
