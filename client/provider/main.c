/*
 * cargo-credential-cpub: cargo's way to the agent. See relay.h. libc only and
 * statically linked, because cargo starts it once for every request.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/provider/relay.h"
#include "protocol/harden.h"
#include "protocol/refusal.h"

#ifndef CPUB_VERSION
#define CPUB_VERSION "0.1.0"
#endif

#define NAME "cargo-credential-cpub"

static const char usage[] =
	"Usage: " NAME " --cargo-plugin | --help | --version\n"
	"\n"
	"cargo runs this program to get registry tokens from cpub-agent. To let it do\n"
	"so, run\n"
	"\n"
	"    cpub-agent setup cargo\n"
	"\n"
	"which puts it into ~/.cargo/config.toml, and then `cpub-agent login`.\n";

static const char help[] =
	"\n"
	"Options:\n"
	"      --cargo-plugin  Carry requests from standard input to the agent (cargo adds\n"
	"                      this itself)\n"
	"  -h, --help          Show this text\n"
	"  -V, --version       Show the version\n"
	"\n"
	"In cargo's configuration `--account NAME` may follow the program, for one\n"
	"registry say:\n"
	"\n"
	"    [registries.NAME]\n"
	"    credential-provider = [\"/usr/bin/" NAME "\", \"--account\", \"NAME\"]\n"
	"\n"
	"Of several the last one counts: `cargo login -- --account OTHER` overrides it.\n"
	"\n"
	"CPUB_AGENT_SOCK names another socket than the usual one; then no agent is\n"
	"started when none listens there.\n";

/* A closed 0 to 2 would be given to the next socket, which cargo's lines would go into then. */
static int fill_standard_descriptors(void) {
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number, which is this one. */
		if (open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
			return -EBADF;
	}
	return 0;
}

static int run_as_plugin(void) {
	/* cargo may go away at any time: writes tell it. */
	(void) signal(SIGPIPE, SIG_IGN);
	return relay_run();
}

static int run_by_hand(int argc, char **argv) {
	const char *option = argc == 2 ? argv[1] : "";

	if (strcmp(option, "-V") == 0 || strcmp(option, "--version") == 0)
		return puts(NAME " " CPUB_VERSION) < 0 ? EXIT_FAILED : EXIT_DONE;
	if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0)
		return printf("%s%s", usage, help) < 0 ? EXIT_FAILED : EXIT_DONE;
	if (argc <= 1)
		return fputs(usage, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;

	(void) fputs(NAME ": these arguments are not understood\n", stderr);
	(void) fputs(usage, stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv) {
	int r = harden_process();
	if (r == 0)
		r = fill_standard_descriptors();
	if (r < 0) {
		(void) fprintf(stderr, NAME ": could not close itself to other programs: %s\n",
			strerror(-r));
		return EXIT_FAILED;
	}

	if (argc == 2 && strcmp(argv[1], "--cargo-plugin") == 0)
		return run_as_plugin();
	return run_by_hand(argc, argv);
}
