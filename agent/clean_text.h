#pragma once

/* A text of the client's in a question of ours: no line of it can be taken for one of ours. */

#include <stdio.h>

/*
 * Control bytes and anything exotic become `?`, of a row of blanks one stays, and
 * what is longer than a line or two is cut.
 */
void clean_text_write(FILE *out, const char *text);
