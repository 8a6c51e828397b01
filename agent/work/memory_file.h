#pragma once

/*
 * Files in memory (memfd_create) that come with a task: an empty one is filled, and
 * then sealed, so that nobody can change it any more, the worker included.
 */

#include <stddef.h>
#include <stdint.h>

/* 0 if the file is empty and can be sealed, else -EINVAL. */
int memory_file_check_empty(int fd);

/* 0 and its size if it is sealed, so that it stays as it is; else -EINVAL. */
int memory_file_check_sealed(int fd, uint64_t *ret);

/* Appends all bytes: 0 or a negative errno; -ENOSPC where there is no memory for them. */
int memory_file_write(int fd, const void *bytes, size_t size);

/* Adds every seal. 0 or a negative errno. */
int memory_file_seal(int fd);
