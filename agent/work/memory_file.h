#pragma once

/*
 * Files in memory (memfd_create) that come with a task: an empty one is filled, and
 * then sealed, so that nobody can change it any more, the worker included.
 */

#include <stddef.h>
#include <stdint.h>

/* One that stays as it is. */
struct sealed_file {
	int fd; /* the caller's */
	uint64_t size;
};

/* The two checks ask for a file's size: before the sandbox, which has no call for that. */

/* 0 if the file is empty and can be sealed, else -EINVAL. */
int memory_file_check_empty(int fd);

/* 0 and *ret if it has every seal, else -EINVAL. */
int memory_file_check_sealed(int fd, struct sealed_file *ret);

/* Appends all bytes: 0 or a negative errno; -ENOSPC where there is no memory for them. */
int memory_file_write(int fd, const void *bytes, size_t size);

/* Adds every seal. 0 or a negative errno. */
int memory_file_seal(int fd);
