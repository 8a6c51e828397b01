#include "shell_word.h"

#include <string.h>

#define SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+"

void shell_word_write(FILE *text, const char *word) {
	if (*word && word[strspn(word, SAFE)] == '\0') {
		fprintf(text, " %s", word);
		return;
	}
	fputs(" '", text);
	for (; *word; word++)
		fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, text);
	fputc('\'', text);
}
