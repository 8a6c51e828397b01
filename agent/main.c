/* cpub-agentd: the daemon core. */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "protocol/harden.h"
#include "protocol/refusal.h"

#ifndef CPUB_VERSION
#error "the build says which version this is"
#endif

#define LOCK_AFTER_DEFAULT (30 * 60 * USEC_PER_SEC)
#define EXIT_AFTER_DEFAULT (15 * 60 * USEC_PER_SEC)

static const char help[] =
	"Usage: cpub-agentd [OPTION]...\n"
	"Holds registry credentials; normally started by cpub-agent, cargo-credential-cpub or\n"
	"systemd (cpub-agent.socket), whose socket it takes over.\n"
	"\n"
	"      --socket=PATH       listen there (absolute path)\n"
	"      --store=memory      keep nothing on disk, forget all at exit\n"
	"      --lock-after=SEC    lock this long after the last request (default 1800)\n"
	"      --idle-exit=SEC     leave this long after that (default 900)\n"
	"      --ready-fd=N        write one byte there when serving\n"
	"  -v, --verbose           log more\n"
	"  -h, --help              show this help\n"
	"  -V, --version           show the version\n";

enum {
	OPTION_SOCKET = 256,
	OPTION_STORE,
	OPTION_LOCK_AFTER,
	OPTION_IDLE_EXIT,
	OPTION_READY_FD,
};

static int parse_number(const char *text, unsigned long max, unsigned long *ret) {
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || number > max)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int parse_seconds(const char *text, uint64_t *ret_usec) {
	unsigned long seconds;
	int r;

	r = parse_number(text, 7 * 24 * 3600, &seconds);
	if (r < 0 || seconds == 0)
		return -EINVAL;
	*ret_usec = seconds * USEC_PER_SEC;
	return 0;
}

/* 0, 1 if there is nothing more to do, or a negative errno. */
static int parse_option(struct agent_options *options, int option) {
	unsigned long number;
	int r;

	switch (option) {
	case 'h':
		(void) fputs(help, stdout);
		return 1;
	case 'V':
		(void) puts("cpub-agentd " CPUB_VERSION);
		return 1;
	case 'v':
		log_set_level(LOG_LEVEL_DEBUG);
		return 0;
	case OPTION_SOCKET:
		options->socket = optarg;
		return 0;
	case OPTION_STORE:
		options->in_memory = true;
		return strcmp(optarg, "memory") == 0 ? 0 : -EINVAL;
	case OPTION_LOCK_AFTER:
		return parse_seconds(optarg, &options->lock_after_usec);
	case OPTION_IDLE_EXIT:
		return parse_seconds(optarg, &options->exit_after_usec);
	case OPTION_READY_FD:
		r = parse_number(optarg, 1024, &number);
		if (r == 0)
			options->ready_fd = (int) number;
		return r;
	default:
		return -EINVAL;
	}
}

static int parse_options(int argc, char **argv, struct agent_options *options) {
	static const struct option longs[] = {
		{"socket", required_argument, NULL, OPTION_SOCKET},
		{"store", required_argument, NULL, OPTION_STORE},
		{"lock-after", required_argument, NULL, OPTION_LOCK_AFTER},
		{"idle-exit", required_argument, NULL, OPTION_IDLE_EXIT},
		{"ready-fd", required_argument, NULL, OPTION_READY_FD},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option, r;

	while ((option = getopt_long(argc, argv, "vhV", longs, NULL)) >= 0) {
		r = parse_option(options, option);
		if (r != 0)
			return r;
	}
	return optind == argc ? 0 : -EINVAL;
}

static int run(const struct agent_options *options) {
	_cleanup_(agent_freep) struct agent *agent = NULL;
	int r;

	r = agent_new(options, &agent);
	if (r == -EALREADY) {
		log_debug("another agent serves already");
		if (options->ready_fd >= 0)
			(void) !write(options->ready_fd, "R", 1); /* The starter goes on with that one. */
		return 0;
	}
	if (r < 0) {
		log_warning("cannot start: %s", strerror(-r));
		return r;
	}
	return agent_run(agent);
}

int main(int argc, char **argv) {
	struct agent_options options = {
		.lock_after_usec = LOCK_AFTER_DEFAULT,
		.exit_after_usec = EXIT_AFTER_DEFAULT,
		.ready_fd = -1,
	};
	int r;

	r = harden_process();
	if (r < 0) {
		log_warning("cannot close this process to others: %s", strerror(-r));
		return EXIT_FAILED;
	}
	r = parse_options(argc, argv, &options);
	if (r > 0)
		return EXIT_DONE;
	if (r < 0) {
		(void) fputs("Try 'cpub-agentd --help'.\n", stderr);
		return EXIT_USAGE;
	}
	return run(&options) < 0 ? EXIT_FAILED : EXIT_DONE;
}
