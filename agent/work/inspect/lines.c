#include "lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lines_done(struct lines *lines) {
	free(lines->text);
	*lines = (struct lines){0};
}

int line_format(char **ret, const char *format, va_list arguments) {
	char *line;

	if (vasprintf(&line, format, arguments) < 0)
		return -ENOMEM;
	for (char *c = line; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
		if ((size_t) (c - line) == LINE_MAX_SIZE) {
			*c = '\0';
			break;
		}
	}
	*ret = line;
	return 0;
}

static int lines_append(struct lines *lines, const char *line) {
	size_t size = strlen(line);
	size_t start = lines->size > 0 ? lines->size + 1 : 0;
	char *text = realloc(lines->text, start + size + 1);

	if (!text)
		return -ENOMEM;
	if (start > 0)
		text[start - 1] = '\n';
	memcpy(text + start, line, size + 1);
	lines->text = text;
	lines->size = start + size;
	return 0;
}

int lines_add(struct lines *lines, const char *format, ...) {
	_cleanup_(freep) char *line = NULL;
	va_list arguments;

	if (lines->n++ >= LINES_MAX)
		return 0;
	va_start(arguments, format);
	int r = line_format(&line, format, arguments);
	va_end(arguments);
	return r < 0 ? r : lines_append(lines, line);
}
