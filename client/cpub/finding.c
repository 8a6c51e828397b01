#include "finding.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/print.h"
#include "protocol/json.h"

static const struct {
	const char *name;
	const char *mark;
	const char *color;
} levels[] = {
	[FINDING_OK] = {"ok", "\u2713", "\033[32m"},
	[FINDING_WARN] = {"warn", "!", "\033[33m"},
	[FINDING_BAD] = {"bad", "\u2717", "\033[31m"},
};
#define COLOR_END "\033[0m"

void findings_add(struct findings *findings, const char *id, enum finding_level level,
	const char *format, ...) {
	struct finding finding = {.id = id, .level = level};
	struct finding *items = reallocarray(findings->items, findings->n + 1, sizeof(*items));
	va_list arguments;
	int r;

	if (!items) {
		findings->is_broken = true;
		return;
	}
	findings->items = items;
	va_start(arguments, format);
	r = vasprintf(&finding.text, format, arguments);
	va_end(arguments);
	if (r < 0) {
		findings->is_broken = true;
		return;
	}
	findings->items[findings->n++] = finding;
}

void findings_fix(struct findings *findings, const char *format, ...) {
	va_list arguments;
	char *fix;
	int r;

	va_start(arguments, format);
	r = vasprintf(&fix, format, arguments);
	va_end(arguments);
	if (r < 0 || findings->n == 0 || findings->is_broken) {
		if (r >= 0)
			free(fix);
		findings->is_broken = true;
		return;
	}
	free(findings->items[findings->n - 1].fix);
	findings->items[findings->n - 1].fix = fix;
}

void findings_done(struct findings *findings) {
	for (size_t i = 0; i < findings->n; i++) {
		free(findings->items[i].text);
		free(findings->items[i].fix);
	}
	free(findings->items);
	*findings = (struct findings){0};
}

size_t findings_count(const struct findings *findings, enum finding_level level) {
	size_t n = 0;

	for (size_t i = 0; i < findings->n; i++)
		n += findings->items[i].level == level;
	return n;
}

void findings_show(const struct findings *findings, const struct print *print) {
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->items[i];

		if (print->is_quiet && finding->level == FINDING_OK)
			continue;
		printf("%s%s%s %s ", print->has_color ? levels[finding->level].color : "",
			levels[finding->level].mark, print->has_color ? COLOR_END : "",
			finding->id);
		print_line("%s", finding->text);
		if (finding->fix)
			print_line("      fix: %s", finding->fix);
	}
}

/* A path in a sentence need not be UTF-8, and JSON can carry nothing else. */
static const char *in_utf8(const char *text) {
	return !text || print_is_utf8(text) ? text : "(not UTF-8)";
}

void findings_write(const struct findings *findings, struct json_writer *writer) {
	json_write_array(writer, "findings");
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->items[i];

		json_write_object(writer, NULL);
		json_write_string(writer, "id", finding->id);
		json_write_string(writer, "level", levels[finding->level].name);
		json_write_string(writer, "text", in_utf8(finding->text));
		json_write_string(writer, "fix", in_utf8(finding->fix));
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}
