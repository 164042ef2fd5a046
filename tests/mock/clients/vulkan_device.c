/* SPDX-License-Identifier: MIT */
/*
 * vulkan_device.c - see vulkan_device.h.
 */
#include "vulkan_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VENDOR_AMD 0x1002

VkDevice device;
bool strict;

static VkInstance instance;
static VkPhysicalDevice physical;
static uint32_t command_family, bind_family; /* one family where the device has one for both */
static VkQueue command_queue, bind_queue;
static VkCommandPool pool;

/*
 * Vulkan orders neither a bind and a submission nor two binds, not even on one queue: each operation waits for a
 * semaphore that the one before it signals. Two are enough, since the wait for one takes its signal back.
 */
static VkSemaphore turns[2];
static uint32_t operations;

void check_vk(VkResult result, const char *call)
{
	if (result != VK_SUCCESS) {
		fprintf(stderr, "%.*s failed with VkResult %d\n", (int)strcspn(call, "("), call, result);
		exit(1);
	}
}

static bool find_families(void)
{
	VkQueueFamilyProperties families[16];
	uint32_t count = 16;
	bool both = false, commands = false, binds = false;

	vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
	for (uint32_t i = 0; i < count && !both; i++) {
		bool takes_commands = families[i].queueFlags & (VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT);
		bool takes_binds = families[i].queueFlags & VK_QUEUE_SPARSE_BINDING_BIT;

		both = takes_commands && takes_binds;
		if (both || (takes_commands && !commands))
			command_family = i;
		if (both || (takes_binds && !binds))
			bind_family = i;
		commands |= takes_commands;
		binds |= takes_binds;
	}
	return commands && binds;
}

static bool choose_device(void)
{
	VkPhysicalDevice found[16];
	VkPhysicalDeviceProperties properties;
	VkPhysicalDeviceFeatures features;
	uint32_t count = 16;

	CHECK_VK(vkEnumeratePhysicalDevices(instance, &count, found));
	for (uint32_t i = 0; i < count; i++) {
		physical = found[i];
		vkGetPhysicalDeviceProperties(physical, &properties);
		vkGetPhysicalDeviceFeatures(physical, &features);
		if (properties.vendorID != VENDOR_AMD || !features.sparseBinding || !features.sparseResidencyBuffer ||
		    !features.sparseResidencyAliased || !find_families())
			continue;
		strict = properties.sparseProperties.residencyNonResidentStrict;
		printf("device: %s\nstrict: %s\n", properties.deviceName, strict ? "yes" : "no");
		return true;
	}
	return false;
}

static void create_device(void)
{
	float priority = 1;
	VkDeviceQueueCreateInfo queue_infos[2] = {
		{
			.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
			.queueFamilyIndex = command_family,
			.queueCount = 1,
			.pQueuePriorities = &priority,
		},
		{
			.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
			.queueFamilyIndex = bind_family,
			.queueCount = 1,
			.pQueuePriorities = &priority,
		},
	};
	VkPhysicalDeviceFeatures features = {
		.sparseBinding = VK_TRUE,
		.sparseResidencyBuffer = VK_TRUE,
		.sparseResidencyAliased = VK_TRUE,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = command_family == bind_family ? 1 : 2,
		.pQueueCreateInfos = queue_infos,
		.pEnabledFeatures = &features,
	};
	VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.queueFamilyIndex = command_family,
	};
	VkSemaphoreCreateInfo semaphore_info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO };

	CHECK_VK(vkCreateDevice(physical, &info, NULL, &device));
	vkGetDeviceQueue(device, command_family, 0, &command_queue);
	vkGetDeviceQueue(device, bind_family, 0, &bind_queue);
	for (int i = 0; i < 2; i++)
		CHECK_VK(vkCreateSemaphore(device, &semaphore_info, NULL, &turns[i]));
	CHECK_VK(vkCreateCommandPool(device, &pool_info, NULL, &pool));
}

bool open_device(void)
{
	VkApplicationInfo application = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
					  .apiVersion = VK_API_VERSION_1_1 };
	VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
				      .pApplicationInfo = &application };

	CHECK_VK(vkCreateInstance(&info, NULL, &instance));
	if (!choose_device())
		return false;
	create_device();
	return true;
}

void close_device(void)
{
	for (int i = 0; i < 2; i++)
		vkDestroySemaphore(device, turns[i], NULL);
	vkDestroyCommandPool(device, pool, NULL);
	vkDestroyDevice(device, NULL);
	vkDestroyInstance(instance, NULL);
}

static uint32_t memory_type(uint32_t allowed, VkMemoryPropertyFlags wanted)
{
	VkPhysicalDeviceMemoryProperties properties;

	vkGetPhysicalDeviceMemoryProperties(physical, &properties);
	for (uint32_t i = 0; i < properties.memoryTypeCount; i++)
		if (allowed & 1u << i && (properties.memoryTypes[i].propertyFlags & wanted) == wanted)
			return i;
	fprintf(stderr, "no memory type of %#x has the properties %#x\n", allowed, wanted);
	exit(1);
}

struct memory allocate(VkDeviceSize size, uint32_t allowed, VkMemoryPropertyFlags wanted)
{
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = size,
		.memoryTypeIndex = memory_type(allowed, wanted),
	};
	struct memory memory = { 0 };

	CHECK_VK(vkAllocateMemory(device, &info, NULL, &memory.object));
	if (wanted & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
		CHECK_VK(vkMapMemory(device, memory.object, 0, VK_WHOLE_SIZE, 0, (void **)&memory.bytes));
	return memory;
}

VkMemoryRequirements create_buffer(VkDeviceSize size, VkBufferCreateFlags flags, VkBuffer *buffer)
{
	uint32_t families[] = { command_family, bind_family };
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.flags = flags,
		.size = size,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	VkMemoryRequirements requirements;

	if (flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT && command_family != bind_family) {
		info.sharingMode = VK_SHARING_MODE_CONCURRENT;
		info.queueFamilyIndexCount = 2;
		info.pQueueFamilyIndices = families;
	}
	CHECK_VK(vkCreateBuffer(device, &info, NULL, buffer));
	vkGetBufferMemoryRequirements(device, *buffer, &requirements);
	return requirements;
}

struct memory create_host_buffer(VkDeviceSize size, VkBuffer *buffer)
{
	VkMemoryRequirements requirements = create_buffer(size, 0, buffer);
	struct memory memory = allocate(requirements.size, requirements.memoryTypeBits,
					VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);

	CHECK_VK(vkBindBufferMemory(device, *buffer, memory.object, 0));
	return memory;
}

VkCommandBuffer begin(void)
{
	VkCommandBufferAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	VkCommandBufferBeginInfo begin_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	VkCommandBuffer commands;

	CHECK_VK(vkAllocateCommandBuffers(device, &info, &commands));
	CHECK_VK(vkBeginCommandBuffer(commands, &begin_info));
	return commands;
}

static void barrier(VkCommandBuffer commands)
{
	VkMemoryBarrier all = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
	};

	vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
			     VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &all, 0, NULL, 0,
			     NULL);
}

/* The semaphore that the next operation waits for (none for the first one), and the one that it signals. */
static const VkSemaphore *turn(const VkSemaphore **signal, uint32_t *waits)
{
	uint32_t number = operations++;

	*waits = number > 0;
	*signal = &turns[number % 2];
	return &turns[(number + 1) % 2];
}

void submit(VkCommandBuffer commands)
{
	VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
	VkSubmitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.pWaitDstStageMask = &stage,
		.commandBufferCount = 1,
		.pCommandBuffers = &commands,
		.signalSemaphoreCount = 1,
	};

	info.pWaitSemaphores = turn(&info.pSignalSemaphores, &info.waitSemaphoreCount);
	barrier(commands);
	CHECK_VK(vkEndCommandBuffer(commands));
	CHECK_VK(vkQueueSubmit(command_queue, 1, &info, VK_NULL_HANDLE));
}

void bind_sparse(const VkSparseBufferMemoryBindInfo *binds)
{
	VkBindSparseInfo info = {
		.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
		.bufferBindCount = 1,
		.pBufferBinds = binds,
		.signalSemaphoreCount = 1,
	};

	info.pWaitSemaphores = turn(&info.pSignalSemaphores, &info.waitSemaphoreCount);
	CHECK_VK(vkQueueBindSparse(bind_queue, 1, &info, VK_NULL_HANDLE));
}

void wait_idle(void)
{
	CHECK_VK(vkDeviceWaitIdle(device));
	CHECK_VK(vkResetCommandPool(device, pool, 0));
}
