#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/home.h"
#include "agent/journal.h"
#include "agent/log.h"
#include "agent/peer.h"
#include "protocol/json.h"

#define AUDIT "audit.jsonl"
/* In the journal: what finds all decisions, and syslog(3)'s LOG_INFO and LOG_WARNING. */
#define MESSAGE_ID "4180215e66fc47ecacf8376b80019317"
#define PRIORITY_DONE "6"
#define PRIORITY_REFUSED "4"

struct audit {
	int fd;
};

int audit_new(struct audit **ret) {
	struct audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return -ENOMEM;
	audit->fd = -1;
	*ret = audit;
	return 0;
}

struct audit *audit_free(struct audit *audit) {
	if (!audit)
		return NULL;
	(void) fd_close(audit->fd);
	free(audit);
	return NULL;
}

/* Opens the file at the first entry, and again if somebody has moved or removed it. */
static int audit_open(struct audit *audit) {
	_cleanup_(fd_closep) int directory = -1;
	struct stat status;
	int r;

	if (audit->fd >= 0 && fstat(audit->fd, &status) == 0 && status.st_nlink > 0)
		return 0;
	audit->fd = fd_close(audit->fd);
	r = home_open(HOME_STATE, true, &directory);
	if (r < 0)
		return r;
	audit->fd = openat(directory, AUDIT,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		0600);
	if (audit->fd < 0)
		return -errno;
	if (fstat(audit->fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
		(status.st_mode & 077) != 0) {
		audit->fd = fd_close(audit->fd);
		return -EACCES;
	}
	return 0;
}

static void write_optional(struct json_writer *writer, const char *name, const char *value) {
	if (value)
		json_write_string(writer, name, value);
}

static const char *decision(const struct audit_entry *entry) {
	if (entry->decision)
		return entry->decision;
	return entry->refusal == REFUSAL_NONE ? "done" : "refused";
}

static void write_users(struct json_writer *writer, const char *users) {
	if (!users)
		return;
	json_write_array(writer, "users");
	while (*users) {
		size_t size = strcspn(users, "\n");

		json_write_bytes(writer, NULL, users, size);
		users += size + (users[size] == '\n');
	}
	json_write_array_end(writer);
}

static void compose(struct json_writer *writer, const struct audit_entry *entry) {
	_cleanup_(freep) char *who =
		entry->peer && !entry->claimed ? peer_describe(entry->peer) : NULL;
	time_t now = time(NULL);
	char stamp[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		(void) strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_write_object(writer, NULL);
	json_write_string(writer, "time", stamp);
	json_write_string(writer, "op", entry->op);
	write_optional(writer, "registry", entry->url);
	write_optional(writer, "account", entry->account);
	write_optional(writer, "crate", entry->crate);
	write_optional(writer, "vers", entry->version);
	write_optional(writer, "cksum", entry->checksum);
	write_optional(writer, "key", entry->key);
	write_users(writer, entry->users);
	json_write_string(writer, "decision", decision(entry));
	if (entry->refusal != REFUSAL_NONE)
		json_write_string(writer, "refusal", refusal_name(entry->refusal));
	write_optional(writer, "claimed-peer", entry->claimed ? entry->claimed : who);
	json_write_object_end(writer);
}

/* "publish of demo 0.1.0 at https://… as default: done". Caller frees; NULL if out of memory. */
static char *tell(const struct audit_entry *entry) {
	bool is_done = entry->refusal == REFUSAL_NONE;
	char *text;
	int n = asprintf(&text, "%s%s%s%s%s%s%s%s%s: %s%s%s", entry->op,
		entry->crate ? " of " : "", entry->crate ? entry->crate : "",
		entry->version ? " " : "", entry->version ? entry->version : "",
		entry->url ? " at " : "", entry->url ? entry->url : "",
		entry->account ? " as " : "", entry->account ? entry->account : "",
		decision(entry), is_done ? "" : ", ",
		is_done ? "" : refusal_name(entry->refusal));

	return n < 0 ? NULL : text;
}

/* For people who look there. A copy, which may be lost: the line in the file is the record. */
static void tell_journal(const struct audit_entry *entry) {
	_cleanup_(freep) char *message = NULL;
	bool is_done = entry->refusal == REFUSAL_NONE;
	struct journal_entry told;

	if (!journal_has_stderr())
		return;
	message = tell(entry);
	journal_begin(&told);
	journal_add(&told, "MESSAGE", message ? message : entry->op);
	journal_add(&told, "MESSAGE_ID", MESSAGE_ID);
	journal_add(&told, "PRIORITY", is_done ? PRIORITY_DONE : PRIORITY_REFUSED);
	journal_add(&told, "SYSLOG_IDENTIFIER", "cpub-agentd");
	journal_add(&told, "CPUB_OP", entry->op);
	journal_add(&told, "CPUB_REGISTRY", entry->url);
	journal_add(&told, "CPUB_ACCOUNT", entry->account);
	journal_add(&told, "CPUB_CRATE", entry->crate);
	journal_add(&told, "CPUB_VERSION", entry->version);
	journal_add(&told, "CPUB_DECISION", decision(entry));
	if (!is_done)
		journal_add(&told, "CPUB_REFUSAL", refusal_name(entry->refusal));
	(void) journal_send(&told);
}

/* Takes back the part of a line that was written last; readers take the log line by line. */
static void audit_cut(struct audit *audit, off_t written) {
	off_t end = lseek(audit->fd, 0, SEEK_CUR); /* Where an append ends. */
	struct stat status;

	/* Unless another agent has written behind it. */
	if (end < written || fstat(audit->fd, &status) < 0 || status.st_size != end ||
		ftruncate(audit->fd, end - written) < 0)
		log_warning("half a line stays in the audit log");
}

int audit_write(struct audit *audit, const struct audit_entry *entry) {
	_cleanup_(json_writer_done) struct json_writer writer;
	ssize_t n;
	int r;

	json_writer_init(&writer, false);
	compose(&writer, entry);
	r = json_writer_finish(&writer);
	if (r < 0)
		return r;
	r = audit_open(audit);
	if (r < 0)
		return r;
	/* One write, so that lines of two agents do not mix. */
	n = write(audit->fd, json_writer_bytes(&writer), writer.size);
	if (n < 0)
		return -errno;
	if ((size_t) n < writer.size) {
		audit_cut(audit, (off_t) n);
		return -ENOSPC;
	}
	/* After it, so that the journal tells of nothing that the log does not have. */
	tell_journal(entry);
	return 0;
}
