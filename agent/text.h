#pragma once

/* A text that a struct owns. */

/* A copy of `from`, which may be NULL, in place of *to, which is freed. 0, or -ENOMEM and *to stays. */
int text_set(char **to, const char *from);
