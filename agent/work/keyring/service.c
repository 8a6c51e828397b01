#include "service.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libsecret/secret.h>

#include "protocol/secret.h"

/* Owned on the session's bus by whoever is changing the store there. */
#define LOCK_NAME "org.cpub_agent.StoreLock"
#define LOCK_TRIES 80
#define LOCK_WAIT_NSEC (25 * 1000 * 1000)
/* org.freedesktop.DBus.RequestName (D-Bus specification): do not queue; the name is ours. */
#define NAME_FLAG_DO_NOT_QUEUE 4u
#define NAME_REPLY_PRIMARY_OWNER 1u
#define NAME_REPLY_ALREADY_OWNER 4u
/* A keyring that asks the person takes as long as the person does; the core ends us before. */
#define CALL_TIMEOUT_MSEC (60 * 1000)
#define BASE64_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

struct service {
	SecretService *proxy;
	SecretCollection *collection;
};

struct service_items {
	SecretItem **items;
	GHashTable **attributes;
	SecretValue **values; /* NULL where there is none */
	size_t n;
};

static int error_of_bus(const GError *error) {
	switch (error->code) {
	case G_DBUS_ERROR_SERVICE_UNKNOWN:
	case G_DBUS_ERROR_NAME_HAS_NO_OWNER:
	case G_DBUS_ERROR_DISCONNECTED:
	case G_DBUS_ERROR_NO_SERVER:
	case G_DBUS_ERROR_SPAWN_EXEC_FAILED:
	case G_DBUS_ERROR_SPAWN_CHILD_EXITED:
	case G_DBUS_ERROR_SPAWN_CHILD_SIGNALED:
	case G_DBUS_ERROR_SPAWN_FAILED:
	case G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND:
		return -ENXIO;
	case G_DBUS_ERROR_NO_REPLY:
	case G_DBUS_ERROR_TIMEOUT:
	case G_DBUS_ERROR_TIMED_OUT:
		return -ETIMEDOUT;
	case G_DBUS_ERROR_ACCESS_DENIED:
	case G_DBUS_ERROR_AUTH_FAILED:
		return -ECANCELED;
	case G_DBUS_ERROR_UNKNOWN_OBJECT:
		return -ENOENT;
	case G_DBUS_ERROR_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/* What a GError of libsecret or GDBus means to us; frees it. */
static int take_error(GError *error) {
	int r = -EIO;

	if (!error)
		return -EIO;
	if (g_error_matches(error, SECRET_ERROR, SECRET_ERROR_IS_LOCKED))
		r = -ENOKEY;
	else if (g_error_matches(error, SECRET_ERROR, SECRET_ERROR_NO_SUCH_OBJECT))
		r = -ENOENT;
	else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		r = -ECANCELED;
	else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
		r = -ETIMEDOUT;
	else if (error->domain == G_DBUS_ERROR)
		r = error_of_bus(error);
	else if (g_dbus_error_is_remote_error(error)) /* Of a kind that we do not know. */
		r = -EIO;
	else if (error->domain == G_IO_ERROR) /* No way to the bus, or it has gone. */
		r = -ENXIO;
	g_error_free(error);
	return r;
}

/* Lets the service ask the person. */
static int unlock(struct service *service) {
	GList objects = {.data = service->collection};
	GError *error = NULL;
	GList *unlocked = NULL;
	int n;

	n = secret_service_unlock_sync(service->proxy, &objects, NULL, &unlocked, &error);
	g_list_free_full(unlocked, g_object_unref);
	if (error)
		return take_error(error);
	return n > 0 ? 0 : -ECANCELED;
}

int service_open(bool may_prompt, struct service **ret) {
	_cleanup_(service_freep) struct service *service = calloc(1, sizeof(*service));
	GError *error = NULL;
	int r;

	if (!service)
		return -ENOMEM;
	service->proxy = secret_service_get_sync(SECRET_SERVICE_OPEN_SESSION, NULL, &error);
	if (!service->proxy)
		return take_error(error);
	g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(service->proxy), CALL_TIMEOUT_MSEC);
	service->collection = secret_collection_for_alias_sync(
		service->proxy, SECRET_COLLECTION_DEFAULT, SECRET_COLLECTION_NONE, NULL, &error);
	if (error) {
		r = take_error(error);
		return r == -ENOENT ? -ENXIO : r;
	}
	if (!service->collection)
		return -ENXIO;
	/*
	 * Looked at here and now: gnome-keyring without a display answers a look-up
	 * in a locked collection like one for an item that is not there.
	 */
	if (secret_collection_get_locked(service->collection)) {
		r = may_prompt ? unlock(service) : -ENOKEY;
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(service);
	return 0;
}

struct service *service_free(struct service *service) {
	if (!service)
		return NULL;
	g_clear_object(&service->collection);
	g_clear_object(&service->proxy);
	free(service);
	return NULL;
}

/* 1 if the lock is ours, 0 if another has it. */
static int try_lock(GDBusConnection *bus) {
	GError *error = NULL;
	GVariant *reply;
	guint32 answer = 0;

	reply = g_dbus_connection_call_sync(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
		"org.freedesktop.DBus", "RequestName",
		g_variant_new("(su)", LOCK_NAME, NAME_FLAG_DO_NOT_QUEUE), G_VARIANT_TYPE("(u)"),
		G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
	if (!reply)
		return take_error(error);
	g_variant_get(reply, "(u)", &answer);
	g_variant_unref(reply);
	return answer == NAME_REPLY_PRIMARY_OWNER || answer == NAME_REPLY_ALREADY_OWNER;
}

int service_lock(struct service *service) {
	GDBusConnection *bus = g_dbus_proxy_get_connection(G_DBUS_PROXY(service->proxy));
	const struct timespec wait = {.tv_nsec = LOCK_WAIT_NSEC};

	/* The bus takes the name back when we end, however we end. */
	for (int i = 0; i < LOCK_TRIES; i++) {
		int r = try_lock(bus);

		if (r != 0)
			return r < 0 ? r : 0;
		(void) nanosleep(&wait, NULL); /* Woken early, it is only asked again. */
	}
	return -EBUSY;
}

/* The attributes, borrowed, as libsecret wants them; NULL without memory never comes: GLib aborts. */
static GHashTable *make_attributes(
	const char *schema, const struct service_attribute *attributes, size_t n) {
	GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

	g_hash_table_insert(table, (gpointer) "xdg:schema", (gpointer) (uintptr_t) schema);
	for (size_t i = 0; i < n; i++)
		g_hash_table_insert(table, (gpointer) (uintptr_t) attributes[i].name,
			(gpointer) (uintptr_t) attributes[i].value);
	return table;
}

static int take_items(GList *found, bool with_secrets, struct service_items **ret) {
	_cleanup_(service_items_freep) struct service_items *items = calloc(1, sizeof(*items));
	size_t n = g_list_length(found);

	if (!items)
		return -ENOMEM;
	items->items = calloc(n + 1, sizeof(*items->items));
	items->attributes = calloc(n + 1, sizeof(*items->attributes));
	items->values = calloc(n + 1, sizeof(*items->values));
	if (!items->items || !items->attributes || !items->values)
		return -ENOMEM;
	for (GList *one = found; one; one = one->next) {
		SecretItem *item = one->data;

		items->items[items->n] = g_object_ref(item);
		items->attributes[items->n] = secret_item_get_attributes(item);
		if (with_secrets && !secret_item_get_locked(item))
			items->values[items->n] = secret_item_get_secret(item);
		items->n++;
	}
	*ret = TAKE_PTR(items);
	return 0;
}

int service_find(struct service *service, const char *schema,
	const struct service_attribute *attributes, size_t n_attributes, bool with_secrets,
	struct service_items **ret) {
	GHashTable *table = make_attributes(schema, attributes, n_attributes);
	SecretSearchFlags flags = SECRET_SEARCH_ALL;
	GError *error = NULL;
	GList *found;
	int r;

	if (with_secrets)
		flags |= SECRET_SEARCH_LOAD_SECRETS;
	found = secret_service_search_sync(service->proxy, NULL, table, flags, NULL, &error);
	g_hash_table_unref(table);
	if (error) {
		/* One that went away between being found and being looked at: not the answer 'none'. */
		r = take_error(error);
		return r == -ENOENT ? -EIO : r;
	}
	r = take_items(found, with_secrets, ret);
	g_list_free_full(found, g_object_unref);
	return r;
}

struct service_items *service_items_free(struct service_items *items) {
	if (!items)
		return NULL;
	for (size_t i = 0; i < items->n; i++) {
		g_object_unref(items->items[i]);
		g_hash_table_unref(items->attributes[i]);
		if (items->values[i])
			secret_value_unref(items->values[i]);
	}
	free(items->items);
	free(items->attributes);
	free(items->values);
	free(items);
	return NULL;
}

size_t service_items_n(const struct service_items *items) {
	return items->n;
}

bool service_items_is_locked(const struct service_items *items, size_t i) {
	return secret_item_get_locked(items->items[i]);
}

const char *service_items_attribute(
	const struct service_items *items, size_t i, const char *name) {
	return g_hash_table_lookup(items->attributes[i], name);
}

/* The text of the secret, borrowed. */
static int get_text(
	const struct service_items *items, size_t i, const char **ret, size_t *ret_size) {
	const char *text;
	gsize size = 0;

	if (service_items_is_locked(items, i))
		return -ENOKEY;
	if (!items->values[i])
		return -ENOENT;
	text = secret_value_get(items->values[i], &size);
	if (!text || size == 0)
		return -ENOENT;
	*ret = text;
	*ret_size = size;
	return 0;
}

int service_items_secret(
	const struct service_items *items, size_t i, size_t max, struct secret **ret) {
	const char *text;
	size_t size;
	int r = get_text(items, i, &text, &size);

	if (r < 0)
		return r;
	return size > max ? -E2BIG : secret_from(text, size, ret);
}

int service_items_bytes(
	const struct service_items *items, size_t i, uint8_t **ret, size_t *ret_size) {
	gint state = 0;
	guint save = 0;
	const char *text;
	uint8_t *bytes;
	size_t size;
	int r = get_text(items, i, &text, &size);

	if (r < 0)
		return r;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	/* Strictly: what another program made of it is not ours. */
	if (size % 4 != 0 || strspn(text, BASE64_ALPHABET) + 2 < size) {
		free(bytes);
		return -EBADMSG;
	}
	*ret_size = g_base64_decode_step(text, size, bytes, &state, &save);
	*ret = bytes;
	return 0;
}

int service_items_delete(const struct service_items *items, size_t i) {
	GError *error = NULL;
	int r;

	if (secret_item_delete_sync(items->items[i], NULL, &error))
		return 0;
	if (!error) /* A prompt that was dismissed. */
		return -ECANCELED;
	r = take_error(error);
	return r == -ENOENT ? 0 : r;
}

/* A text: some keyrings keep other kinds apart, as attachments. Caller unrefs. */
static SecretValue *make_value(const void *bytes, size_t size) {
	char *text = g_base64_encode(bytes, size);
	SecretValue *value = secret_value_new(text, -1, "text/plain");

	explicit_bzero(text, strlen(text));
	g_free(text);
	return value;
}

int service_items_replace(
	const struct service_items *items, size_t i, const void *bytes, size_t size) {
	SecretValue *value = make_value(bytes, size);
	GError *error = NULL;
	gboolean is_set;

	is_set = secret_item_set_secret_sync(items->items[i], value, NULL, &error);
	secret_value_unref(value);
	return is_set ? 0 : take_error(error);
}

int service_store(struct service *service, const char *schema,
	const struct service_attribute *attributes, size_t n_attributes, const char *label,
	const void *bytes, size_t size) {
	GHashTable *table = make_attributes(schema, attributes, n_attributes);
	SecretValue *value = make_value(bytes, size);
	GError *error = NULL;
	SecretItem *item;

	item = secret_item_create_sync(service->collection, NULL, table, label, value,
		SECRET_ITEM_CREATE_NONE, NULL, &error);
	secret_value_unref(value);
	g_hash_table_unref(table);
	if (item) {
		g_object_unref(item);
		return 0;
	}
	return error ? take_error(error) : -ECANCELED;
}
