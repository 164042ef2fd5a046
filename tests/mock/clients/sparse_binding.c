/* SPDX-License-Identifier: MIT */
/*
 * sparse_binding.c - sparse residency of a Vulkan buffer, with a check of what is where after every change.
 *
 * A buffer of TILES tiles lives in an address range without memory. Tiles are bound to tiles of two memory blocks,
 * unbound and rebound, written and read back, and what is read is compared with a model. Every command stays below
 * 4096 bytes, so that a driver needs no shader for it. Knows Vulkan and nothing else.
 *
 * Usage: sparse_binding BYTES [bound]
 * BYTES is the size of a tile, at least as much as the device allows. With "bound" no command touches an unbound tile.
 * Exit status: 0 all checks hold, 1 a check or a call failed, 2 there is no device for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vulkan_device.h"

#define TILES 16
#define BLOCK_TILES (TILES / 2)
#define PROBE 512u /* bytes looked at in one place of a tile */
#define PLACES 3   /* head, middle and tail of a tile */
#define WALK_STEPS 150
#define NOTHING (-1)
#define POISON 0xdeadbeefu

static VkBuffer sparse, staging, readback;
static VkDeviceSize tile_size;
static struct memory blocks[2], staging_memory, readback_memory;

/* The model: which memory tile a tile is bound to, and the word each memory tile was last written with. */
static int bound_to[TILES];
static uint32_t stamp_of[TILES];
static uint32_t last_stamp = 0x1000;
static unsigned long checked_words;
static bool touch_holes = true;

static void create_buffers(VkDeviceSize smallest_tile)
{
	VkBufferCreateFlags flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT |
				    VK_BUFFER_CREATE_SPARSE_ALIASED_BIT;
	VkMemoryRequirements requirements = create_buffer(1, flags, &sparse);

	vkDestroyBuffer(device, sparse, NULL);
	for (tile_size = requirements.alignment; tile_size < smallest_tile;)
		tile_size *= 2;
	requirements = create_buffer(TILES * tile_size, flags, &sparse);
	blocks[0] = allocate(BLOCK_TILES * tile_size, requirements.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
	blocks[1] = allocate(BLOCK_TILES * tile_size, requirements.memoryTypeBits,
			     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
	staging_memory = create_host_buffer(PROBE, &staging);
	readback_memory = create_host_buffer(TILES * PLACES * PROBE, &readback);
	for (int tile = 0; tile < TILES; tile++)
		bound_to[tile] = NOTHING;
	printf("tile: %" PRIu64 "\n", tile_size);
}

static void destroy_buffers(void)
{
	vkDestroyBuffer(device, staging, NULL);
	vkDestroyBuffer(device, readback, NULL);
	vkFreeMemory(device, staging_memory.object, NULL);
	vkFreeMemory(device, readback_memory.object, NULL);
	for (int i = 0; i < 2; i++)
		vkFreeMemory(device, blocks[i].object, NULL);
}

/* ---- binds and commands ---- */

/* Bind `count` tiles from `first` on to memory tiles from `memory` on, or to NOTHING; one bind for each block. */
static void bind(int first, int count, int memory)
{
	VkSparseMemoryBind binds[2];
	VkSparseBufferMemoryBindInfo buffer_info = { .buffer = sparse, .pBinds = binds };

	for (int i = 0; i < count; i++) {
		int to = memory == NOTHING ? NOTHING : memory + i;
		VkSparseMemoryBind *last = &binds[buffer_info.bindCount];

		bound_to[first + i] = to;
		if (i && (to == NOTHING || to % BLOCK_TILES)) {
			last[-1].size += tile_size;
			continue;
		}
		*last = (VkSparseMemoryBind){ .resourceOffset = (first + i) * tile_size, .size = tile_size };
		if (to != NOTHING) {
			last->memory = blocks[to / BLOCK_TILES].object;
			last->memoryOffset = to % BLOCK_TILES * tile_size;
		}
		buffer_info.bindCount++;
	}
	bind_sparse(&buffer_info);
}

static VkDeviceSize place_offset(int place)
{
	return (tile_size - PROBE) / (PLACES - 1) / PROBE * PROBE * place;
}

static uint32_t word_at(uint32_t stamp, int place)
{
	return stamp ^ 0x11111111u * place;
}

static bool may_touch(int tile)
{
	return touch_holes || bound_to[tile] != NOTHING;
}

/* Write a new stamp to a tile: its head with a fill, its middle with an update, its tail with a copy. */
static void write_tile(int tile)
{
	VkBufferCopy tail = { .dstOffset = tile * tile_size + place_offset(2), .size = PROBE };
	uint32_t stamp = last_stamp++, words[PROBE / sizeof(uint32_t)];
	VkCommandBuffer commands;

	if (!may_touch(tile))
		return;
	commands = begin();
	for (size_t i = 0; i < PROBE / sizeof(uint32_t); i++) {
		words[i] = word_at(stamp, 1);
		((uint32_t *)staging_memory.bytes)[i] = word_at(stamp, 2);
	}
	vkCmdFillBuffer(commands, sparse, tile * tile_size, PROBE, stamp);
	vkCmdUpdateBuffer(commands, sparse, tile * tile_size + place_offset(1), PROBE, words);
	vkCmdCopyBuffer(commands, staging, sparse, 1, &tail);
	submit(commands);
	wait_idle();
	if (bound_to[tile] != NOTHING)
		stamp_of[bound_to[tile]] = stamp;
}

/* Copy all places of all tiles to the read-back buffer; a tail and the next head come as one copy across the border. */
static void copy_back(VkCommandBuffer commands)
{
	VkBufferCopy copies[TILES * PLACES];
	uint32_t count = 0;

	for (int i = 0; i < TILES * PLACES; i++) {
		VkDeviceSize offset = i / PLACES * tile_size + place_offset(i % PLACES);
		VkBufferCopy *last = &copies[count - 1];

		if (!may_touch(i / PLACES))
			continue;
		if (count && last->srcOffset + last->size == offset)
			last->size += PROBE;
		else
			copies[count++] = (VkBufferCopy){ .srcOffset = offset, .dstOffset = i * PROBE, .size = PROBE };
	}
	if (count)
		vkCmdCopyBuffer(commands, sparse, readback, count, copies);
}

/* ---- checks ---- */

static void check_words(const char *when, int tile, int place, const uint32_t *words, uint32_t expected)
{
	for (size_t i = 0; i < PROBE / sizeof(uint32_t); i++, checked_words++)
		if (words[i] != expected) {
			fprintf(stderr, "%s: tile %d (%s %d), byte %#" PRIx64 " is %#x, expected %#x\n", when, tile,
				bound_to[tile] == NOTHING ? "unbound" : "bound to", bound_to[tile],
				place_offset(place) + i * sizeof(uint32_t), words[i], expected);
			exit(1);
		}
}

static void check_readback(const char *when)
{
	for (int i = 0; i < TILES * PLACES; i++) {
		int tile = i / PLACES, place = i % PLACES, memory = bound_to[tile];
		const uint32_t *words = (const uint32_t *)(readback_memory.bytes + i * PROBE);

		if (memory != NOTHING)
			check_words(when, tile, place, words, word_at(stamp_of[memory], place));
		else if (touch_holes && strict)
			check_words(when, tile, place, words, 0);
	}
}

/* Read the whole buffer and compare it with the model. */
static void check_all(const char *when)
{
	VkCommandBuffer commands = begin();

	for (size_t i = 0; i < TILES * PLACES * PROBE / sizeof(uint32_t); i++)
		((uint32_t *)readback_memory.bytes)[i] = POISON;
	copy_back(commands);
	submit(commands);
	wait_idle();
	check_readback(when);
}

/* What the CPU sees in the host-visible block is what was written through the sparse buffer. */
static void check_host_block(const char *when)
{
	for (int i = 0; i < BLOCK_TILES; i++)
		for (int place = 0; place < PLACES; place++)
			check_words(when, i, place, (uint32_t *)(blocks[1].bytes + i * tile_size + place_offset(place)),
				    word_at(stamp_of[BLOCK_TILES + i], place));
}

static void done(const char *what)
{
	printf("ok: %s\n", what);
}

static void test_unbound(void)
{
	check_all("a buffer that was never bound");
	write_tile(0);
	write_tile(TILES - 1);
	check_all("after a write to unbound tiles");
	done("unbound tiles read 0 and drop writes");
}

static void test_bound(void)
{
	bind(0, TILES, 0);
	for (int tile = 0; tile < TILES; tile++)
		write_tile(tile);
	check_all("after a write to each bound tile");
	check_host_block("after a write to each bound tile");
	done("bound tiles keep data");
}

static void test_unbind(void)
{
	for (int tile = 1; tile < TILES; tile += 2)
		bind(tile, 1, NOTHING);
	check_all("after every other tile was unbound");
	write_tile(1);
	write_tile(TILES - 1);
	for (int tile = 1; tile < TILES; tile += 2)
		bind(tile, 1, tile);
	check_all("after the tiles were bound again");
	done("unbinding a tile leaves its memory and its neighbours alone");
}

static void test_rebind(void)
{
	for (int tile = 0; tile < TILES; tile++)
		bind(tile, 1, TILES - 1 - tile);
	check_all("after each tile was bound to another memory");
	bind(2, 1, 9);
	bind(5, 1, 9);
	write_tile(2);
	check_all("after a write to one of two tiles with the same memory");
	done("a rebound tile shows the new memory");
}

/* Work that is in flight when a tile is rebound sees the old memory, later work the new one. */
static void test_in_flight(void)
{
	VkEventCreateInfo event_info = { .sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO };
	VkBufferCopy head = { .srcOffset = 0, .size = PROBE };
	VkCommandBuffer commands = begin();
	uint32_t old = stamp_of[bound_to[0]];
	VkEvent event;

	CHECK_VK(vkCreateEvent(device, &event_info, NULL, &event));
	vkCmdWaitEvents(commands, 1, &event, VK_PIPELINE_STAGE_HOST_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, NULL, 0,
			NULL, 0, NULL);
	vkCmdCopyBuffer(commands, sparse, staging, 1, &head);
	submit(commands);
	bind(0, 1, (bound_to[0] + 1) % TILES);
	/* Not later: a submission that waits for a bind may only return when the bind has been done. */
	CHECK_VK(vkSetEvent(device, event));
	commands = begin();
	copy_back(commands);
	submit(commands);
	wait_idle();
	check_words("in flight while its tile was rebound", 0, 0, (uint32_t *)staging_memory.bytes, old);
	check_readback("submitted after a tile was rebound");
	vkDestroyEvent(device, event, NULL);
	done("work in flight sees the old memory, later work the new one");
}

static uint32_t next_random(uint32_t below)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % below;
}

static void test_walk(void)
{
	for (int step = 0; step < WALK_STEPS; step++) {
		char when[40];
		int first = next_random(TILES), count = 1 + next_random(TILES - first);
		int memory = next_random(3) ? (int)next_random(TILES - count + 1) : NOTHING;

		bind(first, count, memory);
		write_tile(next_random(TILES));
		snprintf(when, sizeof(when), "step %d of the walk", step);
		check_all(when);
	}
	check_host_block("after the walk");
	done("a random walk of binds and writes agrees with the model");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!open_device()) {
		fprintf(stderr, "no AMD device with sparse residency of buffers\n");
		return 2;
	}
	create_buffers(argc > 1 ? strtoull(argv[1], NULL, 0) : 0);
	touch_holes = argc < 3 || strcmp(argv[2], "bound");
	if (touch_holes)
		test_unbound();
	test_bound();
	test_unbind();
	test_rebind();
	test_in_flight();
	test_walk();
	vkDestroyBuffer(device, sparse, NULL);
	check_host_block("after the buffer was destroyed");
	destroy_buffers();
	close_device();
	printf("checked words: %lu\n", checked_words);
	return 0;
}
