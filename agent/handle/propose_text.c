#include "propose_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/consignment.h"
#include "agent/handle/act_text.h"
#include "agent/session.h"
#include "protocol/request.h"

static void write_history(FILE *out, const struct parcel *parcel) {
	fprintf(out, "  history   ");
	if (!parcel->is_asked)
		fprintf(out, "unknown: the index was not asked, or did not answer\n");
	else if (parcel->is_listed)
		fprintf(out, "this file is there already, and is passed over\n");
	else if (parcel->is_first)
		fprintf(out, "FIRST publish of this crate; its name is taken for good\n");
	else
		fprintf(out, "last version %s\n",
			parcel->last_version ? parcel->last_version : "unknown");
}

static void write_parcel(FILE *out, const struct parcel *parcel) {
	fprintf(out, "  crate     %s %s\n", parcel->crate, parcel->version);
	fprintf(out, "  sha256    %s\n", parcel->checksum);
	fprintf(out, "  size      %" PRIu64 " bytes, %" PRIu64 " files\n", parcel->size,
		parcel->n_entries);
	write_history(out, parcel);
}

int propose_text(const struct session *session, const char *name, char **ret) {
	const struct consignment *consignment = session->consignment;
	size_t n = consignment_n(consignment), size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	act_text_begin(out, session, "publish", name);
	for (size_t i = 0; i < n; i++)
		write_parcel(out, consignment_at(consignment, i));
	fprintf(out, "  build     %s\n",
		session->request->will_verify
			? "checked after this; what it packages must be the same file"
			: "NOT checked by a build");
	act_text_end(out, session);
	if (n > 1) /* The first lines may be out of sight. */
		fprintf(out, "In all %zu crates for account %s of %s.\n", n, name, session->url);
	fprintf(out, "This covers exactly %s, for one hour. A publish is permanent.\n",
		n == 1 ? "this file" : "these files");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}
