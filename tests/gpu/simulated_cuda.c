/* A CUDA for GPUs that do not exist: as many as CUDA_VISIBLE_DEVICES names, with memory to copy to
 * and back. The functions are those of cuda.h that a first program calls. */
#include <stdlib.h>
#include <string.h>

enum { NO_DEVICE = 100 };

static int count(void) {
    const char *text = getenv("CUDA_VISIBLE_DEVICES");
    int number = text && *text;
    while (number && (text = strchr(text, ','))) text++, number++;
    return number;
}

int cuInit(unsigned flags) { return count() ? 0 : NO_DEVICE; }
int cuDeviceGetCount(int *number) { *number = count(); return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { *context = NULL; return 0; }
int cuCtxDestroy_v2(void *context) { return 0; }
int cuMemFree_v2(void *memory) { free(memory); return 0; }
int cuMemAlloc_v2(void **memory, size_t size) { return !(*memory = malloc(size)); }
int cuMemcpyHtoD_v2(void *to, const void *from, size_t size) { memcpy(to, from, size); return 0; }
int cuMemcpyDtoH_v2(void *to, const void *from, size_t size) { memcpy(to, from, size); return 0; }
int cuGetErrorName(int error, const char **name) { *name = "CUDA_ERROR_NO_DEVICE"; return 0; }

int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, "NVIDIA H200", size);
    return 0;
}
