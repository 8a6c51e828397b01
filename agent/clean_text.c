#include "clean_text.h"

/* Longer texts could forge lines of ours by wrapping; so could rows of blanks. */
#define CLEAN_MAX 160

void clean_text_write(FILE *out, const char *text) {
	for (const char *c = text; *c; c++) {
		if (c - text == CLEAN_MAX) {
			fprintf(out, "...");
			return;
		}
		if (*c == ' ' && c > text && c[-1] == ' ')
			continue;
		(void) fputc(*c < 0x20 || *c > 0x7e ? '?' : *c, out);
	}
}
