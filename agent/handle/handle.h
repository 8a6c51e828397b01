#pragma once

/*
 * The handlers, one file a request family. A check decides before any
 * question is asked; a handler ends its request exactly once.
 */

#include <stdbool.h>

#include "protocol/refusal.h"

struct session;

enum refusal get_check(struct session *session);
void get_handle(struct session *session);

enum refusal login_check(struct session *session);
void login_handle(struct session *session);

enum refusal logout_check(struct session *session);
void logout_handle(struct session *session);

void init_handle(struct session *session);

enum refusal list_check(struct session *session);
void list_handle(struct session *session);

void status_handle(struct session *session);

enum refusal passwd_check(struct session *session);
void passwd_handle(struct session *session);

enum refusal move_check(struct session *session);
void move_handle(struct session *session);

enum refusal trust_check(struct session *session);
void trust_handle(struct session *session);

void seal_handle(struct session *session);
void verify_handle(struct session *session);

enum refusal propose_check(struct session *session);
void propose_handle(struct session *session);

void publish_handle(struct session *session);
void await_handle(struct session *session);

void yank_handle(struct session *session);

enum refusal owner_check(struct session *session);
void owner_handle(struct session *session);

void revoke_handle(struct session *session);
void check_handle(struct session *session);
void key_handle(struct session *session);

void lock_handle(struct session *session);
void unlock_handle(struct session *session);

void import_handle(struct session *session);
void import_keyring_handle(struct session *session);
