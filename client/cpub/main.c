/* cpub-agent: the command line. Every verb is one request to the agent. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "protocol/harden.h"

#ifndef CPUB_VERSION
#define CPUB_VERSION "0.1.0"
#endif

/* A closed 0 to 2 would be given to the next socket, which our own texts would go into then. */
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

static enum exit_code run(int argc, char **argv, mode_t mask) {
	struct command command = {.umask = mask};
	enum exit_code code = options_parse(argc, argv, &command);

	if (code != EXIT_DONE)
		return code;
	if (command.is_help) {
		options_help(command.verb);
		return EXIT_DONE;
	}
	if (command.is_version) {
		puts("cpub-agent " CPUB_VERSION);
		return EXIT_DONE;
	}
	return command.verb ? command.verb->run(&command) : verb_status.run(&command);
}

int main(int argc, char **argv) {
	/* Read by setting it, as there is no other way. */
	mode_t mask = umask(077);
	enum exit_code code;
	int r;

	r = harden_process();
	if (r == 0)
		r = fill_standard_descriptors();
	if (r < 0) {
		fprintf(stderr, "cpub-agent: cannot close itself to other programs: %s\n",
			strerror(-r));
		return EXIT_FAILED;
	}
	code = run(argc, argv, mask);
	/* An answer that did not reach its reader was not given. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("cpub-agent: standard output cannot be written\n", stderr);
		return code == EXIT_DONE ? EXIT_FAILED : code;
	}
	return code;
}
