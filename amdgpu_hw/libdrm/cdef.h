/* SPDX-License-Identifier: MIT */
/* What the module takes from libdrm (xf86drm.h), libdrm_amdgpu (amdgpu.h), mmap and glue.c, for CFFI's cdef.
 * Every signature is compared with the installed headers by the C compiler. */

/* libdrm */
typedef struct _drmVersion {
	int version_major;
	int version_minor;
	int version_patchlevel;
	int name_len;
	char *name;
	...;
} *drmVersionPtr;

int drmIoctl(int fd, unsigned long request, void *arg);
drmVersionPtr drmGetVersion(int fd);
void drmFreeVersion(drmVersionPtr);
int drmGetCap(int fd, uint64_t capability, uint64_t *value);

int drmSyncobjCreate(int fd, uint32_t flags, uint32_t *handle);
int drmSyncobjDestroy(int fd, uint32_t handle);
int drmSyncobjTimelineWait(int fd, uint32_t *handles, uint64_t *points, unsigned num_handles, int64_t timeout_nsec,
			   unsigned flags, uint32_t *first_signaled);
int drmSyncobjReset(int fd, const uint32_t *handles, uint32_t handle_count);
int drmSyncobjSignal(int fd, const uint32_t *handles, uint32_t handle_count);
int drmSyncobjTimelineSignal(int fd, const uint32_t *handles, uint64_t *points, uint32_t handle_count);
int drmSyncobjQuery2(int fd, uint32_t *handles, uint64_t *points, uint32_t handle_count, uint32_t flags);
int drmSyncobjTransfer(int fd, uint32_t dst_handle, uint64_t dst_point, uint32_t src_handle, uint64_t src_point,
		       uint32_t flags);

/* libdrm_amdgpu */
/* Not quite C: CFFI's dots. */
/* clang-format off */
typedef ... *amdgpu_device_handle;
typedef ... *amdgpu_context_handle;
typedef ... *amdgpu_bo_handle;
typedef ... *amdgpu_va_handle;
/* clang-format on */

enum amdgpu_bo_handle_type { amdgpu_bo_handle_type_kms, amdgpu_bo_handle_type_dma_buf_fd, ... };
enum amdgpu_gpu_va_range { amdgpu_gpu_va_range_general, ... };
#define AMDGPU_VA_RANGE_HIGH ...
#define AMDGPU_QUERY_FENCE_TIMEOUT_IS_ABSOLUTE ...

struct amdgpu_bo_alloc_request {
	uint64_t alloc_size;
	uint64_t phys_alignment;
	uint32_t preferred_heap;
	uint64_t flags;
	...;
};

struct amdgpu_bo_import_result {
	amdgpu_bo_handle buf_handle;
	uint64_t alloc_size;
	...;
};

struct amdgpu_cs_fence {
	amdgpu_context_handle context;
	uint32_t ip_type;
	uint32_t ip_instance;
	uint32_t ring;
	uint64_t fence;
	...;
};

struct drm_amdgpu_cs_chunk {
	uint32_t chunk_id;
	uint32_t length_dw;
	uint64_t chunk_data;
	...;
};

struct drm_amdgpu_cs_chunk_dep {
	...;
};
struct drm_amdgpu_info_hw_ip {
	...;
};

int amdgpu_device_initialize(int fd, uint32_t *major, uint32_t *minor, amdgpu_device_handle *device);
int amdgpu_device_deinitialize(amdgpu_device_handle device);
int amdgpu_device_get_fd(amdgpu_device_handle device);
const char *amdgpu_get_marketing_name(amdgpu_device_handle device);
int amdgpu_query_info(amdgpu_device_handle device, unsigned info_id, unsigned size, void *value);
int amdgpu_query_hw_ip_info(amdgpu_device_handle device, unsigned type, unsigned ip_instance,
			    struct drm_amdgpu_info_hw_ip *info);
int amdgpu_query_firmware_version(amdgpu_device_handle device, unsigned fw_type, unsigned ip_instance, unsigned index,
				  uint32_t *version, uint32_t *feature);

int amdgpu_bo_alloc(amdgpu_device_handle device, struct amdgpu_bo_alloc_request *request, amdgpu_bo_handle *bo);
int amdgpu_create_bo_from_user_mem(amdgpu_device_handle device, void *cpu, uint64_t size, amdgpu_bo_handle *bo);
int amdgpu_bo_free(amdgpu_bo_handle bo);
int amdgpu_bo_export(amdgpu_bo_handle bo, enum amdgpu_bo_handle_type type, uint32_t *shared_handle);
int amdgpu_bo_import(amdgpu_device_handle device, enum amdgpu_bo_handle_type type, uint32_t shared_handle,
		     struct amdgpu_bo_import_result *output);
int amdgpu_bo_wait_for_idle(amdgpu_bo_handle bo, uint64_t timeout_ns, bool *buffer_busy);

int amdgpu_va_range_alloc(amdgpu_device_handle device, enum amdgpu_gpu_va_range type, uint64_t size, uint64_t alignment,
			  uint64_t base_required, uint64_t *base_allocated, amdgpu_va_handle *range, uint64_t flags);
int amdgpu_va_range_free(amdgpu_va_handle range);

int amdgpu_cs_ctx_create2(amdgpu_device_handle device, uint32_t priority, amdgpu_context_handle *context);
int amdgpu_cs_ctx_free(amdgpu_context_handle context);
int amdgpu_cs_query_reset_state2(amdgpu_context_handle context, uint64_t *flags);
int amdgpu_cs_submit_raw2(amdgpu_device_handle device, amdgpu_context_handle context, uint32_t bo_list_handle,
			  int num_chunks, struct drm_amdgpu_cs_chunk *chunks, uint64_t *seq_no);
int amdgpu_cs_query_fence_status(struct amdgpu_cs_fence *fence, uint64_t timeout_ns, uint64_t flags, uint32_t *expired);
int amdgpu_cs_fence_to_handle(amdgpu_device_handle device, struct amdgpu_cs_fence *fence, uint32_t what,
			      uint32_t *handle);
int amdgpu_cs_syncobj_export_sync_file2(amdgpu_device_handle device, uint32_t syncobj, uint64_t point, uint32_t flags,
					int *sync_file_fd);
int amdgpu_cs_syncobj_import_sync_file2(amdgpu_device_handle device, uint32_t syncobj, uint64_t point,
					int sync_file_fd);
void amdgpu_cs_chunk_fence_to_dep(struct amdgpu_cs_fence *fence, struct drm_amdgpu_cs_chunk_dep *dep);

/* <sys/mman.h> */
#define PROT_READ ...
#define PROT_WRITE ...
#define MAP_SHARED ...
typedef int... off_t;
void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int munmap(void *addr, size_t length);

/* glue.c */
bool glue_has_device_initialize2(void);
bool glue_has_bo_va_op_raw2(void);
int glue_device_initialize_isolated(int fd, uint32_t *major, uint32_t *minor, amdgpu_device_handle *device);
int glue_bo_va_op_raw2(amdgpu_device_handle device, amdgpu_bo_handle bo, uint64_t offset, uint64_t size,
		       uint64_t address, uint64_t flags, uint32_t operation, uint32_t syncobj_out, uint64_t point_out,
		       uint64_t input_handles, uint32_t num_input_handles, uint64_t *elapsed_ns);
int glue_timed_ioctl(int fd, unsigned long request, void *arg, bool restart, uint64_t *elapsed_ns);
