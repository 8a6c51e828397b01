/* After cargo's crates/cargo-platform, src/cfg.rs and src/lib.rs. */

#include "platform.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/cleanup.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
/* Expressions inside expressions. */
#define DEPTH_MAX 64

/* An expression on its way from text to text. */
struct cfg {
	const char *at;
	FILE *out;
};

static void cfg_skip_blanks(struct cfg *cfg) {
	cfg->at += strspn(cfg->at, " ");
}

/* Whether the next sign is that one; then it is taken. */
static bool cfg_take(struct cfg *cfg, char sign) {
	cfg_skip_blanks(cfg);
	if (*cfg->at != sign)
		return false;
	cfg->at++;
	return true;
}

/* A name, perhaps with `r#` before it: where it begins, and its size; 0 if there is none. */
static size_t cfg_take_name(struct cfg *cfg, const char **ret) {
	cfg_skip_blanks(cfg);
	const char *name = cfg->at;
	size_t raw = strncmp(name, "r#", 2) == 0 ? 2 : 0;
	size_t first = strspn(name + raw, LETTERS "_");
	size_t size = first > 0 ? strspn(name + raw, LETTERS DIGITS "_") : 0;

	if (size == 0)
		return 0;
	cfg->at += raw + size;
	*ret = name;
	return raw + size;
}

static bool name_is(const char *name, size_t size, const char *word) {
	return strlen(word) == size && memcmp(name, word, size) == 0;
}

static int cfg_print(struct cfg *cfg, int depth);

/* What stands in the parentheses of `all` and `any`; a comma may end it. */
static int cfg_print_list(struct cfg *cfg, int depth) {
	if (!cfg_take(cfg, '('))
		return -EINVAL;
	for (int n = 0; !cfg_take(cfg, ')'); n++) {
		if (n > 0)
			(void) fputs(", ", cfg->out);
		int r = cfg_print(cfg, depth);
		if (r < 0)
			return r;
		if (cfg_take(cfg, ','))
			continue;
		return cfg_take(cfg, ')') ? 0 : -EINVAL;
	}
	return 0;
}

static int cfg_print_not(struct cfg *cfg, int depth) {
	if (!cfg_take(cfg, '('))
		return -EINVAL;
	int r = cfg_print(cfg, depth);
	if (r < 0)
		return r;
	return cfg_take(cfg, ')') ? 0 : -EINVAL;
}

/* The text behind `name =`, which knows no escapes. */
static int cfg_print_value(struct cfg *cfg) {
	if (!cfg_take(cfg, '"'))
		return -EINVAL;
	size_t size = strcspn(cfg->at, "\"");
	if (cfg->at[size] != '"')
		return -EINVAL;
	(void) fprintf(cfg->out, " = \"%.*s\"", (int) size, cfg->at);
	cfg->at += size + 1;
	return 0;
}

static int cfg_print(struct cfg *cfg, int depth) {
	const char *name;
	size_t size = cfg_take_name(cfg, &name);

	if (size == 0 || depth == DEPTH_MAX)
		return -EINVAL;
	(void) fwrite(name, 1, size, cfg->out);
	bool is_list = name_is(name, size, "all") || name_is(name, size, "any");
	if (!is_list && !name_is(name, size, "not"))
		return cfg_take(cfg, '=') ? cfg_print_value(cfg) : 0;
	(void) fputc('(', cfg->out);
	int r = is_list ? cfg_print_list(cfg, depth + 1) : cfg_print_not(cfg, depth + 1);
	(void) fputc(')', cfg->out);
	return r;
}

static int platform_print_cfg(const char *text, FILE *out) {
	struct cfg cfg = {.at = text, .out = out};

	int r = cfg_print(&cfg, 0);
	if (r < 0)
		return r;
	/* The parenthesis of `cfg` itself, with which the text ends. */
	return cfg_take(&cfg, ')') && *cfg.at == '\0' ? 0 : -EINVAL;
}

static bool name_is_triple(const char *name) {
	return *name != '\0' && strspn(name, LETTERS DIGITS "_-.") == strlen(name);
}

int platform_print(const char *text, char **ret) {
	static const char opening[] = "cfg(";
	_cleanup_(freep) char *printed = NULL;
	size_t size;

	if (strncmp(text, opening, strlen(opening)) != 0) {
		if (!name_is_triple(text))
			return -EINVAL;
		*ret = strdup(text);
		return *ret ? 0 : -ENOMEM;
	}
	FILE *out = open_memstream(&printed, &size);
	if (!out)
		return -ENOMEM;
	(void) fputs(opening, out);
	int r = platform_print_cfg(text + strlen(opening), out);
	(void) fputc(')', out);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(printed);
	return 0;
}
