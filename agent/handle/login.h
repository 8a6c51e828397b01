#pragma once

/*
 * One login, through its three files: login.c asks and agrees, login_try.c takes
 * the token and tries it, login_store.c keeps it and answers.
 */

#include <stdbool.h>

#include "protocol/refusal.h"

struct account;
struct consent;
struct pin;
struct probe;
struct prompt;
struct secret;
struct session;
struct token_entry;

struct login {
	struct session *session;
	char *name; /* of the record: the account's, perhaps for reads alone */
	bool replaces;
	bool is_closed;	       /* the index told nothing without a token */
	bool is_auth_required; /* closed, or says so */
	bool has_reader;       /* there is a credential for reads alone already */
	bool is_marked;	       /* the token will also be handed out for reads */
	char *token_page;      /* where the index says a token can be had */
	char *text;
	struct pin *pin;    /* what the index told without a token */
	struct pin *opened; /* and with it, where it wants one */
	struct probe *probe;
	struct prompt *prompt;
	struct consent *consent;
	struct token_entry *entry;
	struct secret *token;
	/* What came of trying it: "valid", "unknown", "none", "skipped"; and words on it. */
	const char *checked;
	char *check_detail;
	const char *shape; /* what is odd about it; NULL if nothing is */
	bool is_storing;
};

/* What is pinned: the latest that is known. */
const struct pin *login_pin(const struct login *login);

void login_refuse(struct login *login, enum refusal refusal, const char *detail);
/* For a negative errno of something that asks. */
void login_cannot_ask(struct login *login, int error);
/* Does the token that came with the request stand for the yes? */
bool login_is_agreed(const struct login *login);

/* The person has agreed. */
void login_take_token(struct login *login);
/* Stores, reads back, answers. */
void login_store(struct login *login);
/* The token is the one that is stored: nothing changes. */
void login_answer_unchanged(struct login *login, const struct account *account);
