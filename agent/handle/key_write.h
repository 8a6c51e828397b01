#pragma once

/* How an account shows a registry who asks, for answers: all that is public of it. */

struct account;
struct json_writer;

/* The members type, subject, footer-key, public and pid of an object that is open. */
void key_write(struct json_writer *writer, const struct account *account);
/* The members next-public and next-pid. */
void key_write_next(struct json_writer *writer, const struct account *account);
