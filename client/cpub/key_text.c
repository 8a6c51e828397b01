#include "key_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/names.h"
#include "shell_word.h"
#include "verb.h"

bool key_text_signs(const struct json *account) {
	return strcmp(verb_text(account, "type"), "asymmetric") == 0;
}

char *key_text_place(const struct command *command, const struct json *account) {
	const char *index = verb_text(account, "index");
	char *place;

	if (!command->registry)
		return strdup(verb_index_name(index));
	return asprintf(&place, "registry '%s' (%s)", command->registry, index) < 0 ? NULL : place;
}

void key_text_show(const struct json *account, const char *public_name, const char *pid_name) {
	print_line("  %s", verb_text(account, public_name));
	print_line("Its id is %s.", verb_text(account, pid_name));
}

void key_text_show_claims(const struct print *print, const struct json *account) {
	const char *subject = json_string(json_member(account, "subject"));

	if (subject)
		print_row(print, "subject", PRINT_PLAIN, "%s", subject);
	if (strcmp(verb_text(account, "footer-key"), "kid") == 0)
		print_row(print, "footer", PRINT_PLAIN, "names the key as 'kid'");
}

/* `options`: each name with its text, or NULL for one that is not given. */
static char *write_command(const char *words, const char *const *options, size_t n_options) {
	char *line = NULL;
	size_t size;
	FILE *text = open_memstream(&line, &size);

	if (!text)
		return NULL;
	fprintf(text, "cpub-agent %s", words);
	for (size_t i = 0; i < n_options; i += 2) {
		if (!options[i + 1])
			continue;
		shell_word_write(text, options[i]);
		shell_word_write(text, options[i + 1]);
	}
	if (fclose(text) == 0)
		return line;
	free(line);
	return NULL;
}

char *key_text_command(const struct command *command, const char *words, const char *use) {
	const char *const options[] = {"--registry", command->registry, "--index", command->index,
		"--account", command->account, "--for", use};

	return write_command(words, options, sizeof(options) / sizeof(options[0]));
}

char *key_text_account_command(const struct json *account, const char *words, bool tells_use) {
	const char *index = verb_text(account, "index"), *name = verb_text(account, "account");
	bool is_for_read = tells_use && strcmp(verb_text(account, "for"), "read") == 0;
	const char *const options[] = {"--index",
		strcmp(index, CRATES_IO_INDEX) == 0 ? NULL : index, "--account",
		strcmp(name, ACCOUNT_DEFAULT) == 0 ? NULL : name, "--for",
		is_for_read ? "read" : NULL};

	return write_command(words, options, sizeof(options) / sizeof(options[0]));
}

char *key_text_login(const char *registry, const char *subject, bool is_given) {
	const char *const options[] = {"--registry", registry, "--subject", subject};

	return write_command(is_given ? "login --asymmetric --with-token" : "login --asymmetric",
		options, sizeof(options) / sizeof(options[0]));
}
