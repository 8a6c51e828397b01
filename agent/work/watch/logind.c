/*
 * Only logind itself counts. The bus delivers a broadcast signal by the sender
 * in our match, but a signal that a stranger addresses to us arrives whatever we
 * asked for. So the sender of each is compared with the owner of logind's name,
 * which is asked after the matches are in place: what comes between waits in
 * the queue. A new owner ends this worker; the next one knows it.
 *
 * A session's lock counts unless its user is known to be another one: a process
 * of `systemd --user` belongs to no session, so there is no "our own". In doubt
 * it counts: locking once too often costs a passphrase, the other way a token.
 */

#include "logind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define NAME "org.freedesktop.login1"
#define MANAGER_PATH "/org/freedesktop/login1"
#define MANAGER "org.freedesktop.login1.Manager"
#define SESSION "org.freedesktop.login1.Session"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define BUS "org.freedesktop.DBus"

#define FROM_SESSIONS                                                                              \
	"type='signal',sender='" NAME "',path_namespace='/org/freedesktop/login1/session',"

#define USEC_PER_SEC ((uint64_t) 1000000)
/* Any answer of the bus or of logind, while we begin. */
#define CALL_USEC (5 * USEC_PER_SEC)
/* Whose session it is; after that it counts as ours. */
#define USER_USEC (1 * USEC_PER_SEC)

struct logind {
	sd_bus *bus;
	char *owner; /* unique name of logind; NULL until it is known */
	uid_t uid;
	int inhibitor;
	bool has_left;
	logind_heard_t heard;
	void *userdata;
};

static bool is_from(sd_bus_message *message, const char *sender) {
	const char *name = sd_bus_message_get_sender(message);

	return name && sender && strcmp(name, sender) == 0;
}

static int logind_on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error) {
	struct logind *logind = userdata;
	const char *name, *old, *new;

	(void) error;
	if (!is_from(message, BUS) || sd_bus_message_read(message, "sss", &name, &old, &new) < 0 ||
		strcmp(name, NAME) != 0)
		return 0;
	/* One that came between the match and the question is of the owner that we know. */
	logind->has_left = !logind->owner || strcmp(new, logind->owner) != 0;
	return 0;
}

/* The answer to a session's User property: (uo). */
static int logind_on_user(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
	struct logind *logind = userdata;
	uint32_t uid;

	(void) error;
	if (!sd_bus_message_is_method_error(reply, NULL) &&
		sd_bus_message_read(reply, "v", "(uo)", &uid, NULL) >= 0 && uid != logind->uid)
		return 0;
	logind->heard(WORD_SESSION, logind->userdata);
	return 0;
}

static int logind_ask_user(struct logind *logind, const char *path) {
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r;

	r = sd_bus_message_new_method_call(
		logind->bus, &call, logind->owner, path, PROPERTIES, "Get");
	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "ss", SESSION, "User");
	if (r < 0)
		return r;
	return sd_bus_call_async(logind->bus, NULL, call, logind_on_user, logind, USER_USEC);
}

static void logind_session_locked(struct logind *logind, sd_bus_message *signal) {
	if (logind_ask_user(logind, sd_bus_message_get_path(signal)) < 0)
		logind->heard(WORD_SESSION, logind->userdata);
}

static int logind_on_lock(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
	struct logind *logind = userdata;

	(void) error;
	if (is_from(signal, logind->owner))
		logind_session_locked(logind, signal);
	return 0;
}

/* PropertiesChanged: s, a{sv}, as. A desktop's own lock sets the hint and sends no Lock. */
static bool tells_lock(sd_bus_message *signal) {
	const char *interface, *property;
	int is_locked;

	if (sd_bus_message_read(signal, "s", &interface) < 0 || strcmp(interface, SESSION) != 0)
		return false;
	if (sd_bus_message_enter_container(signal, 'a', "{sv}") < 0)
		return false;
	while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
		if (sd_bus_message_read(signal, "s", &property) < 0)
			return false;
		if (strcmp(property, "LockedHint") == 0)
			return sd_bus_message_read(signal, "v", "b", &is_locked) >= 0 && is_locked;
		if (sd_bus_message_skip(signal, "v") < 0 ||
			sd_bus_message_exit_container(signal) < 0)
			return false;
	}
	return false;
}

static int logind_on_properties(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
	struct logind *logind = userdata;

	(void) error;
	if (is_from(signal, logind->owner) && tells_lock(signal))
		logind_session_locked(logind, signal);
	return 0;
}

/* The machine waits as long as we hold the descriptor, up to logind's InhibitDelayMaxSec. */
static int logind_on_inhibited(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
	struct logind *logind = userdata;
	int fd;

	(void) error;
	if (sd_bus_message_is_method_error(reply, NULL)) {
		(void) fprintf(stderr,
			"%s: the machine will not wait for us before it sleeps: %s\n",
			program_invocation_short_name, sd_bus_message_get_error(reply)->name);
		return 0;
	}
	if (sd_bus_message_read(reply, "h", &fd) < 0)
		return 0;
	(void) fd_close(logind->inhibitor);
	logind->inhibitor = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return 0;
}

static int logind_inhibit(struct logind *logind) {
	return sd_bus_call_method_async(logind->bus, NULL, logind->owner, MANAGER_PATH, MANAGER,
		"Inhibit", logind_on_inhibited, logind, "ssss", "sleep", "cpub-agent",
		"Forgets its keys first", "delay");
}

static void logind_prepare_for_sleep(struct logind *logind) {
	logind->heard(WORD_SLEEP, logind->userdata);
	logind->inhibitor = fd_close(logind->inhibitor);
}

static int logind_on_sleep(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
	struct logind *logind = userdata;
	int begins;

	(void) error;
	if (!is_from(signal, logind->owner) || sd_bus_message_read(signal, "b", &begins) < 0)
		return 0;
	if (begins)
		logind_prepare_for_sleep(logind);
	else if (logind->inhibitor < 0)
		(void) logind_inhibit(logind); /* Without it we still hear of the next sleep. */
	return 0;
}

int logind_open(logind_heard_t heard, void *userdata, struct logind **ret) {
	_cleanup_(logind_freep) struct logind *logind = NULL;
	const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	int r;

	/* What else sd-bus knows runs a program, or talks over a network. */
	if (address && (strncmp(address, "unix:", strlen("unix:")) != 0 || strchr(address, ';')))
		return -EAFNOSUPPORT;
	logind = calloc(1, sizeof(*logind));
	if (!logind)
		return -ENOMEM;
	logind->heard = heard;
	logind->userdata = userdata;
	logind->uid = getuid();
	logind->inhibitor = -1;
	r = sd_bus_open_system(&logind->bus);
	if (r < 0)
		return r;
	r = sd_bus_set_method_call_timeout(logind->bus, CALL_USEC);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(logind);
	return 0;
}

static int logind_match(struct logind *logind) {
	static const struct {
		const char *signal;
		sd_bus_message_handler_t handler;
	} matches[] = {
		{"type='signal',sender='" BUS "',interface='" BUS
		 "',member='NameOwnerChanged',arg0='" NAME "'",
			logind_on_owner},
		{"type='signal',sender='" NAME "',path='" MANAGER_PATH "',interface='" MANAGER
		 "',member='PrepareForSleep'",
			logind_on_sleep},
		{FROM_SESSIONS "interface='" SESSION "',member='Lock'", logind_on_lock},
		{FROM_SESSIONS "interface='" PROPERTIES
			       "',member='PropertiesChanged',arg0='" SESSION "'",
			logind_on_properties},
	};

	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		int r = sd_bus_add_match(
			logind->bus, NULL, matches[i].signal, matches[i].handler, logind);
		if (r < 0)
			return r;
	}
	return 0;
}

static int logind_find_owner(struct logind *logind) {
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *owner;
	int r;

	r = sd_bus_call_method(logind->bus, BUS, "/org/freedesktop/DBus", BUS, "GetNameOwner", NULL,
		&reply, "s", NAME);
	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "s", &owner);
	if (r < 0)
		return r;
	logind->owner = strdup(owner);
	return logind->owner ? 0 : -ENOMEM;
}

int logind_listen(struct logind *logind) {
	int is_preparing = 0;
	int r;

	r = logind_match(logind);
	if (r < 0)
		return r;
	r = logind_find_owner(logind);
	if (r < 0)
		return r;
	r = logind_inhibit(logind);
	if (r < 0)
		return r;
	/* Who types the passphrase and closes the lid was heard by nobody. */
	r = sd_bus_get_property_trivial(logind->bus, logind->owner, MANAGER_PATH, MANAGER,
		"PreparingForSleep", NULL, 'b', &is_preparing);
	/* One that has no such property sends the signal all the same. */
	if (r >= 0 && is_preparing)
		logind_prepare_for_sleep(logind);
	return 0;
}

int logind_process(struct logind *logind) {
	int r = sd_bus_process(logind->bus, NULL);

	if (r < 0)
		return r;
	return logind->has_left ? -ESRCH : r > 0;
}

int logind_poll(struct logind *logind, struct pollfd *ret, uint64_t *ret_until_usec) {
	uint64_t until_usec;
	int fd, events, r;

	fd = sd_bus_get_fd(logind->bus);
	if (fd < 0)
		return fd;
	events = sd_bus_get_events(logind->bus);
	if (events < 0)
		return events;
	r = sd_bus_get_timeout(logind->bus, &until_usec);
	if (r < 0)
		return r;
	*ret = (struct pollfd){.fd = fd, .events = (short) events};
	*ret_until_usec = until_usec;
	return 0;
}

struct logind *logind_free(struct logind *logind) {
	if (!logind)
		return NULL;
	sd_bus_close_unref(logind->bus);
	(void) fd_close(logind->inhibitor);
	free(logind->owner);
	free(logind);
	return NULL;
}
