#pragma once

/* A word of a command that a person may copy into a shell. */

#include <stdio.h>

/* Writes a blank and the word, in quotes where the shell would take it otherwise than it stands. */
void shell_word_write(FILE *text, const char *word);
