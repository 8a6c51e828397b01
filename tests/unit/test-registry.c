/*
 * Which registry, CA and proxy a command line means, with configuration files
 * in folders of its own: TEMP/home is $CARGO_HOME, TEMP/project/deep the
 * current folder.
 */

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/cpub/cargo_config.h"
#include "client/cpub/network.h"
#include "client/cpub/registry.h"
#include "protocol/names.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

static char base[] = "/tmp/test-registry-XXXXXX";

/* Borrowed until the next call but three. */
static const char *at(const char *name) {
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
	return path;
}

static void write_file(const char *name, const char *text) {
	FILE *file = fopen(at(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
	(void) status;
	(void) kind;
	(void) walk;
	return remove(path);
}

static int set_up(void **state) {
	static const char *const folders[] = {
		"home", "project", "project/.cargo", "project/deep", "project/deep/.cargo"};
	static const char *const variables[] = {"CARGO_REGISTRIES_MY_REG_INDEX", "CARGO_HTTP_PROXY",
		"CARGO_HTTP_CAINFO", "SSL_CERT_FILE", "https_proxy", "HTTPS_PROXY", "http_proxy",
		"all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};

	(void) state;
	strcpy(base, "/tmp/test-registry-XXXXXX");
	assert_non_null(mkdtemp(base));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		assert_int_equal(mkdir(at(folders[i]), 0700), 0);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	setenv("CARGO_HOME", at("home"), 1);
	setenv("HOME", at("nobody"), 1);
	return chdir(at("project/deep"));
}

static int tear_down(void **state) {
	(void) state;
	assert_int_equal(chdir("/"), 0);
	return nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct cargo_config *load(void) {
	struct cargo_config *config = NULL;
	_cleanup_(freep) char *error = NULL;

	if (cargo_config_load(&config, &error) < 0)
		fail_msg("%s", error ? error : "no text");
	return config;
}

static struct registry resolve(const char *name) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = load();
	_cleanup_(freep) char *error = NULL;
	struct registry registry = {0};

	if (registry_resolve(name, NULL, config, &registry, &error) < 0)
		fail_msg("%s", error ? error : "no text");
	return registry;
}

static void assert_resolves(
	const char *name, const char *url, enum url_source source, const char *file) {
	_cleanup_(registry_done) struct registry registry = resolve(name);

	assert_string_equal(registry.index_url, url);
	assert_int_equal(registry.source, source);
	if (file)
		assert_string_equal(registry.file, file);
	else
		assert_null(registry.file);
}

/* Loads and resolves; one of both has to fail with this text in its sentence. */
static void assert_fails(const char *name, const char *index, const char *text) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = NULL;
	_cleanup_(registry_done) struct registry registry = {0};
	_cleanup_(freep) char *error = NULL;
	int r = cargo_config_load(&config, &error);

	if (r == 0)
		r = registry_resolve(name, index, config, &registry, &error);
	assert_int_equal(r, -EINVAL);
	assert_non_null(error);
	if (!strstr(error, text))
		fail_msg("'%s' is not in: %s", text, error);
}

static struct network read_network(const char *index_url) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = load();
	_cleanup_(freep) char *error = NULL;
	struct network network = {0};

	if (network_read(config, index_url, &network, &error) < 0)
		fail_msg("%s", error ? error : "no text");
	return network;
}

static void assert_network_fails(const char *text) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = load();
	_cleanup_(network_done) struct network network = {0};
	_cleanup_(freep) char *error = NULL;

	assert_int_equal(network_read(config, CRATES_IO_INDEX, &network, &error), -EINVAL);
	if (!strstr(error, text))
		fail_msg("'%s' is not in: %s", text, error);
}

static void assert_proxy(const char *index_url, const char *proxy) {
	_cleanup_(network_done) struct network network = read_network(index_url);

	if (proxy)
		assert_string_equal(network.proxy ? network.proxy : "(none)", proxy);
	else
		assert_null(network.proxy);
}

static void test_registry_default_is_crates_io_built_in(void **state) {
	(void) state;
	/* A file cannot move it. */
	write_file("project/.cargo/config.toml",
		"[registries.crates-io]\nindex = 'sparse+https://evil.example/'\n");
	assert_resolves(NULL, CRATES_IO_INDEX, URL_SOURCE_GIVEN, NULL);
	assert_resolves("crates-io", CRATES_IO_INDEX, URL_SOURCE_GIVEN, NULL);
	assert_false(registry_needs_config(NULL));
	assert_false(registry_needs_config("crates-io"));
	assert_true(registry_needs_config("other"));
}

static void test_registry_index_is_given(void **state) {
	(void) state;
	_cleanup_(registry_done) struct registry registry = {0};
	char *error = NULL;

	assert_int_equal(registry_resolve(NULL, "sparse+https://h/", NULL, &registry, &error), 0);
	assert_string_equal(registry.index_url, "sparse+https://h/");
	assert_null(registry.name);
	assert_int_equal(registry.source, URL_SOURCE_GIVEN);
}

static void test_registry_in_cargo_home_is_the_users(void **state) {
	(void) state;
	write_file("home/config.toml", "[registries.my-reg]\nindex = 'sparse+https://user/'\n");
	assert_resolves("my-reg", "sparse+https://user/", URL_SOURCE_USER, at("home/config.toml"));
}

static void test_registry_nearest_file_wins(void **state) {
	(void) state;
	write_file("home/config.toml", "[registries.my-reg]\nindex = 'sparse+https://user/'\n");
	write_file("project/.cargo/config.toml",
		"[registries.my-reg]\nindex = 'sparse+https://above/'\n");
	assert_resolves("my-reg", "sparse+https://above/", URL_SOURCE_PROJECT,
		at("project/.cargo/config.toml"));
	write_file("project/deep/.cargo/config.toml", "registries.my-reg.index = 'https://near'\n");
	assert_resolves("my-reg", "https://near", URL_SOURCE_PROJECT,
		at("project/deep/.cargo/config.toml"));
}

static void test_registry_config_wins_over_config_toml(void **state) {
	(void) state;
	write_file("home/config.toml", "[registries.my-reg]\nindex = 'sparse+https://new/'\n");
	write_file("home/config", "[registries.my-reg]\nindex = 'sparse+https://old/'\n");
	assert_resolves("my-reg", "sparse+https://old/", URL_SOURCE_USER, at("home/config"));
}

static void test_registry_environment_wins_over_files(void **state) {
	(void) state;
	write_file("project/.cargo/config.toml",
		"[registries.my-reg]\nindex = 'sparse+https://above/'\n");
	setenv("CARGO_REGISTRIES_MY_REG_INDEX", "sparse+https://environment/", 1);
	assert_resolves("my-reg", "sparse+https://environment/", URL_SOURCE_ENVIRONMENT,
		"CARGO_REGISTRIES_MY_REG_INDEX");
	assert_resolves("my_reg", "sparse+https://environment/", URL_SOURCE_ENVIRONMENT,
		"CARGO_REGISTRIES_MY_REG_INDEX");
}

static void test_registry_cargo_home_above_the_folder_is_the_users(void **state) {
	(void) state;
	setenv("CARGO_HOME", at("project/.cargo"), 1);
	write_file("project/.cargo/config.toml", "[registries.my-reg]\nindex = 'https://user'\n");
	assert_resolves(
		"my-reg", "https://user", URL_SOURCE_USER, at("project/.cargo/config.toml"));
}

static void test_registry_cargo_home_may_be_relative(void **state) {
	(void) state;
	setenv("CARGO_HOME", "../../home/./", 1);
	write_file("ca.pem", CERTIFICATE);
	write_file("home/config.toml",
		"http.cainfo = 'ca.pem'\nregistries.my-reg.index = 'https://user'\n");
	assert_resolves("my-reg", "https://user", URL_SOURCE_USER,
		at("project/deep/../../home/config.toml"));
	_cleanup_(network_done) struct network network = read_network(CRATES_IO_INDEX);
	assert_string_equal(network.ca_pem, CERTIFICATE);
}

static void test_registry_home_defaults_to_dot_cargo(void **state) {
	(void) state;
	unsetenv("CARGO_HOME");
	setenv("HOME", at("home"), 1);
	assert_int_equal(mkdir(at("home/.cargo"), 0700), 0);
	write_file("home/.cargo/config.toml", "[registries.my-reg]\nindex = 'https://user'\n");
	assert_resolves("my-reg", "https://user", URL_SOURCE_USER, at("home/.cargo/config.toml"));
}

static void test_registry_follows_includes(void **state) {
	(void) state;
	write_file("home/config.toml", "include = ['one.toml', { path = 'two.toml' }, { path = "
				       "'no.toml', optional = true }]\n"
				       "[registries.own]\nindex = 'https://own'\n");
	write_file("home/one.toml", "[registries]\nmy-reg.index = 'https://one'\n"
				    "own.index = 'https://one'\nfirst.index = 'https://first'\n");
	write_file("home/two.toml", "[registries]\nmy-reg.index = 'https://two'\n");
	assert_resolves("my-reg", "https://two", URL_SOURCE_USER, at("home/two.toml"));
	assert_resolves("own", "https://own", URL_SOURCE_USER, at("home/config.toml"));
	assert_resolves("first", "https://first", URL_SOURCE_USER, at("home/one.toml"));
}

static void test_registry_refuses_bad_includes(void **state) {
	(void) state;
	write_file("home/config.toml", "include = ['config.toml']\n");
	assert_fails("my-reg", NULL, "too deeply");
	write_file("home/config.toml", "include = ['absent.toml']\n");
	assert_fails("my-reg", NULL, "absent.toml");
	write_file("home/config.toml", "include = [1]\n");
	assert_fails("my-reg", NULL, "neither a path nor");
	write_file("home/config.toml", "include = 'one.toml'\n");
	assert_fails("my-reg", NULL, "no list");
}

static void test_registry_unknown_name_says_where_it_looked(void **state) {
	(void) state;
	write_file("home/config.toml", "[registries.my-reg]\nindex = 'https://user'\n");
	write_file("project/.cargo/config.toml", "[registries.corp]\nindex = 'https://corp'\n");
	assert_fails("may-reg", NULL, "CARGO_REGISTRIES_MAY_REG_INDEX");
	assert_fails("may-reg", NULL, at("home/config.toml"));
	assert_fails("may-reg", NULL, at("project/.cargo/config.toml"));
	assert_fails("may-reg", NULL, "known names: crates-io, corp, my-reg");
}

static void test_registry_broken_toml_names_file_and_line(void **state) {
	(void) state;
	write_file("project/.cargo/config.toml", "[registries]\n\nbroken = = 1\n");
	assert_fails("my-reg", NULL, at("project/.cargo/config.toml"));
	assert_fails("my-reg", NULL, "line 3");
}

static void test_registry_index_of_another_type_names_the_line(void **state) {
	(void) state;
	write_file("home/config.toml", "\n[registries.my-reg]\nindex = 7\n");
	assert_fails("my-reg", NULL, "line 3: registries.my-reg.index is not a text");
}

static void test_registry_refuses_relative_and_file_indexes(void **state) {
	(void) state;
	write_file("home/config.toml", "[registries]\na.index = 'index'\nb.index = 'file:index'\n"
				       "c.index = 'ssh://git@h/i'\n");
	assert_fails("a", NULL, "'index' from ");
	assert_fails("b", NULL, "not an https URL");
	assert_fails("c", NULL, "not an https URL");
	assert_fails(NULL, "../index", "from --index is not an https URL");
}

static void test_registry_refuses_odd_names(void **state) {
	(void) state;
	assert_fails("a.b", NULL, "letters, digits");
	assert_fails("", NULL, "letters, digits");
	assert_fails("https://h/", NULL, "use --index");
}

static void test_config_refuses_what_is_no_file(void **state) {
	(void) state;
	assert_int_equal(mkfifo(at("home/config.toml"), 0600), 0);
	/* Who waits for a writer of this one waits for ever; the signal ends the test. */
	(void) alarm(10);
	assert_fails("my-reg", NULL, "cannot be read");
	(void) alarm(0);
}

static void test_network_is_empty_without_settings(void **state) {
	(void) state;
	_cleanup_(network_done) struct network network = read_network(CRATES_IO_INDEX);

	assert_null(network.ca_pem);
	assert_null(network.proxy);
	assert_null(network.ignored);
}

static void test_network_ignores_project_files_and_says_so(void **state) {
	(void) state;
	write_file("project/.cargo/config.toml",
		"[http]\nproxy = 'http://evil:1'\ncainfo = '/nowhere'\n");
	_cleanup_(network_done) struct network network = read_network(CRATES_IO_INDEX);

	assert_null(network.ca_pem);
	assert_null(network.proxy);
	assert_non_null(strstr(network.ignored, "http.proxy in '"));
	assert_non_null(strstr(network.ignored, "http.cainfo in '"));
	assert_non_null(strstr(network.ignored, at("project/.cargo/config.toml")));
}

static void test_network_reads_the_users_own_files(void **state) {
	(void) state;
	/* Relative to the parent of the folder that the file lies in. */
	write_file("ca.pem", CERTIFICATE);
	write_file("home/config.toml", "[http]\nproxy = 'http://proxy:1'\ncainfo = 'ca.pem'\n");
	_cleanup_(network_done) struct network network = read_network(CRATES_IO_INDEX);

	assert_string_equal(network.ca_pem, CERTIFICATE);
	assert_string_equal(network.ca_file, at("ca.pem"));
	assert_string_equal(network.proxy, "http://proxy:1");
	assert_string_equal(network.proxy_source, at("home/config.toml"));
}

static void test_network_environment_wins(void **state) {
	(void) state;
	write_file("ca.pem", CERTIFICATE);
	write_file("other.pem", CERTIFICATE CERTIFICATE);
	write_file("home/config.toml", "[http]\nproxy = 'http://proxy:1'\ncainfo = 'ca.pem'\n");
	setenv("CARGO_HTTP_CAINFO", at("other.pem"), 1);
	setenv("SSL_CERT_FILE", at("ca.pem"), 1);
	setenv("CARGO_HTTP_PROXY", "http://environment:2", 1);
	setenv("https_proxy", "http://curl:3", 1);
	_cleanup_(network_done) struct network network = read_network(CRATES_IO_INDEX);

	assert_string_equal(network.ca_file, at("other.pem"));
	assert_string_equal(network.proxy, "http://environment:2");
}

static void test_network_ssl_cert_file_counts_last(void **state) {
	(void) state;
	write_file("ca.pem", CERTIFICATE);
	write_file("other.pem", CERTIFICATE CERTIFICATE);
	setenv("SSL_CERT_FILE", at("ca.pem"), 1);
	_cleanup_(network_done) struct network alone = read_network(CRATES_IO_INDEX);
	assert_string_equal(alone.ca_file, at("ca.pem"));
	write_file("home/config.toml", "[http]\ncainfo = 'other.pem'\n");
	_cleanup_(network_done) struct network both = read_network(CRATES_IO_INDEX);
	assert_string_equal(both.ca_file, at("other.pem"));
}

static void test_network_refuses_bad_ca_files(void **state) {
	(void) state;
	_cleanup_(freep) char *large = malloc(NETWORK_CA_MAX + 2);

	setenv("CARGO_HTTP_CAINFO", at("ca.pem"), 1);
	assert_network_fails("No such file");
	write_file("ca.pem", "nothing\n");
	assert_network_fails("no PEM certificate");
	write_file("ca.pem", CERTIFICATE "-----BEGIN EC PRIVATE KEY-----\n");
	assert_network_fails("a private key");
	assert_non_null(large);
	memset(large, 'x', NETWORK_CA_MAX + 1);
	large[NETWORK_CA_MAX + 1] = '\0';
	memcpy(large, CERTIFICATE, strlen(CERTIFICATE));
	write_file("ca.pem", large);
	assert_network_fails("48 KiB");
	large[NETWORK_CA_MAX] = '\0';
	write_file("ca.pem", large);
	_cleanup_(network_done) struct network network = read_network(CRATES_IO_INDEX);
	assert_int_equal(strlen(network.ca_pem), NETWORK_CA_MAX);
}

static void test_network_proxy_variables_fit_the_scheme(void **state) {
	(void) state;
	setenv("http_proxy", "http://plain:1", 1);
	assert_proxy("sparse+https://h/", NULL);
	assert_proxy("sparse+http://h/", "http://plain:1");
	setenv("HTTPS_PROXY", "http://capitals:2", 1);
	assert_proxy("sparse+https://h/", "http://capitals:2");
	setenv("https_proxy", "http://small:3", 1);
	assert_proxy("sparse+https://h/", "http://small:3");
	/* An empty one says that there is to be none. */
	setenv("CARGO_HTTP_PROXY", "", 1);
	assert_proxy("sparse+https://h/", NULL);
}

static void test_network_heeds_no_proxy(void **state) {
	(void) state;
	setenv("https_proxy", "http://proxy:1", 1);
	setenv("no_proxy", "localhost, .corp.example,other.example", 1);
	assert_proxy("sparse+https://h.example/", "http://proxy:1");
	assert_proxy("sparse+https://a.corp.example/", NULL);
	assert_proxy("sparse+https://corp.example:8443/", NULL);
	assert_proxy("sparse+https://x.other.example/", NULL);
	assert_proxy("sparse+https://another.example/", "http://proxy:1");
	setenv("no_proxy", "*", 1);
	assert_proxy("sparse+https://h.example/", NULL);
}

static void test_network_refuses_a_proxy_with_a_password(void **state) {
	(void) state;
	setenv("https_proxy", "http://me:hunter2@proxy:1", 1);
	_cleanup_(cargo_config_freep) struct cargo_config *config = load();
	_cleanup_(network_done) struct network network = {0};
	_cleanup_(freep) char *error = NULL;

	assert_int_equal(network_read(config, CRATES_IO_INDEX, &network, &error), -EINVAL);
	assert_non_null(strstr(error, "https_proxy"));
	assert_null(strstr(error, "hunter2"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_registry_default_is_crates_io_built_in),
		TEST(test_registry_index_is_given),
		TEST(test_registry_in_cargo_home_is_the_users),
		TEST(test_registry_nearest_file_wins),
		TEST(test_registry_config_wins_over_config_toml),
		TEST(test_registry_environment_wins_over_files),
		TEST(test_registry_cargo_home_above_the_folder_is_the_users),
		TEST(test_registry_cargo_home_may_be_relative),
		TEST(test_registry_home_defaults_to_dot_cargo),
		TEST(test_registry_follows_includes),
		TEST(test_registry_refuses_bad_includes),
		TEST(test_registry_unknown_name_says_where_it_looked),
		TEST(test_registry_broken_toml_names_file_and_line),
		TEST(test_registry_index_of_another_type_names_the_line),
		TEST(test_registry_refuses_relative_and_file_indexes),
		TEST(test_registry_refuses_odd_names),
		TEST(test_config_refuses_what_is_no_file),
		TEST(test_network_is_empty_without_settings),
		TEST(test_network_ignores_project_files_and_says_so),
		TEST(test_network_reads_the_users_own_files),
		TEST(test_network_environment_wins),
		TEST(test_network_ssl_cert_file_counts_last),
		TEST(test_network_refuses_bad_ca_files),
		TEST(test_network_proxy_variables_fit_the_scheme),
		TEST(test_network_heeds_no_proxy),
		TEST(test_network_refuses_a_proxy_with_a_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
