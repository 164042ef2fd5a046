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
VkQueue queue;
bool strict;

static VkInstance instance;
static VkPhysicalDevice physical;
static uint32_t family;
static VkCommandPool pool;

void check_vk(VkResult result, const char *call)
{
	if (result != VK_SUCCESS) {
		fprintf(stderr, "%.*s failed with VkResult %d\n", (int)strcspn(call, "("), call, result);
		exit(1);
	}
}

static bool find_queue_family(void)
{
	VkQueueFamilyProperties families[16];
	uint32_t count = 16;

	vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
	for (family = 0; family < count; family++)
		if (families[family].queueFlags & VK_QUEUE_SPARSE_BINDING_BIT &&
		    families[family].queueFlags & (VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT))
			return true;
	return false;
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
		    !features.sparseResidencyAliased || !find_queue_family())
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
	VkDeviceQueueCreateInfo queue_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueFamilyIndex = family,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkPhysicalDeviceFeatures features = {
		.sparseBinding = VK_TRUE,
		.sparseResidencyBuffer = VK_TRUE,
		.sparseResidencyAliased = VK_TRUE,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue_info,
		.pEnabledFeatures = &features,
	};
	VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.queueFamilyIndex = family,
	};

	CHECK_VK(vkCreateDevice(physical, &info, NULL, &device));
	vkGetDeviceQueue(device, family, 0, &queue);
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
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.flags = flags,
		.size = size,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	VkMemoryRequirements requirements;

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

void submit(VkCommandBuffer commands, VkSemaphore wait, VkSemaphore signal)
{
	VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
	VkSubmitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.waitSemaphoreCount = wait != VK_NULL_HANDLE,
		.pWaitSemaphores = &wait,
		.pWaitDstStageMask = &stage,
		.commandBufferCount = 1,
		.pCommandBuffers = &commands,
		.signalSemaphoreCount = signal != VK_NULL_HANDLE,
		.pSignalSemaphores = &signal,
	};

	barrier(commands);
	CHECK_VK(vkEndCommandBuffer(commands));
	CHECK_VK(vkQueueSubmit(queue, 1, &info, VK_NULL_HANDLE));
}

void wait_idle(void)
{
	CHECK_VK(vkQueueWaitIdle(queue));
	CHECK_VK(vkResetCommandPool(device, pool, 0));
}
