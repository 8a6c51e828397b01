#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/names.h"
#include "vectors.h"

/* A copy of exactly that size, so that the sanitizer sees each byte read past the end. */
static char *copy_exactly(const char *text) {
	char *copy = strdup(text);

	assert_non_null(copy);
	return copy;
}

/* A vector for a text must not hold a NUL: what follows it would not be tested. */
static bool is_right_name(const struct vector *vector, bool (*is_valid)(const char *)) {
	_cleanup_(freep) char *name = copy_exactly(vector->input);

	if (!vector->expected || strlen(name) != vector->size)
		return false;
	return strcmp(vector->expected, is_valid(name) ? "=" : "!") == 0;
}

static bool is_right_crate_name(const struct vector *vector) {
	return is_right_name(vector, crate_name_is_valid);
}

static bool is_right_account_name(const struct vector *vector) {
	return is_right_name(vector, account_name_is_valid);
}

static bool is_right_version(const struct vector *vector) {
	return is_right_name(vector, semver_is_valid);
}

static bool is_right_checksum(const struct vector *vector) {
	return is_right_name(vector, sha256_hex_is_valid);
}

static bool is_right_token(const struct vector *vector) {
	bool is_valid = token_is_valid(vector->input, vector->size);

	return vector->expected && strcmp(vector->expected, is_valid ? "=" : "!") == 0;
}

/* A canonical form is also its own canonical form, and a refusal writes nothing. */
static bool is_right_url(const struct vector *vector, int (*canonical)(const char *, char **)) {
	_cleanup_(freep) char *raw = copy_exactly(vector->input);
	_cleanup_(freep) char *once = NULL;
	_cleanup_(freep) char *twice = NULL;

	if (!vector->expected || strlen(raw) != vector->size)
		return false;
	if (strcmp(vector->expected, "!") == 0)
		return canonical(raw, &once) == -EINVAL && !once;
	if (canonical(raw, &once) != 0 || strcmp(once, vector->expected) != 0)
		return false;
	return canonical(once, &twice) == 0 && strcmp(twice, once) == 0;
}

static bool is_right_registry_url(const struct vector *vector) {
	return is_right_url(vector, registry_url_canonical);
}

static bool is_right_web_url(const struct vector *vector) {
	return is_right_url(vector, web_url_canonical);
}

static void test_crate_names_match_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("names/crate-names.txt", is_right_crate_name), 30, 10000);
}

static void test_account_names_match_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("names/account-names.txt", is_right_account_name), 20, 10000);
}

static void test_versions_match_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("names/versions.txt", is_right_version), 90, 10000);
}

static void test_checksums_match_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("names/checksums.txt", is_right_checksum), 10, 10000);
}

static void test_tokens_match_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("names/tokens.txt", is_right_token), 15, 10000);
}

static void test_registry_urls_match_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("names/registry-urls.txt", is_right_registry_url), 300, 10000);
}

static void test_web_urls_match_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("names/web-urls.txt", is_right_web_url), 50, 10000);
}

static void test_names_refuse_the_empty_text(void **state) {
	char *url = NULL;

	(void) state;
	assert_false(crate_name_is_valid(""));
	assert_false(account_name_is_valid(""));
	assert_false(semver_is_valid(""));
	assert_false(sha256_hex_is_valid(""));
	assert_false(token_is_valid("", 0));
	assert_false(token_is_valid(NULL, 0));
	assert_false(signed_token_is_valid(NULL, 0));
	assert_int_equal(registry_url_canonical("", &url), -EINVAL);
	assert_int_equal(web_url_canonical("", &url), -EINVAL);
	assert_null(url);
}

/* Every byte, alone in each place, is taken or refused as the header says. */
static void test_names_judge_every_byte(void **state) {
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	static const char digits[] = "0123456789";

	(void) state;
	for (int i = 1; i <= UINT8_MAX; i++) {
		bool is_letter = strchr(letters, i), is_digit = strchr(digits, i);
		char text[] = {(char) i, (char) i, '\0'};
		char first[] = {(char) i, 'a', '\0'};
		char later[] = {'a', (char) i, '\0'};

		assert_int_equal(crate_name_is_valid(text), is_letter);
		assert_int_equal(crate_name_is_valid(first), is_letter);
		assert_int_equal(crate_name_is_valid(later),
			is_letter || is_digit || strchr("_-", i));
		assert_int_equal(account_name_is_valid(first), is_letter || is_digit);
		assert_int_equal(account_name_is_valid(later),
			is_letter || is_digit || strchr("._-", i));
		assert_int_equal(token_is_valid(text, 1), i >= 0x20 && i <= 0x7e);
	}
}

static void test_names_know_a_signed_token(void **state) {
	char longest[SIGNED_TOKEN_MAX + 1];

	(void) state;
	assert_true(signed_token_is_valid("v3.public.a", 11));
	assert_true(signed_token_is_valid("v3.public.Az09_-.Az09_-", 23));
	assert_false(signed_token_is_valid("v3.public.", 10));
	assert_false(signed_token_is_valid("v3.public", 9));
	assert_false(signed_token_is_valid("v4.public.a", 11));
	assert_false(signed_token_is_valid("V3.public.a", 11));
	assert_false(signed_token_is_valid("v3.local.aa", 11));
	assert_false(signed_token_is_valid(" v3.public.a", 12));
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "v3.public.", 10);
	assert_true(signed_token_is_valid(longest, SIGNED_TOKEN_MAX));
	assert_false(signed_token_is_valid(longest, SIGNED_TOKEN_MAX + 1));
	for (int i = 0; i <= UINT8_MAX; i++) {
		const bool is_good = i > 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						     "abcdefghijklmnopqrstuvwxyz0123456789_.-", i);

		for (size_t at = 10; at < 13; at++) {
			longest[at] = (char) i;
			assert_int_equal(signed_token_is_valid(longest, 13), is_good);
			longest[at] = 'a';
		}
	}
}

/* Of the bytes of a host only these few pass, so nothing that ends or hides an authority does. */
static void test_registry_url_judges_every_byte_of_a_host(void **state) {
	(void) state;
	for (int i = 1; i <= UINT8_MAX; i++) {
		_cleanup_(freep) char *url = NULL;
		char raw[] = "https://hoXst/i";
		bool is_good = strchr("abcdefghijklmnopqrstuvwxyz0123456789-_./", i);

		*strchr(raw, 'X') = (char) i;
		assert_int_equal(registry_url_canonical(raw, &url), is_good ? 0 : -EINVAL);
		if (is_good)
			assert_string_equal(url, raw);
	}
}

static void test_registry_url_never_takes_another_for_crates_io(void **state) {
	static const char index[] = CRATES_IO_INDEX;

	(void) state;
	/* One byte of it changed to any other is another registry or none. */
	for (size_t at = 0; at < strlen(index); at++) {
		for (int i = 1; i <= UINT8_MAX; i++) {
			_cleanup_(freep) char *url = NULL;
			char raw[sizeof(index)];
			bool is_case = at >= strlen("https://github.com/") &&
				index[at] >= 'a' && index[at] <= 'z' && i == index[at] - 0x20;

			memcpy(raw, index, sizeof(index));
			if (raw[at] == (char) i || is_case)
				continue;
			raw[at] = (char) i;
			if (registry_url_canonical(raw, &url) == 0)
				assert_false(registry_url_is_crates_io(url));
		}
	}
}

static void test_registry_url_tells_what_it_is(void **state) {
	static const struct {
		const char *url;
		bool is_crates_io, is_sparse, is_plain_http, is_loopback;
	} rows[] = {
		{CRATES_IO_INDEX, true, false, false, false},
		{"http://github.com/rust-lang/crates.io-index", false, false, true, false},
		{"sparse+https://h/i", false, true, false, false},
		{"sparse+http://h/i", false, true, true, false},
		{"http://h/i", false, false, true, false},
		{"https://h/http://x", false, false, false, false},
		{"https://h/sparse+http:", false, false, false, false},
		{"http://localhost", false, false, true, true},
		{"http://localhost:8000/i", false, false, true, true},
		{"sparse+http://127.0.0.1:8000/i", false, true, true, true},
		{"http://127.255.255.255", false, false, true, true},
		{"https://[::1]:8443", false, false, false, true},
		{"http://localhost.evil", false, false, true, false},
		{"http://localhostx", false, false, true, false},
		{"http://local", false, false, true, false},
		{"http://127.0.0.1.evil", false, false, true, false},
		{"http://127.evil", false, false, true, false},
		{"http://12.7.0.0", false, false, true, false},
		{"http://128.0.0.1", false, false, true, false},
		{"http://[::2]", false, false, true, false},
		{"http://[::]", false, false, true, false},
		{"http://h/localhost", false, false, true, false},
		/* Not canonical, so nothing good is said of them. */
		{"http://localhost@evil", false, false, false, false},
		{"http://127.1", false, false, false, false},
		{"localhost", false, false, false, false},
		{"", false, false, false, false},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *url = rows[i].url;

		assert_int_equal(registry_url_is_crates_io(url), rows[i].is_crates_io);
		assert_int_equal(registry_url_is_sparse(url), rows[i].is_sparse);
		assert_int_equal(registry_url_is_plain_http(url), rows[i].is_plain_http);
		assert_int_equal(registry_url_is_loopback(url), rows[i].is_loopback);
	}
}

/* Both of them: what is fetched there is put behind a slash. */
static void test_registry_url_sparse_root_has_no_slash_at_its_end(void **state) {
	(void) state;
	assert_string_equal(registry_url_sparse_root(CRATES_IO_INDEX), "https://index.crates.io");
	assert_string_equal(registry_url_sparse_root("sparse+https://r.example/i"), "https://r.example/i");
	assert_null(registry_url_sparse_root("https://r.example/i"));
}

static void test_url_gives_origin_and_host(void **state) {
	static const struct {
		const char *url, *origin, *host;
	} rows[] = {
		{"https://h/i", "https://h", "h"},
		{"https://h", "https://h", "h"},
		{"http://h:8000/i/j", "http://h:8000", "h:8000"},
		{"sparse+https://h.example:8443/i", "https://h.example:8443", "h.example:8443"},
		{"sparse+http://[::1]:8000", "http://[::1]:8000", "[::1]:8000"},
		{"https://h/dl/{crate}/%20", "https://h", "h"},
		{CRATES_IO_INDEX, "https://github.com", "github.com"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(freep) char *origin = NULL;
		_cleanup_(freep) char *host = NULL;

		assert_int_equal(url_origin(rows[i].url, &origin), 0);
		assert_string_equal(origin, rows[i].origin);
		assert_int_equal(url_host(rows[i].url, &host), 0);
		assert_string_equal(host, rows[i].host);
	}
}

static void test_url_refuses_origin_of_no_url(void **state) {
	static const char *const bad[] = {"", "h", "ftp://h", "https://", "https:///x",
		"https://u@h/", "https://h?x", "registry+https://h", "https://H", "https://127.1"};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = NULL;

		assert_int_equal(url_origin(bad[i], &text), -EINVAL);
		assert_int_equal(url_host(bad[i], &text), -EINVAL);
		assert_null(text);
	}
}

/* Semantic Versioning 2.0.0, section 11: each is lower than the one after it. */
static void test_semver_orders_as_section_11_says(void **state) {
	static const char *const versions[] = {"0.0.1", "0.9.0", "0.10.0", "1.0.0-alpha",
		"1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
		"1.0.0-rc.1", "1.0.0", "1.0.1", "2.0.0", "99999999999999999999.0.0",
		"100000000000000000000.0.0"};
	const size_t n = sizeof(versions) / sizeof(versions[0]);

	(void) state;
	for (size_t a = 0; a < n; a++) {
		for (size_t b = 0; b < n; b++) {
			int r = semver_compare(versions[a], versions[b]);

			assert_int_equal((r > 0) - (r < 0), (a > b) - (a < b));
		}
	}
	assert_int_equal(semver_compare("1.0.0+a", "1.0.0+b"), 0);
	assert_int_equal(semver_compare("1.0.0-x.1+a", "1.0.0-x.1"), 0);
	assert_true(semver_compare("1.0.0-x.1.0+a", "1.0.0-x.1") > 0);
}

static void test_owner_login_is_printable_and_a_team_has_three_parts(void **state) {
	static const char *const good[] = {"a", "octocat", "me@example.org", "github:org:team",
		"github:rust-lang:libs-api"};
	static const char *const odd[] = {"", "a b", "a\"b", "a\\b", "a'b", "\x01", "\xc3\xa9", "a:b",
		":a:b", "a::b", "a:b:", "a:b:c:d", "github:org/x:team", "github:org:te/am"};
	char longest[130];

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(owner_login_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_false(owner_login_is_valid(odd[i]));
	memset(longest, 'a', 129);
	longest[129] = '\0';
	assert_false(owner_login_is_valid(longest));
	longest[128] = '\0';
	assert_true(owner_login_is_valid(longest));
}

static void test_claim_is_printable_and_needs_no_escape(void **state) {
	static const char *const good[] = {"a", "sub", "a/b+c=", "'", "~!#[]{}:;,.<>?", "0"};
	static const char *const odd[] = {
		"", " ", "a b", " a", "a\"b", "a\\b", "a\n", "\x7f", "\xc3\xa9", "a\tb", "\x1b[2J"};
	char longest[258];

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(claim_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_false(claim_is_valid(odd[i]));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(claim_is_valid(longest));
	longest[256] = '\0';
	assert_true(claim_is_valid(longest));
}

static bool is_private_key(const char *text) {
	/* Without its NUL, so that the sanitizer sees each byte read past the end. */
	size_t size = strlen(text);
	_cleanup_(freep) char *bytes = malloc(size > 0 ? size : 1);

	assert_non_null(bytes);
	memcpy(bytes, text, size);
	return token_is_private_key(bytes, size);
}

static void test_private_key_is_told_from_a_token(void **state) {
	static const char *const keys[] = {"k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQ",
		"k1.secret.AAAA", "k2.secret.AAAA", "k4.secret.AAAA", "k3.secret.", "k3.secret",
		"k3.secret-pw.AAAA", "k3.secret-wrap.pie.AAAA", "k4.local.AAAA", "k4.local-pw.AAAA",
		"K3.SECRET.AAAA", " k3.secret.AAAA", "Bearer k3.secret.AAAA",
		"Bearer  -----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----",
		"-----BEGIN EC PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----",
		"-----BEGIN OPENSSH PRIVATE KEY-----MIG2AgEA", "  -----BEGIN EC PARAMETERS-----"};
	static const char *const tokens[] = {"", " ", "k", "k3", "k3.", "k3.secre", "k3.loca",
		"cioXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "v3.public.AAAA.AAAA", "v3.local.AAAA",
		"k3.public.AAAA", "k3.pid.AAAA", "k3.sid.AAAA", "my-k3.secret.AAAA",
		"Bearer kx.secret.AAAA", "kx.secret.AAAA", "k33.secret.AAAA", "k.secret.AAAA",
		"secret.AAAA", "-----BEGI", "----BEGIN PRIVATE KEY-----", "x-----BEGIN PRIVATE KEY-----",
		"ghp_BEGIN PRIVATE KEY", "PRIVATE KEY"};

	(void) state;
	assert_false(token_is_private_key(NULL, 0));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_true(is_private_key(keys[i]));
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		assert_false(is_private_key(tokens[i]));
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crate_names_match_vectors),
		cmocka_unit_test(test_account_names_match_vectors),
		cmocka_unit_test(test_versions_match_vectors),
		cmocka_unit_test(test_checksums_match_vectors),
		cmocka_unit_test(test_tokens_match_vectors),
		cmocka_unit_test(test_registry_urls_match_vectors),
		cmocka_unit_test(test_web_urls_match_vectors),
		cmocka_unit_test(test_names_refuse_the_empty_text),
		cmocka_unit_test(test_names_judge_every_byte),
		cmocka_unit_test(test_names_know_a_signed_token),
		cmocka_unit_test(test_registry_url_judges_every_byte_of_a_host),
		cmocka_unit_test(test_registry_url_never_takes_another_for_crates_io),
		cmocka_unit_test(test_registry_url_tells_what_it_is),
		cmocka_unit_test(test_registry_url_sparse_root_has_no_slash_at_its_end),
		cmocka_unit_test(test_url_gives_origin_and_host),
		cmocka_unit_test(test_url_refuses_origin_of_no_url),
		cmocka_unit_test(test_semver_orders_as_section_11_says),
		cmocka_unit_test(test_owner_login_is_printable_and_a_team_has_three_parts),
		cmocka_unit_test(test_claim_is_printable_and_needs_no_escape),
		cmocka_unit_test(test_private_key_is_told_from_a_token),
	};

	if (!vectors_init(argc, argv))
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
