#pragma once

/*
 * One store on a medium, in a home of its own that is removed afterwards, and
 * the calls on it turned into ones that return when they are done.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/store/store.h"

struct account;
struct secret;

#define SUITE_URL "https://registry-of-the-suite.example/index"
#define SUITE_API "https://api-of-the-suite.example"
#define SUITE_TOKEN "cio-the-token-of-the-suite"

struct bench {
	const char *medium;
	char home[64];
	struct agent agent; /* as much of one as a medium needs */
	sd_event *event;    /* the agent's */
	struct store *store;
	/* The passphrase's key, and one that is not. */
	struct secret *key;
	struct secret *wrong_key;
};

/* Make and remove; `bench` is static, one at a time. They fail the test if they cannot. */
struct bench *bench_up(const char *medium);
void bench_down(struct bench *bench);

/* The same keys again, for a child process: secrets are not handed down to it. */
void bench_make_keys(struct bench *bench);

/* A second program on the same home; the caller frees the store. */
struct store *bench_other_store(struct bench *bench);
/* The store as after a restart: nothing read yet. */
void bench_restart(struct bench *bench);

/* Each waits for the callback and returns its error, or that of the call. */
int bench_load(struct bench *bench, struct store *store);
int bench_create(struct bench *bench, struct store *store);
int bench_put(struct bench *bench, struct store *store, const char *url, const char *name,
	const char *token);
int bench_erase(struct bench *bench, struct store *store, const char *url, const char *name);
/* Waits for an operation that was started otherwise with bench_done. */
void bench_done(int error, void *userdata);
int bench_wait(struct bench *bench);

/* Creates, or loads and unlocks; fails the test if it cannot. */
void bench_create_open(struct bench *bench);
void bench_reopen(struct bench *bench);

struct account *bench_account(const char *url, const char *name, const char *token);
/* Fails the test unless the store holds that account with that token. */
void bench_assert_holds(
	const struct store *store, const char *url, const char *name, const char *token);

/* Runs all cases of the suite over the medium; returns how many failed. */
int store_suite_run(const char *medium);
