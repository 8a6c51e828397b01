#include "licence.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-+:"

/* These cover nearly all crates. Another is probably right, too, and only said to be unusual. */
static const char *const common[] = {"0BSD", "AFL-3.0", "AGPL-3.0", "AGPL-3.0-only",
	"AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BlueOak-1.0.0", "BSD-1-Clause",
	"BSD-2-Clause", "BSD-2-Clause-Patent", "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0",
	"CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "CDDL-1.0", "CECILL-2.1", "EPL-1.0", "EPL-2.0",
	"EUPL-1.2", "GPL-2.0", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0", "GPL-3.0-only",
	"GPL-3.0-or-later", "ISC", "LGPL-2.1", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0",
	"LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MPL-2.0", "MS-PL", "NCSA", "OFL-1.1",
	"OpenSSL", "PostgreSQL", "Unicode-3.0", "Unicode-DFS-2016", "Unlicense", "UPL-1.0", "WTFPL",
	"X11", "Zlib", "zlib-acknowledgement"};

static bool word_is(const char *word, size_t size, const char *wanted) {
	return strlen(wanted) == size && strncasecmp(word, wanted, size) == 0;
}

static bool name_is_common(const char *name, size_t size) {
	if (size > 1 && name[size - 1] == '+')
		size--;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		if (strlen(common[i]) == size && memcmp(common[i], name, size) == 0)
			return true;
	}
	return false;
}

/* Where in an expression the reader stands. */
struct expression {
	bool wants_name;
	bool is_exception; /* the name is that of one */
	int n_open;	   /* parentheses */
	const char *unusual;
	size_t unusual_size;
};

static bool take_name(struct expression *expression, const char *name, size_t size) {
	if (!expression->wants_name || name[0] == '+')
		return false;
	if (!expression->is_exception && !expression->unusual && !name_is_common(name, size)) {
		expression->unusual = name;
		expression->unusual_size = size;
	}
	expression->wants_name = false;
	expression->is_exception = false;
	return true;
}

static bool take_word(struct expression *expression, const char *word, size_t size) {
	bool is_with = word_is(word, size, "WITH");

	if (!is_with && !word_is(word, size, "AND") && !word_is(word, size, "OR"))
		return take_name(expression, word, size);
	if (expression->wants_name)
		return false;
	expression->wants_name = true;
	expression->is_exception = is_with;
	return true;
}

static bool take_sign(struct expression *expression, char sign) {
	if (sign == '/' && !expression->wants_name)
		return expression->wants_name = true;
	if (sign == '(' && expression->wants_name)
		return ++expression->n_open > 0;
	return sign == ')' && !expression->wants_name && expression->n_open-- > 0;
}

int licence_check(const char *text, char **ret) {
	struct expression expression = {.wants_name = true};

	for (const char *at = text; *at;) {
		size_t size = strspn(at, NAME_CHARACTERS);

		if (size == 0 && *at != ' ' && !take_sign(&expression, *at))
			return -EINVAL;
		if (size > 0 && !take_word(&expression, at, size))
			return -EINVAL;
		at += size > 0 ? size : 1;
	}
	if (expression.wants_name || expression.n_open != 0)
		return -EINVAL;
	*ret = NULL;
	if (!expression.unusual)
		return 0;
	*ret = strndup(expression.unusual, expression.unusual_size);
	return *ret ? 0 : -ENOMEM;
}
