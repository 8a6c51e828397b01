#pragma once

/* Yanking and taking that back are one act in two directions. */

#include "protocol/kind.h"
#include "protocol/refusal.h"

struct command;

/* KIND_YANK or KIND_UNYANK of the releases that the command names. */
enum exit_code yank_run(struct command *command, enum kind kind);
