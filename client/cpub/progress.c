#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/print.h"

#define BAR_WIDTH 30
/* Names of crates have up to 64 characters. */
#define LABEL_MAX 40
/* All of it: two blanks, label, bar with brackets, percentage. */
#define LINE_WIDTH (2 + LABEL_MAX + 1 + BAR_WIDTH + 2 + 5)

void progress_init(struct progress *progress, const struct print *print) {
	*progress = (struct progress){
		.is_shown = !print->is_quiet && !print->is_json && isatty(STDERR_FILENO),
		.percent = -1,
	};
}

/* Only what every terminal knows: back to the start of the line, and over it. */
void progress_draw(struct progress *progress, const char *label, int64_t done, int64_t total) {
	char bar[BAR_WIDTH + 1];
	int percent, filled;

	if (!progress->is_shown || total <= 0 || done < 0)
		return;
	percent = done >= total ? 100 : (int) ((double) done * 100 / (double) total);
	if (percent == progress->percent && label == progress->label)
		return;
	progress->percent = percent;
	progress->label = label;
	filled = percent * BAR_WIDTH / 100;
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '=', (size_t) filled);
	if (filled > 0 && filled < BAR_WIDTH)
		bar[filled - 1] = '>';
	bar[BAR_WIDTH] = '\0';
	fputs("\r  ", stderr);
	fprintf(stderr, "%-*.*s [%s] %3d%%", LABEL_MAX, LABEL_MAX, label, bar, percent);
	(void) fflush(stderr);
}

void progress_clear(struct progress *progress) {
	if (progress->percent < 0)
		return;
	progress->percent = -1;
	progress->label = NULL;
	fprintf(stderr, "\r%*s\r", LINE_WIDTH, "");
	(void) fflush(stderr);
}
