/* An NVML for GPUs that do not exist. What it answers is in the environment variable
 * PYTEST_SANDBOX_SIMULATED_GPUS, or in the file that FAKE_NVML names, which is read anew for each
 * answer:
 *
 *     driver 580.95.05
 *     fail nvmlDeviceGetCount_v2 15     the error that a function returns
 *     hang nvmlInitWithFlags            a function that does not return
 *     device GPU-uuid 81559 0 0 NVIDIA H100 80GB HBM3
 *                                       UUID, MiB, minor, MiB in use, name; in order of index
 *     process 0 1234                    index of a device, and the pid of a program on it
 *     partitioned 0                     a device that is used in parts alone (MIG)
 *     part 0 MIG-uuid 9728 NVIDIA H100 80GB HBM3 MIG 1g.10gb
 *                                       index of that device, then UUID, MiB and name of a part
 *
 * Structures and numbers are those of nvml.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NOT_LOADED = 9 };

typedef struct { char uuid[96], name[96]; unsigned long long total, used; unsigned minor; } Device;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu, compute; } Process;

/* Looks for the line that begins with `word` and, if it is not null, `name`; nth from 0. */
static int find(const char *word, const char *name, int nth, char *rest) {
    const char *path = getenv("FAKE_NVML"), *text = getenv("PYTEST_SANDBOX_SIMULATED_GPUS");
    FILE *file = NULL;
    char line[512], first[64], second[128];
    int after, found = 0;
    if (path) file = fopen(path, "r");
    else if (text && *text) file = fmemopen((void *)text, strlen(text), "r");
    if (!file) return -1;
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%63s%n", first, &after) != 1 || strcmp(first, word)) continue;
        if (name) {
            int more;
            if (sscanf(line + after, "%127s%n", second, &more) != 1 || strcmp(second, name)) continue;
            after += more;
        }
        if (nth-- > 0) continue;
        strcpy(rest, line + after + strspn(line + after, " "));
        found = 1;
    }
    fclose(file);
    return found;
}

static int check(const char *function) {
    char rest[512];
    int found = find("hang", function, 0, rest);
    if (found < 0) return NOT_LOADED;
    if (found) for (;;) pause();
    return find("fail", function, 0, rest) == 1 ? atoi(rest) : SUCCESS;
}

/* A handle is the number of a device from 1, and above the lowest 8 bits that of a part from 1. */
static int load(void *handle, Device *device) {
    char rest[512], index[24];
    int after, part = (long)handle >> 8;
    memset(device, 0, sizeof *device);
    snprintf(index, sizeof index, "%ld", ((long)handle & 255) - 1);
    if (part) {
        if (find("part", index, part - 1, rest) != 1) return NOT_FOUND;
        if (sscanf(rest, "%95s %llu %n", device->uuid, &device->total, &after) != 2)
            return NOT_FOUND;
        snprintf(device->name, sizeof device->name, "%s", rest + after);
        return SUCCESS;
    }
    if (find("device", NULL, (int)(long)handle - 1, rest) != 1) return NOT_FOUND;
    if (sscanf(rest, "%95s %llu %u %llu %n", device->uuid, &device->total, &device->minor,
               &device->used, &after) != 4) return NOT_FOUND;
    snprintf(device->name, sizeof device->name, "%s", rest + after);
    return SUCCESS;
}

#define BEGIN int error = check(__func__); if (error) return error
#define DEVICE BEGIN; Device device; if ((error = load(handle, &device))) return error

static int text(char *target, unsigned size, const char *source) {
    if (strlen(source) >= size) return TOO_SMALL;
    strcpy(target, source);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) { BEGIN; return SUCCESS; }
int nvmlInit_v2(void) { BEGIN; return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int error) {
    return error == NOT_LOADED ? "Driver Not Loaded" : error == 15 ? "GPU is lost" : "an error";
}

int nvmlSystemGetDriverVersion(char *version, unsigned size) {
    BEGIN;
    char rest[512];
    return text(version, size, find("driver", NULL, 0, rest) == 1 ? rest : "0");
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    BEGIN;
    char rest[512];
    for (*count = 0; find("device", NULL, *count, rest) == 1; ++*count) ;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    BEGIN;
    Device device;
    char name[64];
    *handle = (void *)(long)(index + 1);
    snprintf(name, sizeof name, "device%u", index);
    return (error = check(name)) ? error : load(*handle, &device);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    BEGIN;
    Device device;
    char name[64];
    for (long index = 0; !load((void *)(index + 1), &device); index++)
        for (long part = 0; !load((void *)(part << 8 | (index + 1)), &device); part++)
            if (!strcmp(device.uuid, uuid)) {
                *handle = (void *)(part << 8 | (index + 1));
                snprintf(name, sizeof name, "device%ld", index);
                return check(name);
            }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned size) {
    DEVICE;
    return text(uuid, size, device.uuid);
}

int nvmlDeviceGetName(void *handle, char *name, unsigned size) {
    DEVICE;
    return text(name, size, device.name);
}

int nvmlSystemGetNVMLVersion(char *version, unsigned size) {
    return nvmlSystemGetDriverVersion(version, size);
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    BEGIN;
    *version = 13000;
    return SUCCESS;
}

int nvmlDeviceGetIndex(void *handle, unsigned *index) {
    DEVICE;
    *index = (long)handle - 1;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates) {
    DEVICE;
    rates[0] = rates[1] = 0;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) {
    DEVICE;
    *celsius = 30;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    DEVICE;
    *milliwatts = 25000;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory2 *memory) {
    DEVICE;
    memory->total = device.total << 20;
    memory->used = device.used << 20;
    memory->reserved = 0;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    DEVICE;
    char index[24], rest[512];
    snprintf(index, sizeof index, "%ld", (long)handle - 1);
    *current = *pending = find("partitioned", index, 0, rest) == 1;
    return *current ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    DEVICE;
    *count = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **part) {
    DEVICE;
    *part = (void *)((long)(index + 1) << 8 | (long)handle);
    return load(*part, &device);
}

int nvmlDeviceGetMinorNumber(void *handle, unsigned *minor) {
    DEVICE;
    *minor = device.minor;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    DEVICE;
    memory->total = device.total << 20;
    memory->used = device.used << 20;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *processes) {
    DEVICE;
    char index[24], rest[512];
    unsigned room = processes ? *count : 0, there = 0;
    snprintf(index, sizeof index, (long)handle >> 8 ? "%ld:%ld" : "%ld",
             ((long)handle & 255) - 1, ((long)handle >> 8) - 1);
    for (; find("process", index, there, rest) == 1; there++)
        if (there < room) {
            memset(&processes[there], 0, sizeof *processes);
            processes[there].pid = atoi(rest);
        }
    *count = there;
    return there > room ? TOO_SMALL : SUCCESS;
}
