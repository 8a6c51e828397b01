/* The socket's place: who may own it, how it is found, made, replaced and reached. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/cleanup.h"
#include "protocol/endpoint.h"
#include "protocol/harden.h"

#define NOBODY 65534
#define BACKLOG 4

/* Each test has a directory of its own, in *state, that stands for the runtime directory. */
static int set_up(void **state) {
	char path[] = "/tmp/test-endpoint-XXXXXX";
	if (!mkdtemp(path))
		return -1;
	*state = strdup(path);
	(void) unsetenv("CPUB_AGENT_SOCK");
	(void) unsetenv("XDG_STATE_HOME");
	(void) unsetenv("HOME");
	return *state ? setenv("XDG_RUNTIME_DIR", path, 1) : -1;
}

static int tear_down(void **state) {
	pid_t pid = fork();
	if (pid == 0) {
		(void) execlp("rm", "rm", "-rf", "--", (char *) *state, (char *) NULL);
		_exit(127);
	}
	free(*state);
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* DIRECTORY/suffix; the caller frees. */
static char *below(void **state, const char *suffix) {
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", (const char *) *state, suffix) > 0);
	return path;
}

static mode_t mode_of(const char *path) {
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

/* The default endpoint, opened. */
static struct endpoint opened(void) {
	struct endpoint endpoint = ENDPOINT_NULL;
	assert_int_equal(endpoint_resolve(NULL, &endpoint), 0);
	assert_int_equal(endpoint_open(&endpoint, true), 0);
	return endpoint;
}

/* What opening the default endpoint answers. */
static int open_default(bool may_create) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;
	assert_int_equal(endpoint_resolve(NULL, &endpoint), 0);
	return endpoint_open(&endpoint, may_create);
}

static void assert_reaches(const struct endpoint *endpoint, int server) {
	int client = -1;
	assert_int_equal(endpoint_connect(endpoint, &client), 0);
	assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);

	struct pollfd waiting = {.fd = server, .events = POLLIN};
	assert_int_equal(poll(&waiting, 1, 5000), 1);
	int peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
	(void) close(peer);
	(void) close(client);
}

/* Call it first: skip() jumps over the cleanup of locals. */
static void skip_unless_root(const char *why) {
	if (geteuid() == 0)
		return;
	print_message("%s\n", why);
	skip();
}

static void test_resolve_prefers_given_then_variable_then_runtime(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;
	_cleanup_(freep) char *runtime = below(state, "cpub-agent");

	assert_int_equal(endpoint_resolve(NULL, &endpoint), 0);
	assert_string_equal(endpoint.directory, runtime);
	assert_string_equal(endpoint.name, "agent.sock");
	assert_false(endpoint.is_given);
	assert_int_equal(endpoint.directory_fd, -1);
	endpoint_done(&endpoint);

	(void) setenv("CPUB_AGENT_SOCK", "/variable//x.sock", 1);
	assert_int_equal(endpoint_resolve(NULL, &endpoint), 0);
	assert_string_equal(endpoint.directory, "/variable");
	assert_string_equal(endpoint.name, "x.sock");
	assert_true(endpoint.is_given);
	endpoint_done(&endpoint);

	assert_int_equal(endpoint_resolve("/option/y.sock", &endpoint), 0);
	assert_string_equal(endpoint.directory, "/option");
	assert_true(endpoint.is_given);
	endpoint_done(&endpoint);

	(void) setenv("CPUB_AGENT_SOCK", "", 1);
	assert_int_equal(endpoint_resolve(NULL, &endpoint), 0);
	assert_string_equal(endpoint.directory, runtime);
}

static void test_resolve_falls_back_to_a_state_directory_of_this_host(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;
	struct utsname machine;
	char expected[512];

	assert_int_equal(uname(&machine), 0);
	(void) unsetenv("XDG_RUNTIME_DIR");
	(void) setenv("HOME", *state, 1);
	assert_int_equal(endpoint_resolve(NULL, &endpoint), 0);
	(void) snprintf(expected, sizeof(expected), "%s/.local/state/cpub-agent/run-%s",
		(const char *) *state, machine.nodename);
	assert_string_equal(endpoint.directory, expected);
	endpoint_done(&endpoint);

	(void) setenv("XDG_STATE_HOME", "/state", 1);
	assert_int_equal(endpoint_resolve(NULL, &endpoint), 0);
	(void) snprintf(expected, sizeof(expected), "/state/cpub-agent/run-%s", machine.nodename);
	assert_string_equal(endpoint.directory, expected);
}

static void test_resolve_refuses_odd_given_paths(void **state) {
	static const char *const odd[] = {"", "agent.sock", "./a", "/", "/a/", "/a/.", "/a/.."};
	struct endpoint endpoint = ENDPOINT_NULL;
	(void) state;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(endpoint_resolve(odd[i], &endpoint), -EINVAL);
	(void) setenv("CPUB_AGENT_SOCK", "agent.sock", 1);
	assert_int_equal(endpoint_resolve(NULL, &endpoint), -EINVAL);
	assert_null(endpoint.directory);
}

static void test_resolve_without_any_variable_is_enoent(void **state) {
	struct endpoint endpoint = ENDPOINT_NULL;
	(void) state;

	(void) unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(endpoint_resolve(NULL, &endpoint), -ENOENT);
	/* A relative one counts as unset (XDG Base Directory Specification). */
	(void) setenv("XDG_RUNTIME_DIR", "run", 1);
	(void) setenv("HOME", "home", 1);
	assert_int_equal(endpoint_resolve(NULL, &endpoint), -ENOENT);
	assert_null(endpoint.directory);
}

static void test_open_makes_a_private_directory(void **state) {
	_cleanup_(freep) char *path = below(state, "cpub-agent");

	mode_t before = umask(0);
	assert_int_equal(open_default(false), -ENOENT);
	assert_int_equal(open_default(true), 0);
	(void) umask(before);
	assert_int_equal(mode_of(path), 0700);
	assert_int_equal(open_default(false), 0);
}

static void test_open_makes_parents_below_home_only(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;
	_cleanup_(freep) char *runtime = below(state, "gone");
	_cleanup_(freep) char *local = below(state, ".local");

	(void) setenv("XDG_RUNTIME_DIR", runtime, 1);
	assert_int_equal(open_default(true), -ENOENT);
	assert_int_equal(access(runtime, F_OK), -1);

	(void) unsetenv("XDG_RUNTIME_DIR");
	(void) setenv("HOME", *state, 1);
	endpoint = opened();
	assert_int_equal(mode_of(endpoint.directory), 0700);
	assert_int_equal(mode_of(local), 0700);
}

static void test_open_refuses_a_directory_open_to_others(void **state) {
	static const mode_t loose[] = {0710, 0701, 0720, 0755, 0777, 01777};
	_cleanup_(freep) char *path = below(state, "cpub-agent");
	assert_int_equal(mkdir(path, 0700), 0);

	for (size_t i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
		assert_int_equal(chmod(path, loose[i]), 0);
		assert_int_equal(open_default(true), -EACCES);
	}
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(open_default(true), 0);
}

static void test_open_refuses_a_symlink_and_a_file(void **state) {
	_cleanup_(endpoint_done) struct endpoint given = ENDPOINT_NULL;
	_cleanup_(freep) char *path = below(state, "cpub-agent");
	_cleanup_(freep) char *target = below(state, "target");
	_cleanup_(freep) char *slashed = below(state, "cpub-agent//agent.sock");

	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(open_default(true), -ELOOP);
	assert_int_equal(endpoint_resolve(slashed, &given), 0);
	assert_int_equal(endpoint_open(&given, true), -ELOOP);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	assert_int_equal(open_default(true), -ENOTDIR);
}

static void test_open_refuses_a_directory_of_another_user(void **state) {
	skip_unless_root("only root can give a directory to another user");
	_cleanup_(freep) char *path = below(state, "cpub-agent");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	assert_int_equal(open_default(true), -EPERM);
}

/* Which file is the socket's, as endpoint_listen tells. */
static struct stat file;

static void test_listen_makes_a_private_socket_and_connects(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(freep) char *path = below(state, "cpub-agent/agent.sock");
	_cleanup_(fd_closep) int server = -1;

	mode_t before = umask(0);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), 0);
	(void) umask(before);
	assert_int_equal(mode_of(path), 0600);
	assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
	assert_reaches(&endpoint, server);
}

static void test_listen_and_connect_work_past_the_length_of_sun_path(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;
	_cleanup_(fd_closep) int server = -1;
	char name[201];
	char path[1024];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void) snprintf(path, sizeof(path), "%s/%s", (const char *) *state, name);
	assert_int_equal(mkdir(path, 0700), 0);
	(void) snprintf(path, sizeof(path), "%s/%s/%s", (const char *) *state, name, name);
	assert_true(strlen(path) > sizeof(((struct sockaddr_un *) NULL)->sun_path));

	assert_int_equal(endpoint_resolve(path, &endpoint), 0);
	assert_int_equal(endpoint_open(&endpoint, false), 0);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_reaches(&endpoint, server);
}

static void test_listen_tells_which_file_is_its(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(freep) char *path = below(state, "cpub-agent/agent.sock");
	_cleanup_(fd_closep) int server = -1, other = -1;
	struct stat found;

	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), 0);
	assert_int_equal(endpoint_check_socket(&endpoint, &found), 0);
	assert_true(found.st_dev == file.st_dev && found.st_ino == file.st_ino);
	/* As long as the socket is open, no other file can be taken for it. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &found, &other), 0);
	assert_true(found.st_ino != file.st_ino);
}

static void test_socket_that_others_may_use_is_told(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(freep) char *path = below(state, "cpub-agent/agent.sock");
	_cleanup_(fd_closep) int server = -1;

	assert_int_equal(endpoint_check_socket(&endpoint, &file), -ENOENT);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), 0);
	assert_int_equal(endpoint_check_socket(&endpoint, &file), 0);
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(endpoint_check_socket(&endpoint, &file), -EACCES);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(endpoint_check_socket(&endpoint, &file), -ENOTSOCK);
}

static void test_connect_tells_that_nobody_listens(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	int server = -1;
	int client = -1;
	(void) state;

	assert_int_equal(endpoint_connect(&endpoint, &client), -ENOENT);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), 0);
	(void) close(server);
	assert_int_equal(endpoint_connect(&endpoint, &client), -ECONNREFUSED);
	assert_int_equal(client, -1);
}

static void test_listen_replaces_a_stale_socket(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(freep) char *new_path = below(state, "cpub-agent/new.sock");
	int stale = -1;
	_cleanup_(fd_closep) int server = -1;

	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &stale), 0);
	(void) close(stale);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), 0);
	assert_reaches(&endpoint, server);
	assert_int_equal(access(new_path, F_OK), -1);
}

static void test_listen_survives_leftovers_of_a_killed_agent(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(freep) char *path = below(state, "cpub-agent/agent.sock");
	_cleanup_(freep) char *new_path = below(state, "cpub-agent/new.sock");
	int stale = -1;
	_cleanup_(fd_closep) int server = -1;

	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &stale), 0);
	assert_int_equal(rename(path, new_path), 0);
	(void) close(stale);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), 0);
	assert_reaches(&endpoint, server);
}

static void test_listen_replaces_nothing_but_a_socket(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(freep) char *path = below(state, "cpub-agent/agent.sock");
	int server = -1;

	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	assert_int_equal(endpoint_listen(&endpoint, BACKLOG, &file, &server), -ENOTSOCK);
	assert_int_equal(server, -1);
	assert_int_equal(access(path, F_OK), 0);
}

/* A queue that stays full must not hold a client for ever. */
static void test_connect_gives_up_on_a_full_queue(void **state) {
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(fd_closep) int server = -1;
	int clients[8];
	int r = 0;
	size_t n = 0;
	(void) state;

	assert_int_equal(endpoint_listen(&endpoint, 1, &file, &server), 0);
	while (n < 8 && r == 0) {
		r = endpoint_connect(&endpoint, &clients[n]);
		if (r == 0)
			n++;
	}
	assert_int_equal(r, -ETIMEDOUT);
	while (n > 0)
		(void) close(clients[--n]);
}

/* The kernel shows a client who called listen(2), so that is what the child does. */
static void test_connect_refuses_a_server_of_another_user(void **state) {
	skip_unless_root("only root can run a server as another user");
	_cleanup_(endpoint_done) struct endpoint endpoint = opened();
	_cleanup_(freep) char *path = below(state, "cpub-agent/agent.sock");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int said[2];
	char byte;
	int client = -1;

	_cleanup_(fd_closep) int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(server, (struct sockaddr *) &address, sizeof(address)), 0);
	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		bool is_ready = setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
				setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
				listen(server, BACKLOG) == 0 && write(said[1], "R", 1) == 1;
		_exit(is_ready ? pause() : 1);
	}
	(void) close(said[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);

	assert_int_equal(endpoint_connect(&endpoint, &client), -EPERM);
	assert_int_equal(client, -1);
	(void) kill(pid, SIGKILL);
	(void) waitpid(pid, NULL, 0);
	(void) close(said[0]);
}

static void test_advice_has_a_sentence_for_each_failure(void **state) {
	static const int errors[] = {
		-EINVAL, -ENOENT, -ENOTDIR, -ELOOP, -EPERM, -EACCES, -ENOMEM, -EIO};
	(void) state;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(
				endpoint_advice(errors[i]), endpoint_advice(errors[k]));
	}
}

/* In a child, because it cannot be undone. */
static void test_harden_closes_the_process(void **state) {
	int status;
	(void) state;

	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit core;
		bool is_closed = prctl(PR_GET_DUMPABLE) == 1 && harden_process() == 0 &&
				 prctl(PR_GET_DUMPABLE) == 0 &&
				 prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
				 getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 &&
				 core.rlim_max == 0 && umask(0) == 077;
		_exit(is_closed ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_harden_sees_a_tracer(void **state) {
	int status;
	(void) state;

	assert_int_equal(harden_check_untraced(), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		_exit(harden_check_untraced() == -EPERM ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_resolve_prefers_given_then_variable_then_runtime),
		TEST(test_resolve_falls_back_to_a_state_directory_of_this_host),
		TEST(test_resolve_refuses_odd_given_paths),
		TEST(test_resolve_without_any_variable_is_enoent),
		TEST(test_open_makes_a_private_directory),
		TEST(test_open_makes_parents_below_home_only),
		TEST(test_open_refuses_a_directory_open_to_others),
		TEST(test_open_refuses_a_symlink_and_a_file),
		TEST(test_open_refuses_a_directory_of_another_user),
		TEST(test_listen_makes_a_private_socket_and_connects),
		TEST(test_listen_tells_which_file_is_its),
		TEST(test_socket_that_others_may_use_is_told),
		TEST(test_listen_and_connect_work_past_the_length_of_sun_path),
		TEST(test_connect_tells_that_nobody_listens),
		TEST(test_listen_replaces_a_stale_socket),
		TEST(test_listen_survives_leftovers_of_a_killed_agent),
		TEST(test_listen_replaces_nothing_but_a_socket),
		TEST(test_connect_gives_up_on_a_full_queue),
		TEST(test_connect_refuses_a_server_of_another_user),
		TEST(test_advice_has_a_sentence_for_each_failure),
		TEST(test_harden_closes_the_process),
		TEST(test_harden_sees_a_tracer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
