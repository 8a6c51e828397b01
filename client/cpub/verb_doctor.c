/* Looks for what is wrong with cargo, the agent and the machine. The ids are told in doctor.h. */

#include <errno.h>

#include "cargo_config.h"
#include "doctor.h"
#include "finding.h"
#include "protocol/json.h"
#include "verb.h"

#define SCHEMA 1
#define PROC_SYS "/proc/sys"

static void look(struct findings *findings, const struct command *command) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = doctor_load_config(findings);

	if (config) {
		doctor_providers(findings, config);
		doctor_tokens(findings, config);
		doctor_variables(findings, config);
		doctor_project(findings, config);
	}
	doctor_folders(findings, command->socket);
	doctor_agent(findings, command);
	doctor_kernel(findings, PROC_SYS);
}

static int show_json(const struct findings *findings) {
	struct json_writer writer;
	int r;

	json_writer_init(&writer, false);
	json_write_object(&writer, NULL);
	json_write_integer(&writer, "schema", SCHEMA);
	findings_write(findings, &writer);
	json_write_object_end(&writer);
	r = json_writer_finish(&writer);
	if (r == 0)
		fwrite(json_writer_bytes(&writer), 1, writer.size, stdout);
	json_writer_done(&writer);
	return r;
}

static void show(const struct findings *findings, const struct print *print) {
	size_t n_bad = findings_count(findings, FINDING_BAD);
	size_t n_warn = findings_count(findings, FINDING_WARN);

	findings_show(findings, print);
	if (!print->is_quiet)
		print_line("%zu bad, %zu to look at.", n_bad, n_warn);
}

static enum exit_code run(struct command *command) {
	_cleanup_(findings_done) struct findings findings = {0};
	int r = 0;

	look(&findings, command);
	if (findings.is_broken)
		return verb_fail(command, -ENOMEM);
	if (command->print.is_json)
		r = show_json(&findings);
	else
		show(&findings, &command->print);
	if (r < 0)
		return verb_fail(command, r);
	return findings_count(&findings, FINDING_BAD) > 0 ? EXIT_FAILED : EXIT_DONE;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.summary = "Look for what weakens the keeping of your tokens",
	.help = "Usage: cpub-agent doctor\n"
		"\n"
		"Looks at cargo's configuration as it holds for the current folder, at the\n"
		"environment, the agent and the machine, and says what is well (\u2713), what to "
		"look\n"
		"at (!) and what is bad (\u2717), each with what to do. Ends with 1 if something "
		"is bad.\n"
		"Changes nothing, starts no agent, and shows no token: it does not read them.\n"
		"\n"
		"  D01  which provider cargo asks for each registry\n"
		"  D02  a project or the environment puts another provider before cpub-agent\n"
		"  D03  a token or private key in the clear in your own cargo files\n"
		"  D04  a token or private key in the clear in a project's file\n"
		"  D05  configuration that cargo or cpub-agent cannot read\n"
		"  D06  an entry that a project's [credential-alias] can replace\n"
		"  D07  a token or private key in the environment\n"
		"  D08  who can reach the agent's socket\n"
		"  D09  who can reach the store\n"
		"  D10  whether the agent answers, and is of this version\n"
		"  D11  whether programs can read cargo's memory (kernel.yama.ptrace_scope)\n"
		"  D12  whether programs can type into your terminal (dev.tty.legacy_tiocsti)\n"
		"  D13  whether the agent's secrets can reach swap\n"
		"  D14  the assurance level\n"
		"  D15  the state of the store\n"
		"  D16  a project that sets cargo's proxy, certificates or sources\n"
		"  D17  a project that gives a registry's name another index than you do\n",
	.run = run,
};
