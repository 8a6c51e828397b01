#include "cargo_run.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cargo_provider.h"
#include "cargo_token.h"
#include "client/call.h"
#include "kill_tree.h"
#include "protocol/names.h"
#include "stop.h"
#include "verb.h"

#define OUTPUT_MAX ((size_t) 64 * 1024 * 1024)
#define OUTPUT_FIRST ((size_t) 64 * 1024)
/* Even a build comes to an end. */
#define RUN_USEC (24 * 60 * 60 * CALL_USEC_PER_SEC)

/* One cargo on its way. It owns the descriptors, the output and the strings. */
struct run {
	const struct cargo *cargo;
	struct arguments environment;
	int output_fd;
	int null_fd;
	pid_t pid;
	int pid_fd;
	char *output;
	size_t size;
	size_t capacity;
};

static void run_done(struct run *run) {
	arguments_done(&run->environment);
	run->output_fd = fd_close(run->output_fd);
	run->null_fd = fd_close(run->null_fd);
	run->pid_fd = fd_close(run->pid_fd);
	free(run->output);
}

/* Takes the text over; NULL is a failure. */
static void arguments_take(struct arguments *arguments, char *text) {
	char **items =
		text ? reallocarray(arguments->items, arguments->n + 2, sizeof(*items)) : NULL;

	if (!items) {
		free(text);
		arguments->has_failed = true;
		return;
	}
	items[arguments->n++] = text;
	items[arguments->n] = NULL;
	arguments->items = items;
}

void arguments_add(struct arguments *arguments, const char *text) {
	arguments_take(arguments, strdup(text));
}

void arguments_format(struct arguments *arguments, const char *format, ...) {
	char *text = NULL;
	va_list values;

	va_start(values, format);
	if (vasprintf(&text, format, values) < 0)
		text = NULL;
	va_end(values);
	arguments_take(arguments, text);
}

void arguments_done(struct arguments *arguments) {
	for (size_t i = 0; i < arguments->n; i++)
		free(arguments->items[i]);
	free(arguments->items);
	*arguments = (struct arguments){0};
}

static bool is_program(const char *path) {
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* A folder of PATH that is not absolute is one of the project's, perhaps: passed over. */
int cargo_find(char **ret) {
	const char *list = getenv("PATH"), *given = getenv("CARGO");

	if (given && given[0] == '/' && is_program(given)) {
		*ret = strdup(given);
		return *ret ? 0 : -ENOMEM;
	}
	while (list && *list) {
		size_t size = strcspn(list, ":");
		char path[PATH_MAX];

		if (list[0] == '/' &&
			snprintf(path, sizeof(path), "%.*s/cargo", (int) size, list) <
				(int) sizeof(path) &&
			is_program(path)) {
			*ret = strdup(path);
			return *ret ? 0 : -ENOMEM;
		}
		list += size + (list[size] == ':');
	}
	return -ENOENT;
}

static bool is_named(const char *entry, const char *name) {
	size_t size = strlen(name);

	return strncmp(entry, name, size) == 0 && entry[size] == '=';
}

/* Names that go no further, and those that are set anew. */
struct changes {
	const char *names[8];
	size_t n;
};

static void changes_add(struct changes *changes, const char *name) {
	changes->names[changes->n++] = name;
}

static bool changes_have(const struct changes *changes, const char *entry) {
	for (size_t i = 0; i < changes->n; i++) {
		if (is_named(entry, changes->names[i]))
			return true;
	}
	return false;
}

/* Tokens, but for those of other registries that cargo may need to read there. */
static bool is_hidden(const struct cargo *cargo, const char *entry) {
	if (!cargo_token_is(entry))
		return false;
	for (size_t i = 0; i < cargo->other_tokens.n; i++) {
		if (is_named(entry, cargo->other_tokens.items[i]))
			return false;
	}
	return true;
}

/*
 * Our own provider, should the registry want a token for reads: it hands one out for those alone.
 * The variable wins over every file, whose values may be texts or lists, which cargo does not mix
 * with those of `--config`; its words are split at blanks. With arguments, as one without could be
 * an alias for another.
 */
static int set_provider(const struct cargo *cargo, struct changes *changes,
	struct arguments *environment, char **ret_name) {
	const char *name = cargo->registry_name;
	const char *account = cargo->command->account;
	_cleanup_(freep) char *key = NULL, *ours = NULL;
	int r;

	if (!name)
		return 0;
	r = cargo_provider_find_ours(&ours);
	if (r < 0 || ours[strcspn(ours, " \t\n")])
		return r == -ENOMEM ? r : 0;
	if (strcmp(name, CRATES_IO_NAME) == 0)
		r = asprintf(&key, "registry.credential-provider");
	else
		r = asprintf(&key, "registries.%s.credential-provider", name);
	if (r < 0) {
		key = NULL;
		return -ENOMEM;
	}
	(void) cargo_variable(key, ret_name);
	if (!*ret_name)
		return -ENOMEM;
	changes_add(changes, *ret_name);
	arguments_format(environment, "%s=%s --account %s", *ret_name, ours,
		account ? account : ACCOUNT_DEFAULT);
	return 0;
}

static void set_compiler(
	const struct cargo *cargo, struct changes *changes, struct arguments *environment) {
	changes_add(changes, "RUSTC_WRAPPER");
	arguments_add(environment, "RUSTC_WRAPPER=");
	changes_add(changes, "RUSTC_WORKSPACE_WRAPPER");
	arguments_add(environment, "RUSTC_WORKSPACE_WRAPPER=");
	if (cargo->has_foreign_rustc && !getenv("RUSTC") && !getenv("CARGO_BUILD_RUSTC"))
		arguments_add(environment, "RUSTC=rustc");
	if (!cargo->has_foreign_variables)
		return;
	/*
	 * All that the version of rustc is asked for (1.84 and later): whether a new lockfile
	 * prefers releases that it can compile. Else that stays as the project wants it.
	 */
	changes_add(changes, "CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS");
	arguments_add(environment, "CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=allow");
}

static int run_fill_environment(struct run *run, enum cargo_trust trust, const char *work) {
	struct arguments *environment = &run->environment;
	const char *socket = run->cargo->command->socket;
	_cleanup_(freep) char *provider_name = NULL;
	struct changes changes = {0};
	int r = set_provider(run->cargo, &changes, environment, &provider_name);

	if (r < 0)
		return r;
	if (trust == CARGO_ALONE)
		set_compiler(run->cargo, &changes, environment);
	if (work) {
		/* Since cargo 1.91 a project can have these elsewhere than in the target folder. */
		changes_add(&changes, "CARGO_BUILD_BUILD_DIR");
		arguments_format(environment, "CARGO_BUILD_BUILD_DIR=%s", work);
	}
	if (socket) {
		changes_add(&changes, "CPUB_AGENT_SOCK");
		arguments_format(environment, "CPUB_AGENT_SOCK=%s", socket);
	}
	for (char **entry = environ; *entry; entry++) {
		if (!changes_have(&changes, *entry) && !is_hidden(run->cargo, *entry))
			arguments_add(environment, *entry);
	}
	return environment->has_failed ? -ENOMEM : 0;
}

/* In the child: nobody can be told but by the exit status that shells use for it. */
_Noreturn static void run_become_cargo(
	const struct run *run, char *const *arguments, int output_fd) {
	sigset_t none;

	(void) sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	/* Handlers end at exec by themselves; what is ignored does not. */
	(void) signal(SIGPIPE, SIG_DFL);
	(void) umask(run->cargo->command->umask);
	if (dup2(run->null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0)
		_exit(126);
	(void) execve(run->cargo->program, arguments, run->environment.items);
	_exit(127);
}

static int run_start(struct run *run, char *const *arguments, bool keeps_output) {
	_cleanup_(fd_closep) int write_end = -1;
	int ends[2];

	run->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (run->null_fd < 0)
		return -errno;
	if (keeps_output) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		run->output_fd = ends[0];
		write_end = ends[1];
	}
	(void) fflush(stdout); /* So that what we said stands before what cargo says. */
	run->pid = fork();
	if (run->pid < 0)
		return -errno;
	if (run->pid == 0)
		run_become_cargo(run, arguments, keeps_output ? write_end : STDERR_FILENO);
	run->pid_fd = pidfd_open(run->pid, 0);
	return run->pid_fd < 0 ? -errno : 0;
}

/* 1 if there may be more, 0 at the end, or a negative errno. */
static int run_read(struct run *run) {
	ssize_t n;

	if (run->size + 1 >= run->capacity) {
		size_t capacity = run->capacity > 0 ? run->capacity * 2 : OUTPUT_FIRST;
		char *output;

		if (run->capacity >= OUTPUT_MAX)
			return -E2BIG;
		output = realloc(run->output, capacity);
		if (!output)
			return -ENOMEM;
		run->output = output;
		run->capacity = capacity;
	}
	n = read(run->output_fd, run->output + run->size, run->capacity - run->size - 1);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	run->size += (size_t) n;
	run->output[run->size] = '\0';
	return n > 0;
}

/* Until it has ended; its output first. 0 or a negative errno: then it may run still. */
static int run_wait(struct run *run) {
	uint64_t deadline = call_deadline(RUN_USEC);

	for (;;) {
		struct pollfd fds[] = {
			{.fd = run->output_fd, .events = POLLIN},
			{.fd = run->output_fd < 0 ? run->pid_fd : -1, .events = POLLIN},
			{.fd = stop_fd()},
		};
		int r = call_poll(fds, 3, deadline);

		if (r < 0)
			return r;
		if (fds[2].revents != 0)
			return -ECANCELED;
		if (fds[1].revents != 0)
			return 0;
		if (fds[0].revents == 0)
			continue;
		r = run_read(run);
		if (r < 0)
			return r;
		if (r == 0)
			run->output_fd = fd_close(run->output_fd);
	}
}

static int run_reap(const struct run *run) {
	int status;

	while (waitpid(run->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int cargo_run(const struct cargo *cargo, struct arguments *arguments, enum cargo_trust trust,
	const char *work, char **ret_output, size_t *ret_size) {
	_cleanup_(run_done) struct run run = {
		.cargo = cargo, .output_fd = -1, .null_fd = -1, .pid_fd = -1};
	int r;

	if (arguments->has_failed)
		return -ENOMEM;
	if (stop_was_asked())
		return -ECANCELED;
	r = run_fill_environment(&run, trust, work);
	if (r == 0)
		r = run_start(&run, arguments->items, ret_output != NULL);
	if (r == 0)
		r = run_wait(&run);
	if (r < 0) {
		if (run.pid > 0)
			kill_tree(run.pid);
		return r;
	}
	r = run_reap(&run);
	/* ^C reaches cargo and us at once, and it may have been the quicker. */
	if (stop_was_asked())
		return -ECANCELED;
	if (r >= 0 && ret_output) {
		*ret_output = TAKE_PTR(run.output);
		*ret_size = run.size;
	}
	return r;
}
