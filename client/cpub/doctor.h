#pragma once

/*
 * The parts of `doctor`, each of which appends its findings. The ids:
 *
 *   D01 which provider cargo asks for a registry     D09 who can reach the store
 *   D02 a project or the environment replaces ours   D10 the agent
 *   D03 a plaintext token in the user's files        D11 ptrace
 *   D04 a plaintext token in a project's file        D12 TIOCSTI
 *   D05 a file that cannot be read                   D13 memory that can reach swap
 *   D06 an entry that an alias can replace           D14 the assurance level
 *   D07 a token in the environment                   D15 the store
 *   D08 who can reach the socket                     D16 a project's proxy, CA or sources
 *                                                    D17 a project's index for a known name
 *
 * An id never changes its meaning, and is not used again.
 */

struct cargo_config;
struct command;
struct findings;

/*
 * Loads all that cargo reads for the current folder, credentials too: NULL, and
 * D05, where it cannot be. The caller frees.
 */
struct cargo_config *doctor_load_config(struct findings *findings);

/* D01, D02, D05, D06: for crates-io and each registry that has a name. */
void doctor_providers(struct findings *findings, const struct cargo_config *config);

/* D03, D04. */
void doctor_tokens(struct findings *findings, const struct cargo_config *config);

/* D07. */
void doctor_variables(struct findings *findings, const struct cargo_config *config);

/* D16, D17. */
void doctor_project(struct findings *findings, const struct cargo_config *config);

/* D08, D09. `socket` is that of the command line, or NULL. */
void doctor_folders(struct findings *findings, const char *socket);

/* D10, D13 to D15, by asking an agent that runs: none is started. */
void doctor_agent(struct findings *findings, const struct command *command);

/* D11, D12; `root` is /proc/sys. */
void doctor_kernel(struct findings *findings, const char *root);
