#pragma once

/* What people see of an account that signs, and the commands that go on with an account. */

#include <stdbool.h>

struct command;
struct json;
struct print;

/* Whether the account, in an answer, signs its requests. */
bool key_text_signs(const struct json *account);

/* "registry 'corp' (URL)", or the index where none was named. NULL without memory; caller frees. */
char *key_text_place(const struct command *command, const struct json *account);

/* The public key and its id: the members of these names, of which the first is there. */
void key_text_show(const struct json *account, const char *public_name, const char *pid_name);

/* A row for each claim that is not as cargo would have it. */
void key_text_show_claims(const struct print *print, const struct json *account);

/*
 * "cpub-agent WORDS --registry corp --account work": these words for the account that the command
 * names, with `--for` and `use` unless that is NULL. NULL without memory; caller frees.
 */
char *key_text_command(const struct command *command, const char *words, const char *use);

/*
 * The same for an account of an answer, which knows its index and no name for it, for verbs that
 * mean crates.io where none is given; with `tells_use` also whether it is for reads alone. NULL
 * without memory; caller frees.
 */
char *key_text_account_command(const struct json *account, const char *words, bool tells_use);

/*
 * The login that makes a key for the registry of that name, or takes the one that it is given;
 * `subject` may be NULL. NULL without memory; caller frees.
 */
char *key_text_login(const char *registry, const char *subject, bool is_given);
