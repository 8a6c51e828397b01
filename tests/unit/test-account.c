/* An account in a record, and out of it again: with a token, and with a key. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/fields.h"
#include "agent/keypair.h"
#include "protocol/secret.h"

#define URL "sparse+https://r.example/index"
#define TYPE 1
#define TOKEN 10

static struct secret *secret_of(const char *text) {
	struct secret *secret;

	assert_int_equal(secret_from(text, strlen(text), &secret), 0);
	return secret;
}

static bool secret_is(const struct secret *secret, const char *text) {
	return secret_size(secret) == strlen(text) &&
	       memcmp(secret_peek(secret), text, strlen(text)) == 0;
}

static struct keypair *keypair_of(const char *secret, const char *public, const char *pid) {
	struct keypair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	pair->secret = secret_of(secret);
	pair->public = strdup(public);
	pair->pid = strdup(pid);
	return pair;
}

static struct account *signer_new(void) {
	struct account *account = account_new(URL, "work");

	assert_non_null(account);
	account->api = strdup("https://r.example");
	account->index = strdup(URL "/");
	account->subject = strdup("alice");
	account->footer_key = FOOTER_KID;
	account->key = keypair_of("k3.secret.a", "k3.public.a", "k3.pid.a");
	return account;
}

static struct account *written_and_read(const struct account *account, bool with_token) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	struct account *read;

	assert_int_equal(account_write(account, &fields), 0);
	assert_int_equal(account_read(fields, with_token, &read), 0);
	return read;
}

static void test_account_with_a_token_comes_back(void **state) {
	_cleanup_(account_freep) struct account *account = account_new(URL, "default");

	(void) state;
	account->token = secret_of("cio1");
	_cleanup_(account_freep) struct account *read = written_and_read(account, true);
	assert_true(secret_is(read->token, "cio1"));
	assert_false(account_signs(read));
	assert_null(read->next_key);
	assert_null(read->index);
}

static void test_account_that_signs_comes_back_with_its_keys(void **state) {
	_cleanup_(account_freep) struct account *account = signer_new();

	(void) state;
	account->next_key = keypair_of("k3.secret.b", "k3.public.b", "k3.pid.b");
	_cleanup_(account_freep) struct account *read = written_and_read(account, true);
	assert_true(account_signs(read));
	assert_null(read->token);
	assert_true(secret_is(read->key->secret, "k3.secret.a"));
	assert_string_equal(read->key->public, "k3.public.a");
	assert_string_equal(read->key->pid, "k3.pid.a");
	assert_true(secret_is(read->next_key->secret, "k3.secret.b"));
	assert_string_equal(read->next_key->public, "k3.public.b");
	assert_string_equal(read->next_key->pid, "k3.pid.b");
	assert_string_equal(read->index, URL "/");
	assert_string_equal(read->subject, "alice");
	assert_int_equal(read->footer_key, FOOTER_KID);
}

static void test_account_read_without_its_token_has_nothing_private(void **state) {
	_cleanup_(account_freep) struct account *account = signer_new();

	(void) state;
	account->next_key = keypair_of("k3.secret.b", "k3.public.b", "k3.pid.b");
	_cleanup_(account_freep) struct account *read = written_and_read(account, false);
	assert_true(account_signs(read));
	assert_null(read->token);
	assert_null(read->key->secret);
	assert_null(read->next_key->secret);
	assert_string_equal(read->next_key->pid, "k3.pid.b");
}

static void test_copy_of_an_account_has_nothing_private(void **state) {
	_cleanup_(account_freep) struct account *account = signer_new();

	(void) state;
	account->token = secret_of("cio1");
	account->is_marked = account->is_closed = true;
	memset(account->stamp, 7, ACCOUNT_STAMP_SIZE);
	_cleanup_(account_freep) struct account *copy = account_copy(account);
	assert_non_null(copy);
	assert_null(copy->token);
	assert_null(copy->key->secret);
	assert_string_equal(copy->key->pid, "k3.pid.a");
	assert_string_equal(copy->api, "https://r.example");
	assert_string_equal(copy->index, URL "/");
	assert_int_equal(copy->footer_key, FOOTER_KID);
	assert_true(copy->is_marked && copy->is_closed);
	assert_true(account_is_same(account, copy));
}

static struct fields *fields_without(const struct fields *fields, uint8_t left_out) {
	struct fields *some;

	assert_int_equal(fields_new(&some), 0);
	for (unsigned tag = 0; tag <= UINT8_MAX; tag++) {
		const uint8_t *bytes;
		size_t size;

		if (tag != left_out && fields_get(fields, (uint8_t) tag, &bytes, &size) == 0)
			assert_int_equal(fields_put(some, (uint8_t) tag, bytes, size), 0);
	}
	return some;
}

/* Tags of PROTOCOL.md, A.3: key, public, pid; next key, public, pid; index URL; footer key. */
static void test_account_that_signs_and_lacks_a_part_is_damaged(void **state) {
	const uint8_t tags[] = {17, 18, 19, 20, 22, 23, 25};
	_cleanup_(account_freep) struct account *account = signer_new();
	_cleanup_(fields_freep) struct fields *fields = NULL;

	(void) state;
	account->next_key = keypair_of("k3.secret.b", "k3.public.b", "k3.pid.b");
	assert_int_equal(account_write(account, &fields), 0);
	for (size_t i = 0; i < sizeof(tags); i++) {
		_cleanup_(fields_freep) struct fields *some = fields_without(fields, tags[i]);
		struct account *read;

		assert_int_equal(account_read(some, true, &read), -EBADMSG);
	}
}

static void test_account_that_signs_is_never_taken_for_one_with_a_token(void **state) {
	_cleanup_(account_freep) struct account *account = signer_new();
	_cleanup_(fields_freep) struct fields *fields = NULL;
	uint64_t type;

	(void) state;
	assert_int_equal(account_write(account, &fields), 0);
	assert_int_equal(fields_get_u64(fields, TYPE, &type), 0);
	assert_int_equal(type, 2);
	const uint8_t *bytes;
	size_t size;
	assert_int_equal(fields_get(fields, TOKEN, &bytes, &size), -ENOENT);
}

static void test_account_of_a_type_of_later_is_not_supported(void **state) {
	_cleanup_(account_freep) struct account *account = signer_new();
	_cleanup_(fields_freep) struct fields *fields = NULL;
	struct account *read;

	(void) state;
	assert_int_equal(account_write(account, &fields), 0);
	_cleanup_(fields_freep) struct fields *some = fields_without(fields, TYPE);
	assert_int_equal(fields_put_u64(some, TYPE, 3), 0);
	assert_int_equal(account_read(some, true, &read), -ENOTSUP);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_account_with_a_token_comes_back),
		cmocka_unit_test(test_account_that_signs_comes_back_with_its_keys),
		cmocka_unit_test(test_account_read_without_its_token_has_nothing_private),
		cmocka_unit_test(test_copy_of_an_account_has_nothing_private),
		cmocka_unit_test(test_account_that_signs_and_lacks_a_part_is_damaged),
		cmocka_unit_test(test_account_that_signs_is_never_taken_for_one_with_a_token),
		cmocka_unit_test(test_account_of_a_type_of_later_is_not_supported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
