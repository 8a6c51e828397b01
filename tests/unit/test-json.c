#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "protocol/json.h"
#include "vectors.h"

#define MARKER "cioTESTONLYtestonlyTESTONLYtestonly"

/*
 * Stands before libc's, so that a test sees what is wiped before it is gone.
 * The second name is what a fortified call becomes.
 */
static bool is_watching;
static size_t n_markers_wiped;

void explicit_bzero(void *bytes, size_t size);
void __explicit_bzero_chk(void *bytes, size_t size, size_t known);

void explicit_bzero(void *bytes, size_t size) {
	const void *before = bytes;

	/* Its prototype says that it only writes, so the compiler warns of a look at the old. */
	__asm__ volatile("" : "+r"(before) : : "memory");
	if (is_watching && memmem(before, size, MARKER, strlen(MARKER)))
		n_markers_wiped++;
	memset(bytes, 0, size);
	__asm__ volatile("" : : "r"(bytes) : "memory");
}

void __explicit_bzero_chk(void *bytes, size_t size, size_t known) {
	(void) known;
	explicit_bzero(bytes, size);
}

/* Parses a copy of exactly that size, so that the sanitizer sees each byte read past the end. */
static int parse_exactly(const char *text, size_t size, struct json **ret) {
	_cleanup_(freep) char *copy = NULL;

	copy = malloc(size > 0 ? size : 1);
	assert_non_null(copy);
	memcpy(copy, text, size);
	return json_parse(copy, size, ret);
}

static struct json *parse(const char *text) {
	struct json *root = NULL;

	assert_int_equal(parse_exactly(text, strlen(text), &root), 0);
	return root;
}

static const char *first_string(const struct json *value) {
	if (json_string(value))
		return json_string(value);
	for (const struct json *child = json_first(value); child; child = json_next(child)) {
		const char *text = first_string(child);

		if (text)
			return text;
	}
	return NULL;
}

static bool is_accepted(const struct vector *vector) {
	_cleanup_(json_freep) struct json *root = NULL;

	if (parse_exactly(vector->input, vector->size, &root) != 0)
		return false;
	if (!vector->expected)
		return true;
	return first_string(root) && strcmp(first_string(root), vector->expected) == 0;
}

static bool is_refused(const struct vector *vector) {
	struct json *root = NULL;
	int r = parse_exactly(vector->input, vector->size, &root);

	json_free(root);
	return r == -EBADMSG && !root && json_scan(vector->input, vector->size) == -EBADMSG;
}

static bool survives_cuts(const struct vector *vector) {
	for (size_t size = 0; size < vector->size; size++) {
		_cleanup_(json_freep) struct json *root = NULL;
		int r = parse_exactly(vector->input, size, &root);

		if (r != 0 && r != -EBADMSG)
			return false;
	}
	return true;
}

static void test_json_accepts_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("json/accept.txt", is_accepted), 50, 10000);
}

static void test_json_refuses_vectors(void **state) {
	(void) state;
	assert_in_range(vectors_check("json/refuse.txt", is_refused), 200, 10000);
}

static void test_json_survives_cut_documents(void **state) {
	(void) state;
	assert_in_range(vectors_check("json/accept.txt", survives_cuts), 50, 10000);
	assert_in_range(vectors_check("json/refuse.txt", survives_cuts), 200, 10000);
}

static void test_json_refuses_empty_input(void **state) {
	struct json *root = NULL;

	(void) state;
	assert_int_equal(json_parse("", 0, &root), -EBADMSG);
	assert_int_equal(json_parse(NULL, 0, &root), -EBADMSG);
	assert_int_equal(json_scan("{}", 0), -EBADMSG);
	assert_null(root);
}

static void test_json_reads_no_further_than_size(void **state) {
	_cleanup_(json_freep) struct json *root = NULL;

	(void) state;
	assert_int_equal(json_parse("[1]]", 3, &root), 0);
	assert_int_equal(json_n_elements(root), 1);
}

/* An object of `n` names `PREFIX00000`, and then that member. */
static char *object_of(size_t n, const char *prefix, const char *last) {
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	fputc('{', stream);
	for (size_t i = 0; i < n; i++)
		fprintf(stream, "\"%s%05zu\":0,", prefix, i);
	fprintf(stream, "%s}", last);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void test_json_finds_duplicate_among_thousands(void **state) {
	_cleanup_(freep) char *good = object_of(5000, "", "\"05000\":0");
	_cleanup_(freep) char *bad = object_of(5000, "", "\"0250\\u0030\":0");

	(void) state;
	assert_int_equal(json_scan(good, strlen(good)), 0);
	assert_int_equal(json_scan(bad, strlen(bad)), -EBADMSG);
}

static void test_json_finds_duplicate_of_long_names(void **state) {
	char prefix[1001] = "";
	_cleanup_(freep) char *good = NULL;
	_cleanup_(freep) char *bad = NULL;

	(void) state;
	memset(prefix, 'p', sizeof(prefix) - 1);
	good = object_of(60, prefix, "\"\":0");
	bad = object_of(60, "p", "\"p00000\":0");
	assert_int_equal(json_scan(good, strlen(good)), 0);
	assert_int_equal(json_scan(bad, strlen(bad)), -EBADMSG);
}

static void test_json_member_is_case_sensitive(void **state) {
	_cleanup_(json_freep) struct json *root = parse("{\"Kind\":1,\"kind\":\"get\"}");
	_cleanup_(json_freep) struct json *other = parse("{\"Kind\":\"get\"}");

	(void) state;
	assert_string_equal(json_string(json_member(root, "kind")), "get");
	assert_null(json_member(other, "kind"));
	assert_null(json_member(other, ""));
}

static void test_json_member_of_no_object_is_absent(void **state) {
	_cleanup_(json_freep) struct json *root = parse("[\"a\"]");
	const char *text = "untouched";

	(void) state;
	assert_null(json_member(NULL, "a"));
	assert_null(json_member(root, "a"));
	assert_int_equal(json_get_string(root, "a", &text), -ENOENT);
	assert_int_equal(json_get_string(NULL, "a", &text), -ENOENT);
	assert_string_equal(text, "untouched");
}

static void test_json_get_tells_absent_from_wrong_type(void **state) {
	_cleanup_(json_freep) struct json *root =
		parse("{\"s\":\"x\",\"b\":true,\"f\":false,\"n\":null,\"i\":7}");
	const char *text = "untouched";
	int64_t number = 42;
	bool flag = true;

	(void) state;
	assert_int_equal(json_get_string(root, "i", &text), -EBADMSG);
	assert_int_equal(json_get_string(root, "n", &text), -EBADMSG);
	assert_string_equal(text, "untouched");
	assert_int_equal(json_get_string(root, "s", &text), 0);
	assert_string_equal(text, "x");

	assert_int_equal(json_get_bool(root, "i", &flag), -EBADMSG);
	assert_int_equal(json_get_bool(root, "x", &flag), -ENOENT);
	assert_true(flag);
	assert_int_equal(json_get_bool(root, "f", &flag), 0);
	assert_false(flag);

	assert_int_equal(json_get_integer(root, "b", &number), -EBADMSG);
	assert_int_equal(json_get_integer(root, "s", &number), -EBADMSG);
	assert_int_equal(json_get_integer(root, "x", &number), -ENOENT);
	assert_int_equal(number, 42);
	assert_int_equal(json_get_integer(root, "i", &number), 0);
	assert_int_equal(number, 7);
}

static void test_json_integers_are_whole_and_exact(void **state) {
	_cleanup_(json_freep) struct json *root =
		parse("{\"max\":9007199254740992,\"min\":-9007199254740992,"
		      "\"near\":9007199254740991,\"zero\":-0,\"half\":1.5,\"tiny\":1e-300}");
	int64_t number = 42;

	(void) state;
	assert_int_equal(json_get_integer(root, "half", &number), -EBADMSG);
	assert_int_equal(json_get_integer(root, "tiny", &number), -EBADMSG);
	assert_int_equal(number, 42);
	assert_int_equal(json_get_integer(root, "max", &number), 0);
	assert_true(number == INT64_C(9007199254740992));
	assert_int_equal(json_get_integer(root, "min", &number), 0);
	assert_true(number == -INT64_C(9007199254740992));
	assert_int_equal(json_get_integer(root, "near", &number), 0);
	assert_true(number == INT64_C(9007199254740991));
	assert_int_equal(json_get_integer(root, "zero", &number), 0);
	assert_true(number == 0);
}

static void test_json_walks_containers(void **state) {
	_cleanup_(json_freep) struct json *root = parse("{\"a\":[1,\"two\",null],\"b\":{}}");
	const struct json *a = json_member(root, "a");
	const struct json *b = json_next(json_first(root));

	(void) state;
	assert_true(json_is_object(root));
	assert_true(json_is_array(a));
	assert_ptr_equal(json_first(root), a);
	assert_string_equal(json_name(a), "a");
	assert_string_equal(json_name(b), "b");
	assert_null(json_next(b));
	assert_null(json_first(b));
	assert_null(json_name(root));
	assert_null(json_name(json_first(a)));

	assert_int_equal(json_n_elements(a), 3);
	assert_int_equal(json_n_elements(root), 0);
	assert_string_equal(json_string(json_element(a, 1)), "two");
	assert_true(json_is_null(json_element(a, 2)));
	assert_null(json_element(a, 3));
	assert_null(json_element(root, 0));
	assert_null(json_string(a));
}

static void test_json_takes_null_for_a_value(void **state) {
	(void) state;
	assert_false(json_is_object(NULL));
	assert_false(json_is_array(NULL));
	assert_false(json_is_null(NULL));
	assert_null(json_string(NULL));
	assert_null(json_first(NULL));
	assert_null(json_next(NULL));
	assert_null(json_name(NULL));
	assert_null(json_element(NULL, 0));
	assert_int_equal(json_n_elements(NULL), 0);
	assert_null(json_free(NULL));
}

static void test_json_free_wipes_strings_and_names(void **state) {
	struct json *root = parse("{\"token\":\"" MARKER "\",\"" MARKER "\":1}");

	(void) state;
	assert_string_equal(json_string(json_member(root, "token")), MARKER);
	n_markers_wiped = 0;
	is_watching = true;
	json_free(root);
	is_watching = false;
	assert_int_equal(n_markers_wiped, 2);
}

static void assert_written(struct json_writer *writer, const char *expected) {
	assert_int_equal(json_writer_finish(writer), 0);
	assert_int_equal(writer->size, strlen(expected));
	assert_memory_equal(json_writer_bytes(writer), expected, writer->size);
}

static void test_writer_places_commas_and_names(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, false);
	json_write_object(&writer, NULL);
	json_write_object(&writer, "Ok");
	json_write_object_end(&writer);
	json_write_array(&writer, "list");
	json_write_integer(&writer, NULL, 1);
	json_write_array(&writer, NULL);
	json_write_array_end(&writer);
	json_write_bool(&writer, NULL, true);
	json_write_array_end(&writer);
	json_write_bool(&writer, "no", false);
	json_write_string(&writer, "null", NULL);
	json_write_string(&writer, "s", "x");
	json_write_object_end(&writer);
	assert_written(&writer,
		"{\"Ok\":{},\"list\":[1,[],true],\"no\":false,\"null\":null,\"s\":\"x\"}\n");
}

static void test_writer_escapes_what_must_be(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, false);
	json_write_object(&writer, NULL);
	json_write_string(&writer, "a\"\\/b", "\b\f\n\r\t\x01\x1f\x7f \xc3\xa9/'<");
	json_write_object_end(&writer);
	assert_written(&writer, "{\"a\\\"\\\\/b\":"
				"\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f \xc3\xa9/'<\"}\n");
}

static void test_writer_writes_bytes_of_any_size(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, false);
	json_write_array(&writer, NULL);
	json_write_bytes(&writer, NULL, "abcdef", 3);
	json_write_bytes(&writer, NULL, NULL, 0);
	json_write_array_end(&writer);
	assert_written(&writer, "[\"abc\",\"\"]\n");
}

static void test_writer_writes_extreme_integers(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, false);
	json_write_array(&writer, NULL);
	json_write_integer(&writer, NULL, INT64_MIN);
	json_write_integer(&writer, NULL, INT64_MAX);
	json_write_array_end(&writer);
	assert_written(&writer, "[-9223372036854775808,9223372036854775807]\n");
}

static void test_writer_refuses_what_the_reader_refuses(void **state) {
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{"\xff", 1}, {"a\0b", 3}, {"\xc3", 1}, {"\xed\xa0\x80", 3}, {"\xc0\xaf", 2}};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_(json_writer_done) struct json_writer writer;

		json_writer_init(&writer, false);
		json_write_array(&writer, NULL);
		json_write_bytes(&writer, NULL, bad[i].bytes, bad[i].size);
		json_write_string(&writer, NULL, "good again");
		json_write_array_end(&writer);
		assert_int_equal(json_writer_finish(&writer), -EINVAL);
	}
}

static void test_writer_stops_at_its_limit(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;
	char block[4096];

	(void) state;
	memset(block, 'x', sizeof(block));
	json_writer_init(&writer, false);
	json_write_array(&writer, NULL);
	for (size_t i = 0; i < 4097; i++)
		json_write_bytes(&writer, NULL, block, sizeof(block));
	json_write_array_end(&writer);
	json_write_string(&writer, NULL, "\xff"); /* The first failure is the one that is told. */
	assert_int_equal(json_writer_finish(&writer), -EMSGSIZE);
	assert_in_range(writer.capacity, 1, 16 * 1024 * 1024);
}

static void test_writer_output_reads_back(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;
	_cleanup_(json_freep) struct json *root = NULL;
	char all[0x7f + 1] = "";

	(void) state;
	for (size_t i = 0; i < sizeof(all) - 1; i++)
		all[i] = (char) (i + 1);
	for (size_t n = 1; n < 200; n += 66) {
		json_writer_init(&writer, n % 2 == 0);
		json_write_array(&writer, NULL);
		for (size_t i = 0; i < n; i++)
			json_write_string(&writer, NULL, all);
		json_write_array_end(&writer);
		assert_int_equal(json_writer_finish(&writer), 0);

		assert_int_equal(json_parse(json_writer_bytes(&writer), writer.size, &root), 0);
		assert_int_equal(json_n_elements(root), n);
		assert_string_equal(json_string(json_element(root, n - 1)), all);
		root = json_free(root);
		json_writer_done(&writer);
	}
	json_writer_init(&writer, false);
}

static bool is_mapped(const void *address) {
	uintptr_t page = (uintptr_t) address & ~((uintptr_t) sysconf(_SC_PAGESIZE) - 1);
	unsigned char is_resident;

	return mincore((void *) page, 1, &is_resident) == 0;
}

static void test_secret_writer_frees_the_buffer_it_outgrew(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;
	const char *first, *second;
	char filling[401] = "";

	(void) state;
	memset(filling, 'x', sizeof(filling) - 1);
	json_writer_init(&writer, true);
	json_write_array(&writer, NULL);
	json_write_string(&writer, NULL, MARKER);
	first = json_writer_bytes(&writer);
	assert_true(is_mapped(first));

	json_write_string(&writer, NULL, filling);
	json_write_string(&writer, NULL, filling);
	json_write_array_end(&writer);
	second = json_writer_bytes(&writer);
	assert_ptr_not_equal(first, second);
	assert_false(is_mapped(first));
	assert_int_equal(json_writer_finish(&writer), 0);
	assert_memory_equal(second, "[\"" MARKER "\",\"xxx", strlen(MARKER) + 7);
	assert_null(writer.text);

	json_writer_done(&writer);
	assert_false(is_mapped(second));
}

static void test_writer_is_empty_before_and_after(void **state) {
	struct json_writer writer;

	(void) state;
	json_writer_init(&writer, true);
	assert_string_equal(json_writer_bytes(&writer), "");
	json_write_bool(&writer, NULL, true);
	json_writer_done(&writer);
	assert_string_equal(json_writer_bytes(&writer), "");
	assert_int_equal(writer.size, 0);
	json_writer_done(&writer);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_accepts_vectors),
		cmocka_unit_test(test_json_refuses_vectors),
		cmocka_unit_test(test_json_survives_cut_documents),
		cmocka_unit_test(test_json_refuses_empty_input),
		cmocka_unit_test(test_json_reads_no_further_than_size),
		cmocka_unit_test(test_json_finds_duplicate_among_thousands),
		cmocka_unit_test(test_json_finds_duplicate_of_long_names),
		cmocka_unit_test(test_json_member_is_case_sensitive),
		cmocka_unit_test(test_json_member_of_no_object_is_absent),
		cmocka_unit_test(test_json_get_tells_absent_from_wrong_type),
		cmocka_unit_test(test_json_integers_are_whole_and_exact),
		cmocka_unit_test(test_json_walks_containers),
		cmocka_unit_test(test_json_takes_null_for_a_value),
		cmocka_unit_test(test_json_free_wipes_strings_and_names),
		cmocka_unit_test(test_writer_places_commas_and_names),
		cmocka_unit_test(test_writer_escapes_what_must_be),
		cmocka_unit_test(test_writer_writes_bytes_of_any_size),
		cmocka_unit_test(test_writer_writes_extreme_integers),
		cmocka_unit_test(test_writer_refuses_what_the_reader_refuses),
		cmocka_unit_test(test_writer_stops_at_its_limit),
		cmocka_unit_test(test_writer_output_reads_back),
		cmocka_unit_test(test_secret_writer_frees_the_buffer_it_outgrew),
		cmocka_unit_test(test_writer_is_empty_before_and_after),
	};

	if (!vectors_init(argc, argv))
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
