#pragma once

/* What a publish sends: the metadata, and the crate file. */

#include <stdint.h>

#include "protocol/refusal.h"

struct net_task;

/* The size of a file in memory that can never change again; 0 for any other, and over 4 GiB. */
uint32_t payload_file_size(int fd);

/*
 * Both files can never change again; the metadata is strict JSON of at most 1 MiB,
 * and is of exactly the crate and version that the task names. Says why not, else.
 */
enum refusal payload_check(const struct net_task *task, char **ret_detail);
