/*
 * The canonical form of a canonical URL is that URL; it is no longer than the
 * raw text (but for crates.io) and holds nothing that ends or hides a host.
 */

#include <errno.h>
#include <string.h>

#include "protocol/cleanup.h"
#include "protocol/names.h"
#include "tests/fuzz/fuzz.h"

/* No server reads another path out of it: no empty or dotted segment, whoever undoes escapes. */
static void check_path(const char *path) {
	for (const char *at = path; at && *at; at++) {
		size_t size = strcspn(at + 1, "/");

		if (*at == '/')
			check(size > 0 && (size > 2 || strspn(at + 1, ".") != size));
		if (*at == '%') {
			char digits[] = {at[1], at[1] ? at[2] : '\0', '\0'};

			check(strspn(digits, "0123456789abcdefABCDEF") == 2);
			check(strtol(digits, NULL, 16) >= 0x20);
			check(strtol(digits, NULL, 16) != '.' && strtol(digits, NULL, 16) != 0x7f);
		}
	}
}

static void check_canonical(const char *raw, int (*canonical)(const char *, char **)) {
	_cleanup_(freep) char *once = NULL;
	_cleanup_(freep) char *twice = NULL;
	_cleanup_(freep) char *origin = NULL;
	_cleanup_(freep) char *host = NULL;
	int r;

	r = canonical(raw, &once);
	check(r == 0 || r == -EINVAL);
	if (r < 0)
		return;
	check(canonical(once, &twice) == 0);
	check(strcmp(once, twice) == 0);
	check(strlen(once) <= URL_MAX);
	check(strlen(once) <= strlen(raw) || registry_url_is_crates_io(once));
	check(once[strlen(once) - 1] != '/');
	check(!strpbrk(once, "\\?# \"<>`|^"));
	for (const char *at = once; *at; at++)
		check(*at > 0x20 && *at < 0x7f);
	check_path(strchr(strstr(once, "://") + 3, '/'));

	check(url_origin(once, &origin) == 0);
	check(url_host(once, &host) == 0);
	check(strstr(once, origin) && strstr(origin, host));
	check(!strpbrk(host, "/@%ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
	(void) registry_url_is_loopback(once); /* Only that it does not crash. */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(freep) char *text = NULL;

	text = strndup(size > 0 ? (const char *) bytes : "", size);
	if (!text)
		return 0;
	check_canonical(text, registry_url_canonical);
	check_canonical(text, web_url_canonical);

	/* A name that passes is no longer than its limit and no path. */
	if (crate_name_is_valid(text) || account_name_is_valid(text))
		check(strlen(text) <= 64 && !strchr(text, '/') && text[0] != '.');
	if (semver_is_valid(text))
		check(strlen(text) <= 150 && !strpbrk(text, "/%\\ ") && !strstr(text, ".."));
	if (sha256_hex_is_valid(text))
		check(strlen(text) == 64);
	/* Beside what they say: that they read no further than size. */
	(void) token_is_valid(bytes, size);
	if (signed_token_is_valid(bytes, size))
		check(size <= SIGNED_TOKEN_MAX && strlen(text) == size &&
			strncmp(text, "v3.public.", 10) == 0 && !strpbrk(text, " \"\\/+=\r\n"));
	return 0;
}
