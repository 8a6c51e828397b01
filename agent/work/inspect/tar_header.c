/*
 * Of the form: POSIX.1-1988 ustar, and GNU tar's manual, "Basic Tar Format". Of how it is
 * read: the Rust crate `tar` (src/header.rs), by which cargo and crates.io go, and
 * libarchive's archive_read_support_format_tar.c. The latter has a sparse map and another
 * size from any GNU header that holds them, whatever its type.
 */

#include "tar_header.h"

#include <string.h>

#include "agent/work/inspect/fault.h"

struct field {
	size_t at;
	size_t size;
};

static const struct field name_field = {0, TAR_NAME_SIZE};
static const struct field size_field = {124, 12};
static const struct field sum_field = {148, 8};
static const struct field link_field = {157, 100};
static const struct field prefix_field = {345, 155};
/* Behind the prefix; in a GNU header there is no prefix, and the times and the map begin with it.
 */
static const struct field ustar_rest = {500, 12};
static const struct field gnu_rest = {345, 167};

/* Mode, user, group, time, and the two numbers of a device: they may be empty. */
static const struct field numbers[] = {{100, 8}, {108, 8}, {116, 8}, {136, 12}, {329, 8}, {337, 8}};
/* User and group. */
static const struct field texts[] = {{265, 32}, {297, 32}};

enum {
	AT_TYPE = 156,
	AT_MAGIC = 257,
};

/* The name that all writers give to the header of a long name. */
#define LONG_NAME_NAME "././@LongLink"

static bool field_is_empty(const unsigned char *block, struct field field) {
	for (size_t i = 0; i < field.size; i++) {
		if (block[field.at + i] != 0)
			return false;
	}
	return true;
}

/* Octal digits from the field's start, and an end of blanks or NULs: no sign, no base 256. */
static bool field_number(const unsigned char *block, struct field field, uint64_t *ret) {
	const unsigned char *at = block + field.at;
	uint64_t value = 0;
	size_t n = 0;

	for (; n < field.size && at[n] >= '0' && at[n] <= '7'; n++)
		value = value * 8 + (uint64_t) (at[n] - '0');
	if (n == 0 || n == field.size)
		return false;
	for (; n < field.size; n++) {
		if (at[n] != ' ' && at[n] != '\0')
			return false;
	}
	*ret = value;
	return true;
}

/* A text that NULs fill up, or that fills the field. */
static bool field_is_text(const unsigned char *block, struct field field) {
	size_t size = strnlen((const char *) block + field.at, field.size);

	return field_is_empty(block, (struct field){field.at + size, field.size - size});
}

static bool sum_is_right(const unsigned char *block) {
	uint64_t said, sum = 0;

	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		sum += i >= sum_field.at && i < sum_field.at + sum_field.size ? ' ' : block[i];
	return field_number(block, sum_field, &said) && said == sum;
}

static bool magic_is_known(const unsigned char *block, bool *ret_is_gnu) {
	*ret_is_gnu = memcmp(block + AT_MAGIC, "ustar  \0", 8) == 0;
	return *ret_is_gnu || memcmp(block + AT_MAGIC,
				      "ustar\0"
				      "00",
				      8) == 0;
}

static bool fields_are_plain(const unsigned char *block, bool is_gnu) {
	uint64_t ignored;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!field_is_empty(block, numbers[i]) &&
			!field_number(block, numbers[i], &ignored))
			return false;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!field_is_text(block, texts[i]))
			return false;
	}
	return field_is_text(block, name_field) && block[name_field.at] != '\0' &&
	       field_is_empty(block, link_field) &&
	       (is_gnu ? field_is_empty(block, gnu_rest)
		       : field_is_text(block, prefix_field) && field_is_empty(block, ustar_rest));
}

static int header_read_type(struct tar_header *header, char type, struct fault *fault) {
	header->is_long_name = type == TAR_LONG_NAME;
	header->is_folder = type == '5';
	if (type == 'x' || type == 'g')
		return fault_invalid(fault, "it has pax headers, which are read in many ways");
	if (type != '0' && type != '\0' && !header->is_folder && !header->is_long_name)
		return fault_invalid(
			fault, "it has an entry that is neither file nor folder: type '%c'", type);
	return 0;
}

static void header_read_name(struct tar_header *header, const unsigned char *block) {
	const char *prefix = (const char *) block + prefix_field.at;
	size_t size = header->is_gnu ? 0 : strnlen(prefix, prefix_field.size);

	memcpy(header->name, prefix, size);
	if (size > 0)
		header->name[size++] = '/';
	memcpy(header->name + size, block + name_field.at, name_field.size);
	header->name[size + name_field.size] = '\0';
}

/* Of a header whose fields hold, each for itself, what they may. */
static int header_check(const struct tar_header *header, struct fault *fault) {
	if (header->is_folder && header->size != 0)
		return fault_invalid(fault, "it has a folder with a content");
	if (header->is_long_name && (!header->is_gnu || strcmp(header->name, LONG_NAME_NAME) != 0))
		return fault_invalid(fault, "it has a header of an odd form");
	return 0;
}

int tar_header_read(
	const unsigned char block[TAR_BLOCK_SIZE], struct tar_header *ret, struct fault *fault) {
	struct tar_header header = {0};

	if (!sum_is_right(block) || !magic_is_known(block, &header.is_gnu))
		return fault_invalid(fault, "it is no tar archive, or a damaged one");
	int r = header_read_type(&header, (char) block[AT_TYPE], fault);
	if (r < 0)
		return r;
	if (!field_number(block, size_field, &header.size))
		return fault_invalid(fault, "it has an entry of an odd size");
	if (!fields_are_plain(block, header.is_gnu))
		return fault_invalid(fault, "it has a header of an odd form");
	header_read_name(&header, block);
	r = header_check(&header, fault);
	if (r < 0)
		return r;
	*ret = header;
	return 0;
}
