#pragma once

/*
 * One login, through its four files: login.c asks and agrees, login_try.c takes
 * the token and tries it, login_key.c the key, login_store.c keeps it and answers.
 */

#include <stdbool.h>

#include "protocol/refusal.h"

struct account;
struct consent;
struct keymaker;
struct keypair;
struct lent_secret;
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
	bool is_of_signer;     /* the account itself signs, whatever this login is for */
	bool has_reader_token; /* what it has for reads alone is a token */
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
	/* Of an account that signs, instead of a token. */
	struct keypair *key;
	struct keymaker *keymaker;
	struct lent_secret *pipe;
	struct account *old;	/* that is replaced, without its token; or NULL */
	struct account *stored; /* as it was stored, without its token */
	/* What came of trying it: "valid", "unknown", "none", "skipped", "unregistered"; and words on it. */
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

/* Words on what came of trying it, for the answer. `checked` is static; without memory `detail` is left out. */
void login_note(struct login *login, const char *checked, const char *detail);
/* Asks the index with the token, or signed by `signer` with the key. 0 or a negative errno. */
int login_open_index(struct login *login, const struct account *signer);

/* The person has agreed. */
void login_take_token(struct login *login);
/* The same for an account that signs. */
void login_take_key(struct login *login);
/* What its tokens claim, into an account that is made. 0 or -ENOMEM. */
int login_fill_key(const struct login *login, struct account *account);
/* Stores, reads back, answers. */
void login_store(struct login *login);
/* The token is the one that is stored: nothing changes. */
void login_answer_unchanged(struct login *login, const struct account *account);
