#include "room.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Unified hierarchy (cgroups(7)): where a limit is not, the files are not there or say "max". */
#define CGROUPS "/sys/fs/cgroup"

/* What the kernel could give without swapping (proc(5), MemAvailable). */
static uint64_t machine_available(void) {
	uint64_t kib = UINT64_MAX / 1024;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
			break;
	}
	(void) fclose(file);
	return kib < UINT64_MAX / 1024 ? kib * 1024 : UINT64_MAX;
}

static bool read_number(const char *folder, const char *name, uint64_t *ret) {
	char path[4096];
	bool is_read;
	FILE *file;
	int n = snprintf(path, sizeof(path), CGROUPS "%s/%s", folder, name);

	if (n < 0 || (size_t) n >= sizeof(path))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	is_read = fscanf(file, "%" SCNu64, ret) == 1;
	(void) fclose(file);
	return is_read;
}

/* Page cache and the like, which count as used and can be had again, as in MemAvailable. */
static uint64_t read_reclaimable(const char *folder) {
	static const char *const names[] = {"inactive_file", "active_file", "slab_reclaimable"};
	char path[4096], line[128], name[64];
	uint64_t sum = 0, number;
	FILE *file;
	int n = snprintf(path, sizeof(path), CGROUPS "%s/memory.stat", folder);

	if (n < 0 || (size_t) n >= sizeof(path))
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %" SCNu64, name, &number) != 2)
			continue;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			sum += strcmp(name, names[i]) == 0 ? number : 0;
	}
	(void) fclose(file);
	return sum;
}

/* "0::/user.slice/…" is the unified one. */
static bool own_group(char *ret, size_t size) {
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4096];
	bool is_found = false;

	if (!file)
		return false;
	while (!is_found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		is_found = strncmp(line, "0::/", 4) == 0 && strlen(line + 3) < size;
		if (is_found)
			memcpy(ret, line + 3, strlen(line + 3) + 1);
	}
	(void) fclose(file);
	return is_found;
}

/* The least that the group and those above it have left. */
static uint64_t groups_available(void) {
	uint64_t available = UINT64_MAX, max, current, reclaimable;
	char group[2048];

	if (!own_group(group, sizeof(group)))
		return UINT64_MAX;
	for (char *slash = group + strlen(group); slash; slash = strrchr(group, '/')) {
		*slash = '\0';
		if (!read_number(group, "memory.max", &max) ||
			!read_number(group, "memory.current", &current))
			continue;
		reclaimable = read_reclaimable(group);
		current -= reclaimable < current ? reclaimable : current;
		max = max > current ? max - current : 0;
		if (max < available)
			available = max;
	}
	return available;
}

uint64_t room_available(void) {
	uint64_t machine = machine_available(), groups = groups_available();

	return machine < groups ? machine : groups;
}
