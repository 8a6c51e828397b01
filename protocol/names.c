#include "names.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* All alphabets are ASCII and spelled out: the functions of ctype.h ask the locale. */
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

#define CRATE_NAME_MAX 64
#define ACCOUNT_NAME_MAX 64
#define SEMVER_MAX 150
#define LOGIN_MAX 128
#define SHA256_HEX_SIZE 64
#define CLAIM_MAX 256
#define SIGNED_TOKEN "v3.public."

static bool name_is_valid(const char *name, const char *first, const char *all, size_t size_max) {
	size_t size = strnlen(name, size_max + 1);

	return size >= 1 && size <= size_max && strchr(first, *name) && strspn(name, all) == size;
}

bool crate_name_is_valid(const char *name) {
	return name_is_valid(name, LETTERS, LETTERS DIGITS "_-", CRATE_NAME_MAX);
}

bool account_name_is_valid(const char *name) {
	return name_is_valid(name, LETTERS DIGITS, LETTERS DIGITS "._-", ACCOUNT_NAME_MAX);
}

/* `github:org:team`; on crates.io the parts have no slash (controllers/krate/owners.rs). */
static bool team_is_valid(const char *team) {
	const char *first = strchr(team, ':'), *second = strchr(first + 1, ':');

	return first > team && second && second > first + 1 && second[1] != '\0' &&
		!strchr(second + 1, ':') && !strchr(team, '/');
}

/* 1 to `size_max` bytes of printable ASCII without space and those in `without`. */
static bool text_is_plain(const char *text, const char *without, size_t size_max) {
	size_t size = strnlen(text, size_max + 1);

	if (size == 0 || size > size_max)
		return false;
	for (const char *at = text; *at; at++) {
		if (*at <= ' ' || *at > '~' || strchr(without, *at))
			return false;
	}
	return true;
}

bool owner_login_is_valid(const char *login) {
	return text_is_plain(login, "\"'\\", LOGIN_MAX) &&
		(!strchr(login, ':') || team_is_valid(login));
}

static bool starts_with(const char *text, size_t size, const char *start) {
	return size >= strlen(start) && strncasecmp(text, start, strlen(start)) == 0;
}

static bool is_private_key(const char *text, size_t size) {
	if (starts_with(text, size, "-----BEGIN "))
		return true;
	return size > 2 && starts_with(text, size, "k") && text[1] >= '0' && text[1] <= '9' &&
	       (starts_with(text + 2, size - 2, ".secret") || starts_with(text + 2, size - 2, ".local"));
}

bool token_is_private_key(const void *bytes, size_t size) {
	const char *text = bytes;

	/* Also behind a scheme, as in `Bearer x`: at the beginning of any word. */
	for (size_t i = 0; i < size; i++) {
		if ((i == 0 || text[i - 1] == ' ') && is_private_key(text + i, size - i))
			return true;
	}
	return false;
}

bool claim_is_valid(const char *text) {
	return text_is_plain(text, "\"\\", CLAIM_MAX);
}

bool sha256_hex_is_valid(const char *text) {
	return name_is_valid(text, DIGITS "abcdef", DIGITS "abcdef", SHA256_HEX_SIZE) &&
		strlen(text) == SHA256_HEX_SIZE;
}

bool token_is_valid(const void *bytes, size_t size) {
	const uint8_t *token = bytes;

	if (size == 0 || size > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (token[i] < 0x20 || token[i] > 0x7e)
			return false;
	}
	return true;
}

bool signed_token_is_valid(const void *bytes, size_t size) {
	static const char alphabet[] = LETTERS DIGITS "_.-";
	const size_t start = strlen(SIGNED_TOKEN);
	const char *token = bytes;

	if (size <= start || size > SIGNED_TOKEN_MAX || memcmp(token, SIGNED_TOKEN, start) != 0)
		return false;
	for (size_t i = start; i < size; i++) {
		if (!memchr(alphabet, token[i], sizeof(alphabet) - 1))
			return false;
	}
	return true;
}

/* A number without leading zeros, of `size` digits. */
static bool semver_number(const char *at, size_t size) {
	return size > 0 && (size == 1 || *at != '0');
}

/* Takes the `-` or `+` at *at and identifiers between dots. Only build metadata may write 007. */
static bool semver_take_identifiers(const char **at, bool is_build) {
	do {
		const char *identifier = *at + 1;
		size_t size = strspn(identifier, LETTERS DIGITS "-");

		if (size == 0)
			return false;
		if (!is_build && strspn(identifier, DIGITS) == size &&
			!semver_number(identifier, size))
			return false;
		*at = identifier + size;
	} while (**at == '.');
	return true;
}

bool semver_is_valid(const char *version) {
	const char *at = version;

	if (strnlen(version, SEMVER_MAX + 1) > SEMVER_MAX)
		return false;
	for (size_t i = 0; i < 3; i++) {
		size_t size = strspn(at, DIGITS);

		if (!semver_number(at, size))
			return false;
		at += size;
		if (i < 2 && *at++ != '.')
			return false;
	}
	if (*at == '-' && !semver_take_identifiers(&at, false))
		return false;
	if (*at == '+' && !semver_take_identifiers(&at, true))
		return false;
	return *at == '\0';
}
