/*
 * rustup reads such a file as TOML, and one of a single line that is called
 * `rust-toolchain` as the name of a channel. What is neither to us it may still
 * understand, as its parser is another, so that is refused as well.
 */

#include "project_toolchain.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complaint.h"
#include "protocol/cleanup.h"
#include "protocol/toml.h"
#include "small_file.h"

#define FILE_MAX ((size_t) 64 * 1024)
#define SPACES " \t\r\n"
#define CHANNEL_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static int refuse(const char *path, const char *why, char **ret_error) {
	int r = complaint_make(ret_error,
		"'%s' %s before you have approved anything; choose a toolchain yourself with "
		"RUSTUP_TOOLCHAIN",
		path, why);

	return r == -EINVAL ? -EPERM : r;
}

static bool is_channel(const char *text, size_t size) {
	size_t start = strspn(text, SPACES), letters = strspn(text + start, CHANNEL_LETTERS);
	size_t rest = strspn(text + start + letters, SPACES);

	return letters > 0 && start + letters + rest == size;
}

static int check_document(
	const char *path, const struct toml_document *document, char **ret_error) {
	_cleanup_(freep) char *channel = NULL;
	int r = toml_get_string(document, "toolchain.channel", &channel);

	if (r == -ENOMEM)
		return r;
	if (toml_line(document, "toolchain.path") == 0 && (r < 0 || !strchr(channel, '/')))
		return 0;
	return refuse(path, "names a toolchain by its path, and rustup would run the cargo there",
		ret_error);
}

static int check_file(const char *path, char **ret_error) {
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(freep) char *text = NULL, *why = NULL;
	size_t size;
	int r = small_file_read(path, FILE_MAX, &text, &size);

	/* Nobody reads a folder as a file. */
	if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
		return 0;
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(path,
			r == -E2BIG ? "is longer than 64 KiB, and could name any toolchain to run"
				    : "cannot be read here, and could name any toolchain to run",
			ret_error);
	if (is_channel(text, size))
		return 0;
	r = toml_parse(text, size, &document, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(path,
			"is neither a channel nor TOML as it is read here, and rustup could find a "
			"toolchain in it to run",
			ret_error);
	return check_document(path, document, ret_error);
}

int project_toolchain_check(char **ret_error) {
	static const char *const names[] = {"rust-toolchain", "rust-toolchain.toml"};
	_cleanup_(freep) char *folder = getcwd(NULL, 0);
	const char *chosen = getenv("RUSTUP_TOOLCHAIN");
	int r = 0;

	/* rustup takes an empty one for none. */
	if (chosen && *chosen)
		return 0;
	while (r == 0 && folder && folder[0] == '/') {
		char path[PATH_MAX], *slash = strrchr(folder, '/');

		for (size_t i = 0; r == 0 && i < 2; i++) {
			snprintf(path, sizeof(path), "%s/%s", slash[1] ? folder : "", names[i]);
			r = check_file(path, ret_error);
		}
		if (slash == folder && !slash[1])
			break;
		slash[slash == folder ? 1 : 0] = '\0';
	}
	return r;
}
