/* SPDX-License-Identifier: MIT */
/*
 * buffer_commands.c - fills, updates and copies of Vulkan buffers, with a check of every byte.
 *
 * Sizes from one word to a MiB, at offsets that no vector width divides: drivers take another command, or another
 * shader, for each. Knows Vulkan and nothing else.
 *
 * Exit status: 0 all checks hold, 1 a check or a call failed, 2 there is no device for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vulkan_device.h"

#define SIZE (1u << 20)
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

struct piece {
	uint32_t from, to, size; /* bytes */
};

static VkBuffer source, target;
static struct memory source_memory, target_memory;
static uint8_t expected[SIZE];

static const struct piece fills[] = {
	{ .to = 0, .size = 4 },		  { .to = 12, .size = 512 },	 { .to = 4096, .size = 4096 },
	{ .to = 8196, .size = 4092 },	  { .to = 16388, .size = 5000 }, { .to = 65536, .size = 65536 },
	{ .to = 131072, .size = 131076 }, { .to = 0, .size = SIZE },
};

static const struct piece copies[] = {
	{ 0, 0, 4 },	      { 1, 2, 3 },	  { 4, 8, 512 },      { 0, 4096, 4096 },   { 4, 8196, 4092 },
	{ 16, 16384, 5000 },  { 3, 32769, 4099 }, { 7, 49159, 8191 }, { 0, 65536, 65536 }, { 12, 131076, 131072 },
	{ 1, 300000, 70001 }, { 0, 0, SIZE },
};

static const struct piece updates[] = {
	{ .to = 4, .size = 4 },
	{ .to = 64, .size = 1024 },
	{ .to = 4096, .size = 4096 },
	{ .to = 8196, .size = 65536 },
};

/* Drivers copy to and from memory of the host with another unit. */
static struct memory create_visible_vram_buffer(VkBuffer *buffer)
{
	VkMemoryRequirements requirements = create_buffer(SIZE, 0, buffer);
	struct memory memory = allocate(SIZE, requirements.memoryTypeBits,
					VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);

	CHECK_VK(vkBindBufferMemory(device, *buffer, memory.object, 0));
	return memory;
}

static uint32_t next_random(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return state >> 33;
}

static void check(const char *what, const struct piece *piece)
{
	for (uint32_t i = 0; i < SIZE; i++)
		if (target_memory.bytes[i] != expected[i]) {
			fprintf(stderr, "%s of %u bytes from %u to %u: byte %u is %#x, expected %#x\n", what,
				piece->size, piece->from, piece->to, i, target_memory.bytes[i], expected[i]);
			exit(1);
		}
}

static void run(VkCommandBuffer commands, const char *what, const struct piece *piece)
{
	submit(commands);
	wait_idle();
	check(what, piece);
}

static void test_fill(const struct piece *piece)
{
	uint32_t word = next_random() | 1;
	VkCommandBuffer commands = begin();

	vkCmdFillBuffer(commands, target, piece->to, piece->size, word);
	for (uint32_t i = 0; i < piece->size; i += 4)
		memcpy(expected + piece->to + i, &word, 4);
	run(commands, "fill", piece);
}

static void test_copy(const struct piece *piece)
{
	VkBufferCopy copy = { .srcOffset = piece->from, .dstOffset = piece->to, .size = piece->size };
	VkCommandBuffer commands = begin();

	vkCmdCopyBuffer(commands, source, target, 1, &copy);
	memcpy(expected + piece->to, source_memory.bytes + piece->from, piece->size);
	run(commands, "copy", piece);
}

static void test_update(const struct piece *piece)
{
	static uint32_t words[65536 / 4];
	VkCommandBuffer commands = begin();

	for (uint32_t i = 0; i < piece->size / 4; i++)
		words[i] = next_random();
	vkCmdUpdateBuffer(commands, target, piece->to, piece->size, words);
	memcpy(expected + piece->to, words, piece->size);
	run(commands, "update", piece);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!open_device()) {
		fprintf(stderr, "no AMD device with sparse residency of buffers\n");
		return 2;
	}
	source_memory = create_visible_vram_buffer(&source);
	target_memory = create_visible_vram_buffer(&target);
	for (uint32_t i = 0; i < SIZE; i++)
		source_memory.bytes[i] = next_random();
	memset(target_memory.bytes, 0xcd, SIZE);
	memset(expected, 0xcd, SIZE);
	for (size_t i = 0; i < LENGTH(fills); i++)
		test_fill(&fills[i]);
	printf("ok: %zu fills\n", LENGTH(fills));
	for (size_t i = 0; i < LENGTH(copies); i++)
		test_copy(&copies[i]);
	printf("ok: %zu copies\n", LENGTH(copies));
	for (size_t i = 0; i < LENGTH(updates); i++)
		test_update(&updates[i]);
	printf("ok: %zu updates\n", LENGTH(updates));
	vkDestroyBuffer(device, source, NULL);
	vkDestroyBuffer(device, target, NULL);
	vkFreeMemory(device, source_memory.object, NULL);
	vkFreeMemory(device, target_memory.object, NULL);
	close_device();
	return 0;
}
